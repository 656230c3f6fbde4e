//! Waiting for something to become true, with a limit and a reason.

use std::time::Duration;

use tokio::time::{Instant, interval};

/// Polls `probe` every 20 ms until it yields a value.
///
/// # Panics
/// After `limit`, naming `what` did not happen.
pub async fn until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    let mut tick = interval(Duration::from_millis(20));
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not happen within {limit:?}");
        tick.tick().await;
    }
}
