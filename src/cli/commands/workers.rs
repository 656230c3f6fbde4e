//! `driftpack workers`: who runs workflows, in which version.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, Utc};
use engine::Clock;
use serde_json::Value;

use crate::client::Target;
use crate::say;
use crate::terminal::{ago, table, text, wrapped};

/// The workers: their program, their runs, their latest sign of life
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack workers
  driftpack workers --json | jq '.workers[].program'

A worker gives a sign of life every five seconds; one that is silent for longer than its lease
loses its runs to others.
Needs the token of a platform administrator.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let answer = args.target.operator()?.ask(&["admin", "workflows", "workers"], &[]).await?;
    if args.json {
        say::out(serde_json::to_string_pretty(&answer)?);
    } else {
        say::out(shown(&answer, Clock::System.now()));
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value, now: DateTime<Utc>) -> String {
    let workers = answer["workers"].as_array().map_or(&[][..], Vec::as_slice);
    if workers.is_empty() {
        return "No worker has given a sign of life within the last hour.".to_owned();
    }
    let header = ["WORKER", "PROGRAM", "RUNS", "LEASE", "UP", "SEEN"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(workers.iter().map(|worker| {
        vec![
            text(&worker["id"]),
            text(&worker["program"]),
            format!("{}/{}", text(&worker["running"]), text(&worker["concurrency"])),
            format!("{}s", worker["lease_seconds"].as_f64().unwrap_or_default()),
            ago(&worker["started_at"], now),
            ago(&worker["seen_at"], now),
        ]
    }));
    let lines = table(&rows);
    let mut lines = lines.lines();
    let mut shown = vec![lines.next().unwrap_or_default().to_owned()];
    for (line, worker) in lines.zip(workers) {
        shown.push(line.to_owned());
        shown.push(format!("  {}", wrapped(&kinds(worker), 2)));
    }
    shown.join("\n")
}

fn kinds(worker: &Value) -> String {
    let kinds = worker["kinds"].as_array().into_iter().flatten();
    let kinds =
        kinds.map(|kind| format!("{} v{}", text(&kind["workflow"]), text(&kind["version"])));
    kinds.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn workers_and_what_they_run_fit_the_screen() {
        let kinds = [
            ("compliance_pack.build", 1),
            ("compliance_pack.discard", 1),
            ("retention.expire", 1),
            ("chain_check.verify", 12),
        ];
        let kinds =
            kinds.map(|(workflow, version)| json!({"workflow": workflow, "version": version}));
        let answer = json!({"workers": [{
            "id": "5f0d1c77-3b1e-4c5a-9f60-2f9f1d7a11aa", "program": "driftpack 0.1.0", "concurrency": 4, "running": 3,
            "kinds": kinds, "lease_seconds": 10.0, "started_at": "2026-04-01T06:00:00Z", "seen_at": "2026-04-02T09:14:58Z",
        }]});
        insta::assert_snapshot!(shown(&answer, "2026-04-02T09:15:00Z".parse().unwrap()));
    }
}
