//! `driftpack dev`: tools of the development set-up. None of them works in production.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use engine::Clock;
use evidence::time::Period;
use url::Url;

use super::admin::Office;
use super::{append, crowd, demo, export};
use crate::client::Client;
use crate::config::{self, Config, Environment, Secret};
use crate::issuer::Embedded;
use crate::story::Story;
use crate::up::Up;
use crate::{bootstrap, say, shutdown};

/// Tools for development: issuer, tokens, generated data
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:
  driftpack dev token --email owner@acme.example
  driftpack dev generate --findings 100000 --seed 7
  driftpack dev story --out plans/")]
pub(crate) enum Command {
    /// Run the embedded identity provider alone
    Issuer,
    /// Print a token of the embedded identity provider
    Token {
        /// Whose token
        #[arg(long)]
        email: String,
        /// How long it is valid; a number below zero gives one that has expired
        #[arg(long, default_value_t = 24, allow_negative_numbers = true)]
        hours: i16,
    },
    /// Fill an organisation with generated findings and their history
    Generate(Generate),
    /// Append to an organisation's audit log, many at once, and say how many entries it took
    #[command(hide = true)]
    Append(append::Append),
    /// Make many organisations with generated findings
    #[command(hide = true)]
    Crowd(crowd::Crowd),
    /// Write the story's scans as files
    Story {
        /// The folder
        #[arg(long)]
        out: PathBuf,
        /// The moment at which the story is told [default: now]
        #[arg(long, value_parser = export::moment)]
        now: Option<DateTime<Utc>>,
    },
    /// Make the organisation acme with people and keys, feed the story, write the file for other programs
    #[command(hide = true)]
    Bootstrap {
        #[arg(long)]
        server: Url,
        #[arg(long)]
        file: PathBuf,
    },
    /// Say what `./dev up` runs
    #[command(hide = true)]
    ShowUp {
        #[arg(long)]
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    /// The organisation, by slug
    #[arg(long, default_value = bootstrap::SLUG)]
    org: String,
    #[arg(long)]
    findings: u64,
    /// The same seed gives the same stories
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 3)]
    state_sources: u32,
    /// Start of the time in which it happens [default: 90 days before its end]
    #[arg(long, value_parser = export::moment)]
    from: Option<DateTime<Utc>>,
    /// End of that time [default: now]
    #[arg(long, value_parser = export::moment)]
    to: Option<DateTime<Utc>>,
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Story { out, now } => story(&out, now.unwrap_or_else(|| Clock::System.now()))?,
        Command::ShowUp { file } => show(&Up::read(&file)?, &file),
        Command::Issuer => issuer(development()?).await?,
        Command::Token { email, hours } => {
            let issuer = Embedded::of(&development()?)?;
            say::out(issuer.token(&email, Clock::System.now(), TimeDelta::hours(hours.into()))?);
        }
        Command::Generate(args) => generate(development()?, args).await?,
        Command::Append(args) => append::run(&development()?, args).await?,
        Command::Crowd(args) => crowd::run(&Office::open(development()?)?, args).await?,
        Command::Bootstrap { server, file } => boot(development()?, server, &file).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn development() -> Result<Config> {
    let config = Config::load(config::environment())?;
    ensure!(
        config.environment == Environment::Development,
        "`driftpack dev` does not work with DRIFTWISE_ENV=production"
    );
    Ok(config)
}

async fn issuer(config: Config) -> Result<()> {
    let issuer = Embedded::of(&config)?;
    let stop = shutdown::on_signal()?;
    let listener = tokio::net::TcpListener::bind(issuer.listen)
        .await
        .with_context(|| format!("cannot listen on {}", issuer.listen))?;
    say::note(format!("{} answers; Ctrl-C ends it", issuer.name()));
    Ok(issuer.service()?.serve(listener, stop).await?)
}

async fn generate(config: Config, args: Generate) -> Result<()> {
    /// As long as the period of a usual pack.
    const DAYS: i64 = 90;
    let now = Clock::System.now();
    let end = args.to.unwrap_or(now);
    let period = Period::new(args.from.unwrap_or(end - TimeDelta::days(DAYS)), end)?;
    let profile = db::generate::Profile {
        findings: args.findings,
        seed: args.seed,
        period,
        state_sources: args.state_sources,
    };
    let office = Office::open(config)?;
    let mut tx = office.begin(&args.org).await?;
    let org = tx.org();
    let made = db::generate::generate(&mut tx, org, &profile, &Office::cause(now)).await?;
    tx.commit().await?;
    say::note(format!(
        "{} findings, {} events, {} scans, {} state sources",
        made.findings, made.events, made.scans, made.state_sources
    ));
    Ok(())
}

fn story(out: &Path, now: DateTime<Utc>) -> Result<()> {
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
    let story = Story::until(now);
    for scan in &story.scans {
        let file = out.join(&scan.file_name);
        std::fs::write(&file, serde_json::to_vec_pretty(&scan.plan)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    say::note(format!("{} scans in {}", story.scans.len(), out.display()));
    Ok(())
}

/// A set-up that is there keeps its keys and its story. The file comes last: while it is missing the story may be half told,
/// and is told again, which adds what is not there yet.
async fn boot(config: Config, server: Url, file: &Path) -> Result<()> {
    let now = Clock::System.now();
    let story = Story::until(now);
    let known = Up::read(file).ok();
    let office = Office::open(config)?;
    let made = bootstrap::run(&office, server, now, &story).await?;
    let is_told = known.as_ref().is_some_and(|known| known.org_id == made.org_id.0);
    let up = made.with_keys(&office, known.map(|known| known.api_keys), now).await?;
    if !is_told {
        let machine = Client::new(up.base_url.clone(), Secret::new(up.api_keys.write.clone()))?;
        let owner = Client::new(up.base_url.clone(), Secret::new(up.tokens.owner.clone()))?;
        demo::feed(&machine, up.org_id, &story).await?;
        demo::decide(&owner, up.org_id, story.decisions).await?;
    }
    up.write(file)
}

fn show(up: &Up, file: &Path) {
    let Up { base_url, org_id, tokens, api_keys } = up;
    let base = base_url.as_str().trim_end_matches('/');
    let tokens = [
        ("owner", &tokens.owner),
        ("admin", &tokens.admin),
        ("member", &tokens.member),
        ("viewer", &tokens.viewer),
        ("platform_admin", &tokens.platform_admin),
    ];
    say::out(format!(
        "URL           {base}\nreference     {base}/docs\nsign in       {base}/login\norganisation  acme  {org_id}\n"
    ));
    say::out("Tokens and API keys of this development set-up:");
    for (name, token) in tokens {
        say::out(format!("  {name:<15} {token}"));
    }
    say::out(format!(
        "  {:<15} {}\n  {:<15} {}",
        "key, read", api_keys.read, "key, write", api_keys.write
    ));
    let file = file.display();
    say::out(format!(
        "\nThe same as JSON in {file}. Try:\n\
         \x20 export TOKEN=$(jq -r .tokens.owner '{file}')\n\
         \x20 curl -s -H \"authorization: Bearer $TOKEN\" '{base}/api/v2/orgs/{org_id}/findings?status=open' | jq '.findings[].address'\n\
         \x20 curl -s -H \"authorization: Bearer $TOKEN\" {base}/api/v2/orgs/{org_id}/audit-log/verify | jq\n\
         \x20 ./dev ingest --org acme --state-source prod plan.json\n\
         \x20 ./dev export --org acme --from {start} --to {end} --out .dev",
        start = Clock::System.now().date_naive() - TimeDelta::days(90),
        end = Clock::System.now().date_naive(),
    ));
}
