//! `driftpack runs`: looking at workflow runs and steering them, through the service.
//!
//! Invariant: nothing here decides what may be done; the service does, and its words are shown.

mod act;
mod list;
mod show;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;
use uuid::Uuid;

use crate::client::{Client, Target};
use crate::say;

/// Workflow runs: list, show, watch, retry, redrive, cancel, pause, resume, signal
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:
  driftpack runs list --state failed
  driftpack runs show 0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d
  driftpack runs retry 0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d
  driftpack runs redrive --workflow compliance_pack.build --error 'No space left' --dry-run

Needs the token of a platform administrator. Every change is in the audit log of the platform and,
where the run is an organisation's, in that one's.")]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    Watch(watch::Args),
    Retry(act::Retry),
    Redrive(act::Redrive),
    /// End a run before its next step
    Cancel(Of),
    /// Set a run aside: at once when it waits, otherwise before its next step
    Pause(Of),
    /// Let a paused run go on where it was
    Resume(Of),
    Signal(act::Signal),
}

/// A run, and how to show what came of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Of {
    #[command(flatten)]
    target: Target,
    /// The run's id, as `runs list` shows it
    #[arg(value_name = "RUN")]
    run_id: Uuid,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(args) => list::run(args).await?,
        Command::Show(args) => show::run(args).await?,
        Command::Watch(args) => return watch::run(args).await,
        Command::Retry(args) => act::retry(args).await?,
        Command::Redrive(args) => act::redrive(args).await?,
        Command::Cancel(of) => act::act(&of, "cancel", None).await?,
        Command::Pause(of) => act::act(&of, "pause", None).await?,
        Command::Resume(of) => act::act(&of, "resume", None).await?,
        Command::Signal(args) => act::signal(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A run with its record.
async fn detail(client: &Client, run_id: Uuid) -> Result<Value> {
    client.ask(&["admin", "workflows", "runs", &run_id.to_string()], &[]).await
}

fn print_json(answer: &Value) -> Result<()> {
    say::out(serde_json::to_string_pretty(answer)?);
    Ok(())
}

/// One line of a failure: where, under which code, what.
fn failure(error: &Value) -> String {
    let step = error["step"].as_str().map(|step| format!("{step}: ")).unwrap_or_default();
    format!("{step}{}", reason(error))
}

/// The same without the place. The code comes first, because lines are cut at their end.
fn reason(error: &Value) -> String {
    let code = error["code"].as_str().or_else(|| error["kind"].as_str()).unwrap_or_default();
    format!("{code}: {}", error["message"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests;
