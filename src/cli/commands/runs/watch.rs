//! `driftpack runs watch`: a run on one screen, until it ends.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use engine::Clock;
use serde_json::Value;

use super::{Of, detail, failure, show};
use crate::say;
use crate::terminal::text;

/// How often the service is asked: soon enough for a person, seldom enough for the service.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// To the upper left corner, and nothing below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Follow a run until it ends
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  driftpack runs watch 0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d && echo done

On a terminal it is one screen, elsewhere a line for each change; with --json the line is the record.
Exit code: 0 the run has succeeded, 1 it has failed or was cancelled, 4 the command itself failed,
64 wrong arguments.")]
pub(crate) struct Args {
    #[command(flatten)]
    of: Of,
}

pub(super) async fn run(Args { of }: Args) -> Result<ExitCode> {
    let client = of.target.operator()?;
    let on_screen = !of.json && std::io::stdout().is_terminal();
    let mut told = String::new();
    loop {
        let answer = detail(&client, of.run_id).await?;
        let now = Clock::System.now();
        if on_screen {
            say::out(format!("{CLEAR}{}", screen(&answer, now)));
        } else {
            let line = if of.json { answer.to_string() } else { line(&answer) };
            if line != told {
                say::out(&line);
                told = line;
            }
        }
        if let Some(code) = ended(&answer["run"]) {
            return Ok(code);
        }
        Clock::System.sleep(ASK_EVERY).await;
    }
}

fn ended(run: &Value) -> Option<ExitCode> {
    match run["state"].as_str() {
        Some("succeeded") => Some(ExitCode::SUCCESS),
        Some("failed" | "cancelled") => Some(ExitCode::FAILURE),
        _ => None,
    }
}

pub(super) fn screen(answer: &Value, now: DateTime<Utc>) -> String {
    format!("{}\n\n{}", show::head(answer, now), show::steps(&answer["steps"]))
}

/// What a run is at, for a log.
pub(super) fn line(answer: &Value) -> String {
    let run = &answer["run"];
    let mut line = text(&run["state"]);
    if let Some(step) = run["progress"]["step"].as_str().filter(|_| line != "succeeded") {
        let (done, total) = (&run["progress"]["done"], &run["progress"]["total"]);
        line = format!("{line} {step} {done}/{total}");
    }
    if run["error"].is_object() {
        line = format!("{line} {}", failure(&run["error"]));
    }
    say::printable(&line)
}
