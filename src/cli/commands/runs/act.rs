//! `driftpack runs retry`, `redrive`, `cancel`, `pause`, `resume`, `signal`.

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use evidence::time::stamp;
use serde_json::{Map, Value, json};

use super::{Of, detail, print_json};
use crate::client::{Client, Target};
use crate::commands::export::moment;
use crate::say;
use crate::terminal::{text, wrapped};

/// Let a failed run go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  RUN=0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d
  driftpack runs retry $RUN                    at the step that failed
  driftpack runs retry $RUN --from 2           from its second step on
  driftpack runs retry $RUN --from collect     from this step on
  driftpack runs retry $RUN --from start       from its beginning

What was done before the place is not done again. A run that was sent back already is left as it is.")]
pub(crate) struct Retry {
    #[command(flatten)]
    of: Of,
    /// `failed`, `start`, or a step: its SEQ or its name, as `runs show` lists them
    #[arg(long, default_value = "failed", value_name = "PLACE")]
    from: String,
    /// Go on under this version of the workflow [default: the run's own]
    #[arg(long, value_name = "VERSION")]
    to_version: Option<u32>,
}

/// Retry every failed run that fits, each at the step that failed, the oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack runs redrive --workflow compliance_pack.build --error 'No space left' --dry-run
  driftpack runs redrive --workflow compliance_pack.build --error 'No space left'
  driftpack runs redrive --key 0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d --from 2026-04-01 --limit 10")]
pub(crate) struct Redrive {
    #[command(flatten)]
    target: Target,
    /// Only runs of this workflow
    #[arg(long)]
    workflow: Option<String>,
    /// Only runs with this key: for packs, the id of the organisation
    #[arg(long)]
    key: Option<String>,
    /// Only runs whose error holds this text, in whatever case
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only runs created from this moment on: a date or an RFC 3339 time
    #[arg(long, value_parser = moment)]
    from: Option<DateTime<Utc>>,
    /// Only runs created before this moment
    #[arg(long, value_parser = moment)]
    to: Option<DateTime<Utc>>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Only say how many fit
    #[arg(long)]
    dry_run: bool,
    /// The service's answer as JSON
    #[arg(long)]
    json: bool,
}

/// Send a run a signal
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  RUN=0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d
  driftpack runs signal $RUN approved
  driftpack runs signal $RUN approved '{\"by\": \"risk\"}' --sender-key ticket-17")]
pub(crate) struct Signal {
    #[command(flatten)]
    of: Of,
    /// What the run waits for
    name: String,
    /// What the signal carries, as JSON
    #[arg(default_value = "null")]
    payload: String,
    /// A second signal of this name with the same key is the same signal
    #[arg(long, value_name = "KEY")]
    sender_key: Option<String>,
}

pub(super) async fn act(of: &Of, action: &str, body: Option<&Value>) -> Result<()> {
    send(&of.target.operator()?, of, action, body).await
}

pub(super) async fn retry(Retry { of, from, to_version }: Retry) -> Result<()> {
    let client = of.target.operator()?;
    let mut body = place(&client, &of, &from).await?;
    body.extend(to_version.map(|version| ("version".to_owned(), version.into())));
    send(&client, &of, "retry", Some(&Value::Object(body))).await
}

pub(super) async fn signal(Signal { of, name, payload, sender_key }: Signal) -> Result<()> {
    let payload: Value = serde_json::from_str(&payload)
        .with_context(|| format!("the payload is no JSON; a text is written '\"{payload}\"'"))?;
    let mut body = json!({"name": name, "payload": payload});
    if let Some(key) = sender_key {
        body["sender_key"] = key.into();
    }
    act(&of, "signals", Some(&body)).await
}

pub(super) async fn redrive(args: Redrive) -> Result<()> {
    let client = args.target.operator()?;
    let answer = client.post(&["admin", "workflows", "redrive"], Some(&args.body())).await?;
    if args.json {
        return print_json(&answer);
    }
    for line in redriven(&answer) {
        say::out(line);
    }
    if answer["more"] == true {
        say::note("more fit: run the command again");
    }
    Ok(())
}

async fn send(client: &Client, of: &Of, action: &str, body: Option<&Value>) -> Result<()> {
    let run = of.run_id.to_string();
    let answer = client.post(&["admin", "workflows", "runs", &run, action], body).await?;
    if of.json {
        return print_json(&answer);
    }
    say::out(wrapped(&text(&answer["message"]), 0));
    if answer["done"] == false {
        say::note("nothing was done");
    }
    Ok(())
}

/// Where to go on, as the service takes it. A name is looked up among the run's steps.
async fn place(client: &Client, of: &Of, from: &str) -> Result<Map<String, Value>> {
    let place = match (from, from.parse::<u32>()) {
        ("failed" | "start", _) => json!({ "from": from }),
        (_, Ok(seq)) => json!({"from": "step", "seq": seq}),
        (name, Err(_)) => {
            let seq = named(&detail(client, of.run_id).await?["steps"], name)?;
            json!({"from": "step", "seq": seq})
        }
    };
    Ok(place.as_object().cloned().unwrap_or_default())
}

/// The place of the step with this name: the first one, where it was used more than once.
pub(super) fn named(steps: &Value, name: &str) -> Result<u64> {
    let steps = steps.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(step) = steps.iter().find(|step| step["name"] == name) {
        return step["seq"].as_u64().context("the service gave a step without a place");
    }
    let names: Vec<_> = steps.iter().map(|step| text(&step["name"])).collect();
    match names.as_slice() {
        [] => bail!("the run has no step {name:?}: none has left a mark yet"),
        names => bail!("the run has no step {name:?}; it has: {}", names.join(", ")),
    }
}

impl Redrive {
    fn body(&self) -> Value {
        let given = [
            ("workflow", self.workflow.clone()),
            ("key", self.key.clone()),
            ("error", self.error.clone()),
            ("created_from", self.from.map(stamp)),
            ("created_before", self.to.map(stamp)),
        ];
        let given =
            given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let mut body: Map<_, _> = given.collect();
        body.insert("limit".to_owned(), self.limit.into());
        body.insert("dry_run".to_owned(), self.dry_run.into());
        Value::Object(body)
    }
}

pub(super) fn redriven(answer: &Value) -> Vec<String> {
    let ids = |name: &str| answer[name].as_array().into_iter().flatten().map(text);
    if let Some(matched) = answer["matched"].as_u64() {
        let told = match matched {
            0 => "No failed run fits.".to_owned(),
            1 => "One failed run fits:".to_owned(),
            2..=10 => format!("{matched} failed runs fit:"),
            _ => format!("{matched} failed runs fit; the oldest ten:"),
        };
        return std::iter::once(told).chain(ids("sample")).collect();
    }
    let told = match ids("redriven").count() {
        0 => "No failed run fits; nothing was done.".to_owned(),
        1 => "One run was sent back:".to_owned(),
        count => format!("{count} runs were sent back:"),
    };
    std::iter::once(told).chain(ids("redriven")).collect()
}
