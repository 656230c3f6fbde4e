//! `driftpack verify`: checks packs offline. The exit code is the answer: 0 ok, 1 broken, 2 truncated, 3 incomplete.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bundle::keys::{PublicKey, PublicKeys};
use bundle::verify::{Older, Options, Report, SharedFile, Status, verify};
use serde_json::Value;
use url::Url;

use crate::client::{Client, Refused};
use crate::config::Secret;
use crate::say;

/// The published keys are a handful; more than this is something else.
const KEYS_BYTES_MAX: usize = 1 << 20;

/// For the whole answer: the list is small.
const KEYS_LIMIT: Duration = Duration::from_secs(30);

/// Check a Compliance Pack with nothing but the file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack verify compliance-pack-acme-2026-01-01_2026-04-01.zip --key acme.pub
  driftpack verify q2.zip --against q1.zip          is q2 the continuation of q1?
  driftpack verify q2.zip --json | jq .result

Exit code: 0 ok, 1 broken, 2 truncated, 3 incomplete, 4 the command itself failed, 64 wrong arguments.
Without --key or --keys-url the key inside the pack is believed: trust on first use.")]
pub(crate) struct Args {
    /// The ZIP
    pack: PathBuf,
    /// A public key you trust: PEM, 32 bytes in hex or base64, or a saved driftpack-keys.json (repeatable)
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Where the service publishes its public keys (…/.well-known/driftpack-keys.json)
    #[arg(long, value_name = "URL")]
    keys_url: Option<Url>,
    /// An earlier pack of the same organisation, to check continuity (repeatable)
    #[arg(long, value_name = "ZIP")]
    against: Vec<PathBuf>,
    /// Ask the running service, too, whether its audit log still holds the attested entry; needs DRIFTPACK_TOKEN
    #[arg(long, value_name = "URL")]
    live: Option<Url>,
    /// Token for --live
    #[arg(long, env = "DRIFTPACK_TOKEN", hide_env_values = true, hide = true, value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret::new(text)))]
    token: Option<Secret>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let mut options = Options { keys: keys(&args).await?, ..Options::default() };
    for path in &args.against {
        let report =
            verify(open(path)?, &Options { keys: options.keys.clone(), ..Options::default() });
        options.against.push(Older { name: path.display().to_string(), report });
    }
    let mut report = verify(open(&args.pack)?, &options);
    if let Some(base) = &args.live {
        ask_live(&mut report, base, args.token.as_ref()).await;
    }
    if args.json {
        say::out(serde_json::to_string_pretty(&report)?);
    } else {
        say::out(report.text().trim_end());
    }
    Ok(ExitCode::from(report.exit_code))
}

fn open(path: &Path) -> Result<SharedFile> {
    File::open(path).map(SharedFile::new).with_context(|| format!("cannot read {}", path.display()))
}

async fn keys(args: &Args) -> Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for path in &args.key {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let told = || format!("{} is neither a public key nor a list of keys", path.display());
        if text.trim_start().starts_with('{') {
            keys.extend(PublicKeys::parse(text.as_bytes()).with_context(told)?.keys);
        } else {
            keys.push(PublicKey::from_text(&text).with_context(told)?);
        }
    }
    if let Some(url) = &args.keys_url {
        keys.extend(published(url).await?.keys);
    }
    Ok(keys)
}

async fn published(url: &Url) -> Result<PublicKeys> {
    let told = || format!("{url} gives no keys");
    let client = reqwest::Client::builder().timeout(KEYS_LIMIT).build().with_context(told)?;
    let answer = client.get(url.clone()).send().await;
    let mut answer = answer.and_then(reqwest::Response::error_for_status).with_context(told)?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.with_context(told)? {
        text.extend_from_slice(&chunk);
        ensure!(text.len() <= KEYS_BYTES_MAX, "{url} is too large to be a list of keys");
    }
    let keys = PublicKeys::parse(&text).with_context(told)?;
    // Without a key to compare with, the one inside the pack would be believed: the opposite of what was asked for.
    ensure!(!keys.keys.is_empty(), "{url} lists no keys, so there is none to trust");
    Ok(keys)
}

