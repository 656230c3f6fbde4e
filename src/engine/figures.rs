//! Figures of a worker, through the `metrics` facade: a program that installs a recorder gets them, others pay nothing.
//!
//! What can be counted in the database (runs by state, depth of queues, age of the oldest) is not counted here: see
//! [`crate::Client::counts`] and [`crate::Client::queues`]. Durations are in seconds.

use std::time::Duration;

use metrics::{counter, histogram};

/// Tells an installed recorder what the figures mean. Once per process, after the recorder is there.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_histogram!(BATCH, Unit::Count, "Checkpoints and ends that travelled in one commit.");
    describe_histogram!(STEP, Unit::Seconds, "Length of attempts of steps, by step and outcome.");
    describe_counter!(RETRIES, Unit::Count, "Attempts of steps that failed and are made again.");
    describe_counter!(RUNS, Unit::Count, "Runs that have left this worker, by workflow and how.");
    describe_counter!(LOST, Unit::Count, "Leases that this worker has lost.");
    describe_counter!(RECOVERED, Unit::Count, "Runs taken back from workers that fell silent.");
    describe_histogram!(LAG, Unit::Seconds, "How late schedules started their runs.");
}

const BATCH: &str = "engine_checkpoint_batch_size";
const STEP: &str = "engine_step_seconds";
const RETRIES: &str = "engine_step_retries_total";
const RUNS: &str = "engine_runs_left_total";
const LOST: &str = "engine_leases_lost_total";
const RECOVERED: &str = "engine_runs_recovered_total";
const LAG: &str = "engine_schedule_lag_seconds";

pub(crate) fn batch(writes: usize) {
    histogram!(BATCH).record(u32::try_from(writes).unwrap_or(u32::MAX));
}

/// An attempt of a step has ended.
pub(crate) fn attempt(step: &'static str, outcome: &'static str, took: Duration) {
    histogram!(STEP, "step" => step, "outcome" => outcome).record(took.as_secs_f64());
}

pub(crate) fn retry(step: &'static str) {
    counter!(RETRIES, "step" => step).increment(1);
}

/// A run has left this worker.
pub(crate) fn left(workflow: &str, how: &'static str) {
    counter!(RUNS, "workflow" => workflow.to_owned(), "how" => how).increment(1);
}

/// What a worker may have to count is there as a zero before it happens: a counter that appears with its first event is one
/// that nobody sees rise.
pub(crate) fn nothing_yet(workflows: &[String]) {
    for workflow in workflows {
        counter!(RUNS, "workflow" => workflow.clone(), "how" => "failed").increment(0);
    }
    counter!(LOST).increment(0);
}

pub(crate) fn lease_lost() {
    counter!(LOST).increment(1);
}

pub(crate) fn recovered(runs: i64) {
    counter!(RECOVERED).increment(runs.unsigned_abs());
}

pub(crate) fn schedule_lag(schedule: &'static str, late: Duration) {
    histogram!(LAG, "schedule" => schedule).record(late.as_secs_f64());
}
