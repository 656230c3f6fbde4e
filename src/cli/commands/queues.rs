//! `driftpack queues`: what is due, and whose it is.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use crate::client::Target;
use crate::say;
use crate::terminal::{span, table, text};

/// What is due and what is being done, by workflow and version, and the keys that wait for most
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack queues
  driftpack queues --json | jq '.queues[] | select(.oldest_age_seconds > 60)'

Needs the token of a platform administrator. Times are those of the service.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let answer = args.target.operator()?.ask(&["admin", "workflows", "queues"], &[]).await?;
    if args.json {
        say::out(serde_json::to_string_pretty(&answer)?);
    } else {
        say::out(shown(&answer));
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(answer: &Value) -> String {
    let header = ["WORKFLOW", "VERSION", "QUEUED", "OLDEST", "RUNNING", "WORKERS", "LIMITS"];
    let mut queues = vec![header.map(str::to_owned).to_vec()];
    for queue in answer["queues"].as_array().into_iter().flatten() {
        queues.push(vec![
            text(&queue["workflow"]),
            text(&queue["version"]),
            text(&queue["queued"]),
            age(queue),
            text(&queue["running"]),
            text(&queue["workers"]),
            limits(queue),
        ]);
    }
    let mut keys = vec![["KEY", "WORKFLOW", "QUEUED", "OLDEST"].map(str::to_owned).to_vec()];
    for key in answer["keys"].as_array().into_iter().flatten() {
        let name = text(&key["key"]);
        let name = if name.is_empty() { "(none)".to_owned() } else { name };
        keys.push(vec![name, text(&key["workflow"]), text(&key["queued"]), age(key)]);
    }
    match (queues.len(), keys.len()) {
        (1, 1) => "Nothing is due, and no worker is there.".to_owned(),
        (_, 1) => table(&queues),
        _ => format!("{}\n\n{}", table(&queues), table(&keys)),
    }
}

fn age(of: &Value) -> String {
    of["oldest_age_seconds"].as_i64().map(span).unwrap_or_default()
}

fn limits(queue: &Value) -> String {
    let all = queue["max_running"].as_u64().map(|limit| limit.to_string());
    let each = queue["max_running_per_key"].as_u64().map(|limit| format!("{limit} a key"));
    all.into_iter().chain(each).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn queues_and_the_keys_that_wait_fit_the_screen() {
        let org = "0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d";
        let queue = |workflow: &str, queued: u64, age: Value, limit: Value| {
            json!({"workflow": workflow, "version": 1, "queued": queued, "oldest_age_seconds": age, "running": 4,
                   "workers": 1, "max_running": limit, "max_running_per_key": limit})
        };
        let answer = json!({
            "queues": [
                queue("compliance_pack.build", 7, json!(50), json!(2)),
                queue("compliance_pack.discard", 0, json!(null), json!(null)),
            ],
            "keys": [{"workflow": "compliance_pack.build", "key": org, "queued": 5, "oldest_age_seconds": 500}],
        });
        insta::assert_snapshot!(shown(&answer));
        assert_eq!(
            shown(&json!({"queues": [], "keys": []})),
            "Nothing is due, and no worker is there."
        );
    }
}
