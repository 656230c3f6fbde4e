//! `driftpack runs list`.

use anyhow::Result;
use chrono::{DateTime, Utc};
use engine::{Clock, RunState};
use evidence::time::stamp;
use serde_json::Value;
use uuid::Uuid;

use super::{failure, print_json};
use crate::client::Target;
use crate::commands::export::moment;
use crate::say;
use crate::terminal::{COLUMNS, ago, cut, table, text};

/// List runs, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack runs list --state failed --workflow compliance_pack.build
  driftpack runs list --state queued --state waiting --limit 200
  driftpack runs list --error 'No space left' --from 2026-04-01
  driftpack runs list --json | jq -r '.runs[].id'

States: queued, running, waiting, paused, succeeded, failed, cancelled.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// Only runs of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Only runs in this state (repeatable)
    #[arg(long)]
    state: Vec<RunState>,
    /// Only runs with this key: for packs, the id of the organisation
    #[arg(long)]
    key: Option<String>,
    /// Only failed runs whose error holds this text, in whatever case
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only runs created from this moment on: a date or an RFC 3339 time
    #[arg(long, value_parser = moment)]
    from: Option<DateTime<Utc>>,
    /// Only runs created before this moment
    #[arg(long, value_parser = moment)]
    to: Option<DateTime<Utc>>,
    /// Only children of this run
    #[arg(long, value_name = "RUN")]
    parent: Option<Uuid>,
    /// Only runs after this one in the list
    #[arg(long, value_name = "RUN")]
    after: Option<Uuid>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let client = args.target.operator()?;
    let answer = client.ask(&["admin", "workflows", "runs"], &args.query()).await?;
    if args.json {
        return print_json(&answer);
    }
    say::out(shown(&answer, Clock::System.now()));
    if let Some(after) = answer["next_after"].as_str() {
        say::note(format!("more with --after {}", say::printable(after)));
    }
    Ok(())
}

impl Args {
    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("workflow", self.workflow.clone()),
            ("key", self.key.clone()),
            ("error", self.error.clone()),
            ("created_from", self.from.map(stamp)),
            ("created_before", self.to.map(stamp)),
            ("parent_id", self.parent.map(|id| id.to_string())),
            ("after", self.after.map(|id| id.to_string())),
            ("limit", Some(self.limit.to_string())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.chain(self.state.iter().map(|state| ("state", state.to_string()))).collect()
    }
}

/// A line for each run, and a second one that says why it failed.
pub(super) fn shown(answer: &Value, now: DateTime<Utc>) -> String {
    let runs = answer["runs"].as_array().map_or(&[][..], Vec::as_slice);
    if runs.is_empty() {
        return "No run fits.".to_owned();
    }
    let mut rows = vec![["RUN", "WORKFLOW", "STATE", "AGE"].map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(|run| {
        let age = ago(&run["created_at"], now);
        vec![text(&run["id"]), text(&run["workflow"]), text(&run["state"]), age]
    }));
    let table = table(&rows);
    let mut lines = table.lines();
    let mut shown = vec![lines.next().unwrap_or_default().to_owned()];
    for (line, run) in lines.zip(runs) {
        shown.push(line.to_owned());
        if run["error"].is_object() {
            let why = say::printable(&failure(&run["error"]));
            shown.push(format!("  {}", cut(&why, COLUMNS - 2)));
        }
    }
    shown.join("\n")
}
