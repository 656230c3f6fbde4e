//! `driftpack demo`: the whole job through the API: feed the story, decide two findings, build a pack, fetch it.
//!
//! Needs a running service of the same configuration; `./dev demo` starts one.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use engine::Clock;
use evidence::time::stamp;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::admin::Office;
use crate::client::Client;
use crate::config::{self, Config, Environment, Secret};
use crate::story::{Decision, Story};
use crate::{bootstrap, pack, say};

/// Feed three months of scans to a development service and fetch the pack
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the service
    #[arg(long, env = "DRIFTPACK_SERVER")]
    server: Url,
    /// The folder for the ZIP
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let config = Config::load(config::environment())?;
    ensure!(
        config.environment == Environment::Development,
        "the demo writes made-up evidence; it does not run in production"
    );
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let story = Story::until(Clock::System.now());
    let office = Office::open(config)?;
    let now = Clock::System.now();
    let made = bootstrap::run(&office, args.server, now, &story).await?;
    let up = made.with_keys(&office, None, now).await?;
    say::note(format!(
        "organisation acme (enterprise), {} state sources, a person of each role",
        crate::story::SOURCES.len()
    ));

    let machine = Client::new(up.base_url.clone(), Secret::new(up.api_keys.write))?;
    let owner = Client::new(up.base_url, Secret::new(up.tokens.owner))?;
    feed(&machine, up.org_id, &story).await?;
    decide(&owner, up.org_id, story.decisions).await?;

    let now = Clock::System.now();
    say::note(format!(
        "pack of {} to {}, requested by owner@acme.example",
        stamp(story.start),
        stamp(now)
    ));
    let fetched = pack::fetch(&owner, up.org_id, (story.start, now), &args.out).await?;
    summarise(&fetched);
    say::out(fetched.file.display());
    Ok(ExitCode::SUCCESS)
}

/// Hands in every scan in order, as a pipeline with a write key would.
pub(crate) async fn feed(client: &Client, org: Uuid, story: &Story) -> Result<()> {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(story.scans.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    bar.set_style(
        ProgressStyle::with_template("  {bar:30} {pos}/{len} scans  {msg}")
            .expect("a constant template"),
    );
    let mut counts = Counts::default();
    for scan in &story.scans {
        bar.set_message(scan.file_name.clone());
        let bytes = serde_json::to_vec(&scan.plan)?;
        let observed_at = stamp(scan.observed_at);
        let query = [("state_source", scan.source), ("observed_at", observed_at.as_str())];
        let (status, row) = client
            .upload(&format!("orgs/{org}/scans"), &query, bytes)
            .await
            .with_context(|| format!("{} was not taken", scan.file_name))?;
        counts.add(status, &row);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Counts { taken, known, partial, late } = counts;
    say::note(format!(
        "{taken} scans taken ({partial} partial, {late} late), {known} were there already"
    ));
    Ok(())
}

#[derive(Default)]
struct Counts {
    taken: u32,
    known: u32,
    partial: u32,
    late: u32,
}

impl Counts {
    fn add(&mut self, status: StatusCode, row: &Value) {
        let is_taken = status == StatusCode::CREATED;
        self.taken += u32::from(is_taken);
        self.known += u32::from(!is_taken);
        self.partial += u32::from(row["status"] == "partial");
        self.late += u32::from(row["late"] == true);
    }
}

/// Says what the company decided about findings; those that are decided already stay as they are.
pub(crate) async fn decide(client: &Client, org: Uuid, decisions: &[Decision]) -> Result<()> {
    let listed = client.get(&format!("orgs/{org}/findings?status=open&limit=100")).await?;
    let open = listed["findings"].as_array().context("the service's answer has no findings")?;
    for Decision { address, resolution, reason, .. } in decisions {
        let Some(finding) = open.iter().find(|finding| finding["address"] == *address) else {
            continue;
        };
        let id = finding["id"].as_str().context("a finding has an id")?;
        client
            .patch(
                &format!("orgs/{org}/findings/{id}"),
                &json!({"resolution": resolution, "reason": reason}),
            )
            .await?;
        say::note(format!("finding {}: {address} → {resolution}", finding["number"]));
    }
    Ok(())
}

fn summarise(fetched: &pack::Fetched) {
    let entries = fetched.row["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows = vec![["ENTRY", "ROWS", "BYTES"].map(str::to_owned).to_vec()];
    for entry in entries {
        let number =
            |name: &str| entry[name].as_u64().map(|number| number.to_string()).unwrap_or_default();
        rows.push(vec![
            entry["name"].as_str().unwrap_or_default().to_owned(),
            number("rows"),
            number("bytes"),
        ]);
    }
    say::note(say::table(&rows));
    if fetched.row["pdf_included"] == false {
        say::note("summary.pdf is left out: no Chromium, or PDF rendering is off");
    }
}
