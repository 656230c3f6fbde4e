//! Figures that take long to count: counted behind the page's back, one count at a time, and kept for a while.
//!
//! Invariants
//! - However many look, one counts.
//! - What is old is told with its age, or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use crate::errors::{Error, Result, describe};

/// A page waits so long for figures that are not there.
const PATIENCE: Duration = Duration::from_millis(40);
/// Kept for so many times as long as they are fresh.
const STALE: u32 = 6;

/// Figures, and whoever counts them.
pub(super) struct Kept<T> {
    /// Counted again when they are older.
    fresh: Duration,
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    known: Mutex<Option<(Instant, Arc<T>)>>,
    is_being_counted: AtomicBool,
}

/// Whoever counts: gives the turn back, however it ends.
struct Turn<T>(Arc<Inner<T>>);

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        self.0.is_being_counted.store(false, Ordering::Release);
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(super) fn new(fresh: Duration) -> Self {
        let inner = Inner { known: Mutex::new(None), is_being_counted: AtomicBool::new(false) };
        Self { fresh, inner: Arc::new(inner) }
    }

    /// The figures; `None`: they are being counted, ask again.
    pub(super) async fn get<F>(&self, count: F) -> Result<Option<Arc<T>>>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let known = self.look();
        let age = known.as_ref().map(|(at, _)| at.elapsed());
        let shown = known.filter(|(at, _)| at.elapsed() < self.fresh * STALE);
        let shown = shown.map(|(_, figures)| figures);
        if age.is_some_and(|age| age < self.fresh)
            || self.inner.is_being_counted.swap(true, Ordering::AcqRel)
        {
            return Ok(shown);
        }
        let turn = Turn(Arc::clone(&self.inner));
        let counting = tokio::spawn(counted(turn, count).in_current_span());
        if shown.is_some() {
            return Ok(shown);
        }
        match tokio::time::timeout(PATIENCE, counting).await {
            Ok(counted) => counted.map_err(Error::internal)?.map(Some),
            Err(_elapsed) => Ok(None),
        }
    }

    /// Lets the next look count anew, because somebody has just changed what is counted.
    pub(super) fn forget(&self) {
        *self.inner.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn look(&self) -> Option<(Instant, Arc<T>)> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn counted<T>(turn: Turn<T>, count: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
    let begun = Instant::now();
    let figures = count.await.inspect_err(|error| {
        tracing::warn!(cause = %describe(error), "the operator's figures were not counted");
    })?;
    let figures = Arc::new(figures);
    let mut known = turn.0.known.lock().unwrap_or_else(PoisonError::into_inner);
    *known = Some((begun, Arc::clone(&figures)));
    drop(known);
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_fresh_is_not_counted_again_and_what_is_stale_is_counted_behind_the_look() {
        static COUNTS: AtomicU32 = AtomicU32::new(0);
        let kept = Kept::new(Duration::from_secs(5));
        let look = || kept.get(async { Ok(COUNTS.fetch_add(1, Ordering::Relaxed) + 1) });
        assert_eq!(look().await.unwrap().as_deref(), Some(&1));
        assert_eq!(look().await.unwrap().as_deref(), Some(&1));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(look().await.unwrap().as_deref(), Some(&1), "shown while it is counted anew");
        tokio::task::yield_now().await;
        assert_eq!(look().await.unwrap().as_deref(), Some(&2));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(look().await.unwrap().as_deref(), Some(&3), "what is too old is not shown");
        kept.forget();
        assert_eq!(look().await.unwrap().as_deref(), Some(&4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_takes_long_or_panics_keeps_nobody_waiting_or_locked_out() {
        let kept = Kept::<u32>::new(Duration::from_secs(5));
        let slow = async {
            tokio::time::timeout(Duration::from_secs(9), std::future::pending::<()>()).await.ok();
            Ok(7)
        };
        assert_eq!(kept.get(slow).await.unwrap(), None);
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap(), None, "somebody counts");
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap().as_deref(), Some(&7));
        kept.forget();
        assert!(kept.get(async { panic!("a count that panics") }).await.is_err());
        assert_eq!(kept.get(async { Ok(2) }).await.unwrap().as_deref(), Some(&2));
    }
}
