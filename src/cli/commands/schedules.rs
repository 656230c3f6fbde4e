//! `driftpack schedules`: when runs are started by themselves, and steering that.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, Utc};
use engine::Clock;
use evidence::time::stamp;
use serde_json::{Value, json};

use super::export::moment;
use crate::client::Target;
use crate::say;
use crate::terminal::{ago, ahead, table, text, time, wrapped};

/// Schedules of workflows: list, run now, pause, resume, backfill
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:
  driftpack schedules list
  driftpack schedules run retention.daily
  driftpack schedules pause retention.daily
  driftpack schedules backfill retention.daily --from 2026-03-28 --to 2026-03-31

Needs the token of a platform administrator; every change is in the audit log of the platform.")]
pub(crate) enum Command {
    /// Every schedule, with its last, next and missed ticks
    List(List),
    /// Start a run at once, beside the ticks
    Run(Of),
    /// Start no runs until it is resumed
    Pause(Of),
    /// Fire again from the next tick on
    Resume(Of),
    /// Start the runs of the ticks of a time: at most 1,000, none twice
    Backfill(Backfill),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    target: Target,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Of {
    #[command(flatten)]
    target: Target,
    /// The schedule
    name: String,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Backfill {
    #[command(flatten)]
    of: Of,
    /// Ticks after this moment: a date or an RFC 3339 time
    #[arg(long, value_parser = moment)]
    from: DateTime<Utc>,
    /// Ticks up to and with this moment
    #[arg(long, value_parser = moment)]
    to: DateTime<Utc>,
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(args) => {
            let answer =
                args.target.operator()?.ask(&["admin", "workflows", "schedules"], &[]).await?;
            if args.json {
                say::out(serde_json::to_string_pretty(&answer)?);
            } else {
                say::out(listed(&answer, Clock::System.now()));
            }
        }
        Command::Run(of) => act(&of, "run", None).await?,
        Command::Pause(of) => act(&of, "pause", None).await?,
        Command::Resume(of) => act(&of, "resume", None).await?,
        Command::Backfill(Backfill { of, from, to }) => {
            let span = json!({"from": stamp(from), "to": stamp(to)});
            act(&of, "backfill", Some(&span)).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(of: &Of, action: &str, body: Option<&Value>) -> Result<()> {
    let path = ["admin", "workflows", "schedules", &of.name, action];
    let answer = of.target.operator()?.post(&path, body).await?;
    if of.json {
        say::out(serde_json::to_string_pretty(&answer)?);
    } else {
        say::out(told(&answer));
    }
    Ok(())
}

fn told(answer: &Value) -> String {
    let ticks = answer["ticks"].as_array().into_iter().flatten().map(time);
    std::iter::once(wrapped(&text(&answer["message"]), 0))
        .chain(ticks)
        .collect::<Vec<_>>()
        .join("\n")
}

fn listed(answer: &Value, now: DateTime<Utc>) -> String {
    let schedules = answer["schedules"].as_array().map_or(&[][..], Vec::as_slice);
    if schedules.is_empty() {
        return "There are no schedules: a worker declares them when it starts.".to_owned();
    }
    let header = ["NAME", "CRON", "ZONE", "NEXT IN", "LAST", "MISSED", "STATE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(schedules.iter().map(|schedule| {
        vec![
            text(&schedule["name"]),
            text(&schedule["cron"]),
            text(&schedule["zone"]),
            ahead(&schedule["next_at"], now),
            ago(&schedule["last_at"], now),
            text(&schedule["missed"]),
            state(schedule),
        ]
    }));
    let errors =
        schedules.iter().filter(|schedule| schedule["error"].is_string()).map(|schedule| {
            let said = format!("{}: {}", text(&schedule["name"]), text(&schedule["error"]));
            wrapped(&said, 0)
        });
    std::iter::once(table(&rows)).chain(errors).collect::<Vec<_>>().join("\n")
}

fn state(schedule: &Value) -> String {
    let asked = schedule["asked"].as_u64().unwrap_or(0);
    match (schedule["paused_at"].is_string(), schedule["error"].is_string()) {
        (true, _) => "paused".to_owned(),
        (_, true) => "fails".to_owned(),
        _ if asked > 0 => format!("{asked} asked"),
        _ => "on".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, paused_at: &Value, error: &Value) -> Value {
        json!({"name": name, "workflow": "retention.expire", "cron": "17 3 * * *", "zone": "Europe/Berlin",
               "next_at": "2026-04-03T03:17:00Z", "last_at": "2026-04-02T03:17:00Z", "missed": 2, "asked": 0,
               "paused_at": paused_at, "error": error})
    }

    #[test]
    fn schedules_and_their_troubles_fit_the_screen() {
        let (none, since) = (json!(null), json!("2026-04-01T00:00:00Z"));
        let trouble = json!("the zone Europe/Berlin is not known to this worker");
        let schedules = [
            schedule("retention.daily", &none, &none),
            schedule("chain_check.nightly", &since, &none),
            schedule("history", &none, &trouble),
        ];
        let now = "2026-04-02T09:15:00Z".parse().unwrap();
        insta::assert_snapshot!(listed(&json!({ "schedules": schedules }), now));
    }

    #[test]
    fn what_was_asked_for_is_told_tick_by_tick() {
        let ticks = ["2026-03-28T03:17:00Z", "2026-03-29T03:17:00Z"];
        let answer = json!({"done": true, "message": "A worker starts the runs of these ticks.", "ticks": ticks});
        insta::assert_snapshot!(told(&answer));
    }
}
