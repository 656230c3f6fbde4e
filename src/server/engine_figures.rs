//! Runs, queues, workers and schedules, for Prometheus.
//!
//! Read from the database, at most once a second whoever asks: the endpoint is open to everybody. No customer is named. Without
//! the database the other figures are given all the same; these are then missing, never zero.

use std::fmt::Write as _;
use std::time::Duration;

use engine::{Client, Count, QueueView, ScheduleView, Time};
use tokio::sync::Mutex;
use tokio::time::Instant;

const REMEMBERED: Duration = Duration::from_secs(1);
/// A worker that was silent for so long is none: signs of life come every five seconds.
const ALIVE: chrono::Duration = chrono::Duration::minutes(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The latest figures.
#[derive(Default)]
pub(crate) struct EngineFigures(Mutex<Option<(Instant, String)>>);

struct Read {
    counts: Vec<Count>,
    queues: Vec<QueueView>,
    schedules: Vec<ScheduleView>,
    workers: usize,
}

impl EngineFigures {
    /// The text format of Prometheus, version 0.0.4.
    pub(crate) async fn render(&self, client: &Client, now: Time) -> String {
        let mut latest = self.0.lock().await;
        if let Some((at, text)) = &*latest
            && at.elapsed() < REMEMBERED
        {
            return text.clone();
        }
        let text = match tokio::time::timeout(ANSWER_WITHIN, read(client, now)).await {
            Ok(Ok(read)) => text(&read, now),
            Ok(Err(error)) => missing(&error.to_string()),
            Err(_elapsed) => missing("no answer in time"),
        };
        *latest = Some((Instant::now(), text.clone()));
        text
    }
}

fn missing(cause: &str) -> String {
    tracing::warn!(cause, "the figures of the workflow engine cannot be read");
    String::new()
}

async fn read(client: &Client, now: Time) -> Result<Read, engine::Error> {
    Ok(Read {
        // Of those that have ended, none: their number grows, and everybody may ask. `engine_runs_left_total` counts them.
        counts: client.counts(now).await?,
        queues: client.queues().await?,
        schedules: client.schedules().await?,
        workers: client.workers().await?.iter().filter(|one| now - one.seen_at < ALIVE).count(),
    })
}

fn text(read: &Read, now: Time) -> String {
    let mut text = String::new();
    gauge(&mut text, "engine_runs", "Runs that have not ended, by workflow and state.");
    for Count { workflow, state, runs } in &read.counts {
        let _ = writeln!(text, "engine_runs{{workflow=\"{workflow}\",state=\"{state}\"}} {runs}");
    }
    gauge(&mut text, "engine_queue_depth", "Runs that are due and have no worker.");
    for queue in &read.queues {
        let _ = writeln!(text, "engine_queue_depth{} {}", labels(queue), queue.queued);
    }
    gauge(&mut text, "engine_queue_oldest_age_seconds", "How long the oldest due run has waited.");
    for queue in &read.queues {
        let age = queue.oldest_due_at.map_or(0, |due| (now - due).num_seconds().max(0));
        let _ = writeln!(text, "engine_queue_oldest_age_seconds{} {age}", labels(queue));
    }
    gauge(&mut text, "engine_workers", "Workers that gave a sign of life within the last minute.");
    let _ = writeln!(text, "engine_workers {}", read.workers);
    gauge(&mut text, "engine_schedule_next_timestamp_seconds", "The next tick; none while paused.");
    for schedule in &read.schedules {
        if let (Some(next), None) = (schedule.next_at, schedule.paused_at) {
            let (name, at) = (&schedule.name, next.timestamp());
            let _ = writeln!(
                text,
                "engine_schedule_next_timestamp_seconds{{schedule=\"{name}\"}} {at}"
            );
        }
    }
    text.push_str(
        "# HELP engine_schedule_missed_total Ticks that started no run.\n\
         # TYPE engine_schedule_missed_total counter\n",
    );
    for ScheduleView { name, missed, .. } in &read.schedules {
        let _ = writeln!(text, "engine_schedule_missed_total{{schedule=\"{name}\"}} {missed}");
    }
    text
}

fn labels(queue: &QueueView) -> String {
    format!("{{workflow=\"{}\",version=\"{}\"}}", queue.workflow, queue.version)
}

// Writing to a String cannot fail, here and above.
fn gauge(text: &mut String, name: &str, help: &str) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
}