/// Adds what the running service says about the attested entry. A service that cannot be asked is `incomplete`, not an error:
/// the offline answer stands.
async fn ask_live(report: &mut Report, base: &Url, token: Option<&Secret>) {
    let (status, detail) = match live(report, base, token).await {
        Ok(answer) => answer,
        Err(error) => (Status::Incomplete, format!("{error:#}")),
    };
    report.add("live", status, &say::printable(&detail));
}

async fn live(report: &Report, base: &Url, token: Option<&Secret>) -> Result<(Status, String)> {
    let facts = report
        .pack
        .as_ref()
        .context("the pack does not say which organisation and entry to ask for")?;
    let token = token.context("set DRIFTPACK_TOKEN to an owner's or admin's token")?;
    let seq = facts.head_seq;
    let path =
        format!("orgs/{}/audit-log/verify?at_seq={seq}&expected_min_seq={seq}", facts.org_id);
    let answer = match Client::new(base.clone(), token.clone())?.get(&path).await {
        Ok(answer) => answer,
        Err(error) if error.is::<Refused>() => anyhow::bail!("the service refused: {error}"),
        Err(error) => return Err(error),
    };
    Ok(judge(&answer, seq, &facts.head_hash_hex))
}

fn judge(answer: &Value, seq: i64, hash_hex: &str) -> (Status, String) {
    let said = answer["at"]["hash_hex"].as_str();
    match (answer["status"].as_str(), said) {
        (Some("ok"), Some(hash)) if hash == hash_hex => (
            Status::Ok,
            format!("the service's log is whole and its entry {seq} is the attested one"),
        ),
        (Some("ok"), Some(hash)) => (
            Status::Broken,
            format!(
                "entry {seq} of the service's log has the hash {hash}, the pack attests {hash_hex}: history was rewritten"
            ),
        ),
        (Some("truncated"), _) => (
            Status::Truncated,
            format!("the service's log ends before entry {seq}, which the pack attests"),
        ),
        (Some(other), _) => (
            Status::Broken,
            format!(
                "the service calls its own log {other}: {}",
                answer["message"].as_str().unwrap_or("no reason given")
            ),
        ),
        (None, _) => (Status::Incomplete, "the service's answer has no status".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_live_answer_is_judged_by_the_hash_of_the_attested_entry() {
        let judged = |status: &str, hash: &str| {
            judge(&json!({"status": status, "at": {"seq": 7, "hash_hex": hash}}), 7, "aa").0
        };
        assert_eq!(judged("ok", "aa"), Status::Ok);
        assert_eq!(judged("ok", "bb"), Status::Broken);
        assert_eq!(judged("truncated", "aa"), Status::Truncated);
        assert_eq!(judged("broken", "aa"), Status::Broken);
        assert_eq!(judge(&json!({}), 7, "aa").0, Status::Incomplete);
    }

    /// What `published` makes of an answer: a first part, and a part that is repeated until nobody listens.
    async fn asked(first: &'static str, again: String) -> Result<PublicKeys> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        // Several tests share the process; whoever comes second finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(asked > 0, "the client asks first");
            let mut written = stream.write_all(first.as_bytes()).await;
            while written.is_ok() && !again.is_empty() {
                written = stream.write_all(again.as_bytes()).await;
            }
        });
        published(&url.parse().unwrap()).await
    }

    #[tokio::test]
    async fn a_list_without_keys_is_refused() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}";
        let refused = asked(answer, String::new()).await.unwrap_err().to_string();
        assert!(refused.contains("lists no keys"), "{refused}");
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_not_read_to_its_end() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        let refused = asked(head, chunk).await.unwrap_err().to_string();
        assert!(refused.contains("too large"), "{refused}");
    }
}
