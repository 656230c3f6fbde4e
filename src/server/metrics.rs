//! Figures for Prometheus, counted in the process. Runs and queues are the engine's to count.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds in seconds: from a look-up by key to a large download.
const BUCKETS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

#[derive(Default)]
struct Durations {
    /// Per bucket, not yet summed up.
    counts: [u64; BUCKETS.len()],
    total: u64,
    sum_seconds: f64,
}

#[derive(Default)]
struct Figures {
    /// By operation and status.
    requests: BTreeMap<(&'static str, u16), u64>,
    /// By operation.
    durations: BTreeMap<&'static str, Durations>,
}

/// Counters of this process. Their number is bounded by the operations and the statuses.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Figures>);

impl Metrics {
    pub(crate) fn record(&self, operation: &'static str, status: u16, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *figures.requests.entry((operation, status)).or_default() += 1;
        let durations = figures.durations.entry(operation).or_default();
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            durations.counts[bucket] += 1;
        }
        durations.total += 1;
        durations.sum_seconds += seconds;
    }

    /// The text format of Prometheus, version 0.0.4.
    pub(crate) fn render(&self) -> String {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from(
            "# HELP driftpack_http_requests_total Requests answered.\n\
             # TYPE driftpack_http_requests_total counter\n",
        );
        for ((operation, status), count) in &figures.requests {
            line(
                &mut text,
                format_args!(
                    "driftpack_http_requests_total{{operation=\"{operation}\",status=\"{status}\"}} {count}"
                ),
            );
        }
        text.push_str(
            "# HELP driftpack_http_request_duration_seconds Time until the answer began.\n\
             # TYPE driftpack_http_request_duration_seconds histogram\n",
        );
        for (operation, durations) in &figures.durations {
            durations.render(operation, &mut text);
        }
        text
    }
}

impl Durations {
    fn render(&self, operation: &str, text: &mut String) {
        const NAME: &str = "driftpack_http_request_duration_seconds";
        let mut count = 0;
        for (bound, own) in BUCKETS.iter().zip(self.counts) {
            count += own;
            line(
                text,
                format_args!("{NAME}_bucket{{operation=\"{operation}\",le=\"{bound}\"}} {count}"),
            );
        }
        let Self { total, sum_seconds, .. } = self;
        line(text, format_args!("{NAME}_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {total}"));
        line(text, format_args!("{NAME}_sum{{operation=\"{operation}\"}} {sum_seconds}"));
        line(text, format_args!("{NAME}_count{{operation=\"{operation}\"}} {total}"));
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_everything_below_their_bound() {
        let metrics = Metrics::default();
        metrics.record("getMe", 200, Duration::from_millis(1));
        metrics.record("getMe", 200, Duration::from_millis(50));
        metrics.record("getMe", 401, Duration::from_mins(2));
        let text = metrics.render();
        for line in [
            "driftpack_http_requests_total{operation=\"getMe\",status=\"200\"} 2",
            "driftpack_http_requests_total{operation=\"getMe\",status=\"401\"} 1",
            "driftpack_http_request_duration_seconds_bucket{operation=\"getMe\",le=\"0.005\"} 1",
            "driftpack_http_request_duration_seconds_bucket{operation=\"getMe\",le=\"0.1\"} 2",
            "driftpack_http_request_duration_seconds_bucket{operation=\"getMe\",le=\"60\"} 2",
            "driftpack_http_request_duration_seconds_bucket{operation=\"getMe\",le=\"+Inf\"} 3",
            "driftpack_http_request_duration_seconds_count{operation=\"getMe\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
