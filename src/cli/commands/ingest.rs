//! `driftpack ingest`: hands scan files to the service, and says what each of them reads as.
//!
//! The format is recognised from the content. Each file is read here first, so that a fault is named before anything is
//! sent; one bad file does not keep the others back.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use evidence::input::{Reading, read};
use evidence::time::stamp;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::client::{Client, Target};
use crate::say;

/// More than the service takes by default; larger files are refused unread.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// From so many files on a bar shows how far it is.
const BAR_FROM: usize = 3;

/// Hand in drift scans: Terraform/OpenTofu plans, plan streams, driftctl reports
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terraform plan -refresh-only -out=plan.bin && terraform show -json plan.bin | driftpack ingest --org acme --state-source prod -
  driftpack ingest --org acme --state-source prod plans/*.json
  driftpack ingest --dry-run scan.json              what does this file read as?

Recognised: `terraform show -json`, `terraform plan -json` (a stream), `driftctl scan -o json://`.
Exit code: 0 all taken, 1 at least one refused, 4 the command itself failed, 64 wrong arguments.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The organisation, by slug or id
    #[arg(long, required_unless_present = "dry_run")]
    org: Option<String>,
    /// The state source that was scanned; made on first use
    #[arg(long, required_unless_present = "dry_run")]
    state_source: Option<String>,
    /// When the scan looked, for files that do not say so themselves (RFC 3339)
    #[arg(long, value_parser = super::export::moment, value_name = "TIME")]
    observed_at: Option<DateTime<Utc>>,
    /// Only read the files and say what they are; send nothing
    #[arg(long)]
    dry_run: bool,
    /// The files; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let door = if args.dry_run { None } else { Some(Door::open(&args).await?) };
    let bar = bar(args.files.len());
    let mut rows = vec![header(args.dry_run)];
    let mut refused = 0;
    for file in &args.files {
        bar.set_message(say::printable(&file.display().to_string()));
        match one(file, door.as_ref()).await {
            Ok(cells) => rows.push([vec![file.display().to_string()], cells].concat()),
            Err(error) => {
                refused += 1;
                let words = say::printable(&format!("{}: {error:#}", file.display()));
                bar.suspend(|| say::note(words));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if rows.len() > 1 {
        say::out(say::table(&rows));
    }
    if refused == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say::note(format!("{refused} of {} files refused", args.files.len()));
    Ok(ExitCode::FAILURE)
}

/// Where the files go.
struct Door {
    client: Client,
    org: Uuid,
    state_source: String,
    /// For files that carry no time.
    observed_at: Option<String>,
}

impl Door {
    async fn open(args: &Args) -> Result<Self> {
        let client = args.target.client()?;
        let org = client.org(args.org.as_deref().unwrap_or_default()).await?;
        Ok(Self {
            client,
            org,
            state_source: args.state_source.clone().unwrap_or_default(),
            observed_at: args.observed_at.map(stamp),
        })
    }
}

fn bar(files: usize) -> ProgressBar {
    if files < BAR_FROM || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}").expect("a constant template");
    ProgressBar::new(files as u64).with_style(style)
}

fn header(dry_run: bool) -> Vec<String> {
    let more: &[&str] = if dry_run { &[] } else { &["SCAN", "RESULT"] };
    ["FILE", "READS AS", "OBSERVED", "STATUS", "CHANGED", "MISSING", "EXTRA", "MOVED", "NOISE"]
        .iter()
        .chain(more)
        .map(|word| (*word).to_owned())
        .collect()
}

/// Reads a file, hands it in; the cells of its row.
async fn one(file: &Path, door: Option<&Door>) -> Result<Vec<String>> {
    let bytes = contents(file)?;
    let seen = match read(&bytes)? {
        Reading::Scan(seen) => seen,
        Reading::State(_) => bail!(
            "this is a state file, which says nothing about drift; hand in a plan: terraform plan -refresh-only -out=p && terraform show -json p"
        ),
    };
    let observed = seen.observed_at.map_or_else(|| "not in the file".to_owned(), stamp);
    let mut cells =
        vec![seen.format.as_str().to_owned(), observed, seen.status.as_str().to_owned()];
    let counts = [
        seen.drifted(),
        seen.missing(),
        seen.extra(),
        seen.moves.len() as u64,
        seen.noise.len() as u64,
    ];
    cells.extend(counts.map(|count| count.to_string()));
    if let Some(door) = door {
        cells.extend(hand_in(door, bytes, seen.observed_at.is_some()).await?);
    }
    Ok(cells)
}

fn contents(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let size = if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?
    } else {
        let opened = std::fs::File::open(file).context("cannot be read")?;
        opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).context("cannot be read")?
    };
    if size as u64 > FILE_BYTES_MAX {
        bail!("is larger than {FILE_BYTES_MAX} bytes");
    }
    Ok(bytes)
}

/// Sends the file. A time on the command line is for files without one; it never overrules what a file says of itself.
async fn hand_in(door: &Door, bytes: Vec<u8>, has_time: bool) -> Result<[String; 2]> {
    let mut query = vec![("state_source", door.state_source.as_str())];
    if !has_time {
        query.extend(door.observed_at.as_deref().map(|time| ("observed_at", time)));
    }
    let (status, scan) =
        door.client.upload(&format!("orgs/{}/scans", door.org), &query, bytes).await?;
    let result =
        if status == StatusCode::CREATED { taken(&scan) } else { "was there already".to_owned() };
    Ok([scan["id"].as_str().unwrap_or_default().to_owned(), result])
}

fn taken(scan: &Value) -> String {
    if scan["late"] == true { "taken, late: a newer scan is in" } else { "taken" }.to_owned()
}
