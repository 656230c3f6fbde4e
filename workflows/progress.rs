//! How far a run is, in steps: what the export row and operators see.

use engine::Context;

use crate::Ports;

/// Shows that the run is at `step`, one of `steps` in their order.
pub(crate) async fn at(cx: &mut Context<Ports>, steps: &[&'static str], step: &'static str) {
    let done = steps.iter().take_while(|name| **name != step).count();
    cx.progress(step, whole(done), whole(steps.len())).await;
}

/// A count as progress takes it.
pub(crate) fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
