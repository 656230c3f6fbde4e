//! `driftpack runs show`: a run with everything that is on record of it.

use anyhow::Result;
use chrono::{DateTime, Utc};
use engine::Clock;
use serde_json::Value;

use super::{Of, detail, list, print_json, reason};
use crate::say;
use crate::terminal::{ago, table, text, time, took, wrapped};

/// Width of the names before the facts.
const NAME: usize = 11;

/// Show a run with its steps, failures, signals, what operators did to it, and its children
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack runs show 0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d
  driftpack runs show 0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d --json | jq .attempts

SEQ is the place of a step: what `runs retry --from` takes.")]
pub(crate) struct Args {
    #[command(flatten)]
    of: Of,
}

pub(super) async fn run(Args { of }: Args) -> Result<()> {
    let answer = detail(&of.target.operator()?, of.run_id).await?;
    if of.json {
        return print_json(&answer);
    }
    say::out(shown(&answer, Clock::System.now()));
    Ok(())
}

pub(super) fn shown(answer: &Value, now: DateTime<Utc>) -> String {
    let run = &answer["run"];
    let mut parts = vec![head(answer, now), steps(&answer["steps"])];
    parts.push(section("FAILED ATTEMPTS", &attempts(&answer["attempts"])));
    parts.push(section("TAKEN BACK", &past(&answer["past_steps"])));
    parts.push(section("SIGNALS", &signals(&answer["signals"])));
    parts.push(section("OPERATORS", &actions(&answer["actions"])));
    if answer["children"]["runs"].as_array().is_some_and(|runs| !runs.is_empty()) {
        parts.push(format!("CHILDREN\n{}", list::shown(&answer["children"], now)));
    }
    if run["state"] == "failed" {
        parts.push(format!(
            "Go on at the step that failed: driftpack runs retry {}",
            text(&run["id"])
        ));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// What is known of the run itself. Facts that are not there have no line.
pub(super) fn head(answer: &Value, now: DateTime<Utc>) -> String {
    let run = &answer["run"];
    let at = |name: &str| match time(&run[name]) {
        at if at.is_empty() => at,
        at => format!("{at} UTC ({} ago)", ago(&run[name], now)),
    };
    let facts = [
        ("run", text(&run["id"])),
        ("workflow", format!("{}, version {}", text(&run["workflow"]), run["version"])),
        ("state", state(run)),
        ("failed in", text(&run["error"]["step"])),
        ("why", causes(&run["error"])),
        ("key", text(&run["key"])),
        ("parent", text(&run["parent_id"])),
        ("worker", text(&run["worker"])),
        ("created", at("created_at")),
        ("started", at("started_at")),
        ("ended", at("ended_at")),
        ("sent back", times(&run["generation"])),
        ("taken up", times(&run["attempts"])),
        ("trace", text(&run["trace"])),
        ("input", text(&answer["input"])),
        ("output", text(&answer["output"])),
    ];
    let facts = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
    let lines = facts.map(|(name, fact)| format!("{name:<NAME$}{}", wrapped(&fact, NAME)));
    lines.collect::<Vec<_>>().join("\n")
}

fn times(count: &Value) -> String {
    match count.as_u64() {
        None | Some(0) => String::new(),
        Some(1) => "once".to_owned(),
        Some(count) => format!("{count} times"),
    }
}

fn state(run: &Value) -> String {
    let mut told = text(&run["state"]);
    let (step, done, total) =
        (&run["progress"]["step"], &run["progress"]["done"], &run["progress"]["total"]);
    // What a finished run was at last is no news.
    if let Some(step) = step.as_str().filter(|_| told != "succeeded") {
        told = format!("{told} at {step} ({done} of {total})");
    }
    match run["waiting_for"]["kind"].as_str() {
        Some("signal") => {
            told = format!("{told} for the signal {}", text(&run["waiting_for"]["signal"]));
        }
        Some("time") => told = format!("{told} until {} UTC", time(&run["wake_at"])),
        Some("children") => told.push_str(" for its children"),
        Some("turn") => told.push_str(" for its turn"),
        _ => {}
    }
    if run["cancel_requested"] == true && run["state"] != "cancelled" {
        told.push_str(", to be cancelled");
    }
    if run["pause_requested"] == true && run["state"] != "paused" {
        told.push_str(", to be paused");
    }
    told
}

/// A failure with everything that it was caused by.
fn causes(error: &Value) -> String {
    if !error.is_object() {
        return String::new();
    }
    let causes = error["causes"].as_array().into_iter().flatten().map(text);
    std::iter::once(reason(error)).chain(causes).collect::<Vec<_>>().join("; ")
}

pub(super) fn steps(steps: &Value) -> String {
    let steps = steps.as_array().map_or(&[][..], Vec::as_slice);
    if steps.is_empty() {
        return "No step has left a mark yet.".to_owned();
    }
    let mut rows =
        vec![["SEQ", "STEP", "STATE", "TRIES", "BEGAN", "TOOK"].map(str::to_owned).to_vec()];
    rows.extend(steps.iter().map(|step| {
        vec![
            text(&step["seq"]),
            name(step, "name"),
            text(&step["state"]),
            text(&step["attempts"]),
            time(&step["started_at"]),
            took(&step["started_at"], &step["ended_at"]),
        ]
    }));
    table(&rows)
}

/// The name of a step, with its number from the second use on.
fn name(step: &Value, field: &str) -> String {
    match step["occurrence"].as_u64() {
        None | Some(0) => text(&step[field]),
        Some(occurrence) => format!("{} #{}", text(&step[field]), occurrence + 1),
    }
}

fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.iter().map(|line| format!("  {}", wrapped(line, 2)));
    std::iter::once(title.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

fn attempts(attempts: &Value) -> Vec<String> {
    let failed = attempts.as_array().into_iter().flatten().filter(|one| one["error"].is_object());
    let line = |one: &Value| {
        let began = time(&one["started_at"]);
        format!(
            "{began} {}, attempt {}: {}",
            name(one, "step"),
            one["attempt"],
            causes(&one["error"])
        )
    };
    failed.map(line).collect()
}

fn past(steps: &Value) -> Vec<String> {
    let line = |step: &Value| {
        let ended = time(&step["ended_at"]);
        format!("{ended} {} {}, {}", text(&step["seq"]), name(step, "name"), text(&step["state"]))
    };
    steps.as_array().into_iter().flatten().map(line).collect()
}

fn signals(signals: &Value) -> Vec<String> {
    let line = |signal: &Value| {
        let taken = signal["taken_seq"].as_u64();
        let taken =
            taken.map_or_else(|| "not taken".to_owned(), |seq| format!("taken by step {seq}"));
        let sent = time(&signal["sent_at"]);
        format!("{sent} {} {}, {taken}", text(&signal["name"]), text(&signal["payload"]))
    };
    signals.as_array().into_iter().flatten().map(line).collect()
}

fn actions(actions: &Value) -> Vec<String> {
    let line = |action: &Value| {
        let detail = text(&action["detail"]);
        let detail = if detail == "{}" { String::new() } else { format!(" {detail}") };
        let acted = time(&action["acted_at"]);
        format!("{acted} {}{detail} by {}", text(&action["action"]), text(&action["actor"]))
    };
    actions.as_array().into_iter().flatten().map(line).collect()
}
