//! What every measured Rust program speaks: orders come as lines on standard input, figures go as one JSON object per line
//! to standard output, and times are nanoseconds of the clock that all processes of a machine share.
//!
//! Invariants: a line is out as soon as it is said; the orders end when standard input does. Included by path, so that
//! programs with Cargo projects of their own agree. Not here: what a program measures.

use std::io::{BufRead, Write};

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Nanoseconds on CLOCK_MONOTONIC, which processes on one machine share.
pub(crate) fn now() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Seconds since an earlier [`now`].
pub(crate) fn seconds_since(from: i64) -> f64 {
    std::time::Duration::from_nanos((now() - from).unsigned_abs()).as_secs_f64()
}

/// Says one thing, at once.
pub(crate) fn say(value: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")
        .and_then(|()| out.flush())
        .expect("whoever reads the figures is there");
}

/// The orders, until standard input ends.
pub(crate) fn orders() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        lines.take_while(|line| sender.send(line.trim().to_owned()).is_ok()).for_each(drop);
    });
    receiver
}

/// Waits for the order to begin, given when the machine is quiet and the counters are read.
pub(crate) async fn begin() {
    say(&serde_json::json!({"ready": true}));
    let order = orders().recv().await;
    assert_eq!(order.as_deref(), Some("go"), "the order to begin");
}
