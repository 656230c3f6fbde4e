//! Figures that take long to count: counted behind the page's back, one count at a time, and kept for a while.
//!
//! Invariants
//! - However many look, one counts.
//! - What is old is told with its age, or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use crate::errors::{Error, Result, describe};

/// A page waits so long for figures that are not there.
const PATIENCE: Duration = Duration::from_millis(40);
/// Shown for so many times as long as they are fresh.
const STALE: u32 = 6;

/// Figures, and whoever counts them.
pub(super) struct Kept<T> {
    /// Counted again when they are older.
    fresh: Duration,
    /// Not shown when they are older.
    shown: Duration,
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    known: Mutex<Known<T>>,
    is_being_counted: AtomicBool,
}

struct Known<T> {
    /// Raised when what is counted has changed: a count that began before that is not kept.
    round: u64,
    figures: Option<(Instant, Arc<T>)>,
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
        let known = Mutex::new(Known { round: 0, figures: None });
        let inner = Inner { known, is_being_counted: AtomicBool::new(false) };
        Self { fresh, shown: fresh * STALE, inner: Arc::new(inner) }
    }

    /// The figures; `None`: they are being counted, ask again.
    pub(super) async fn get<F>(&self, count: F) -> Result<Option<Arc<T>>>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let known = self.inner.known().figures.clone();
        let age = known.as_ref().map(|(at, _)| at.elapsed());
        let shown = known.filter(|(at, _)| at.elapsed() < self.shown);
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

    /// Whether somebody counts right now.
    pub(super) fn is_being_counted(&self) -> bool {
        self.inner.is_being_counted.load(Ordering::Acquire)
    }

    /// Lets the next look count anew, because somebody has just changed what is counted.
    pub(super) fn forget(&self) {
        let mut known = self.inner.known();
        known.round += 1;
        known.figures = None;
    }
}

impl<T> Inner<T> {
    fn known(&self) -> MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn counted<T>(turn: Turn<T>, count: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
    let (begun, round) = (Instant::now(), turn.0.known().round);
    let figures = count.await.inspect_err(|error| {
        tracing::warn!(cause = %describe(error), "figures of a page were not counted");
    })?;
    let figures = Arc::new(figures);
    let mut known = turn.0.known();
    if known.round == round {
        known.figures = Some((begun, Arc::clone(&figures)));
    }
    drop(known);
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// Figures that are fresh, and shown, for so long.
    fn kept(fresh: Duration, shown: Duration) -> Kept<u32> {
        Kept { shown, ..Kept::new(fresh) }
    }

    #[tokio::test]
    async fn what_is_fresh_is_counted_once_unless_it_is_forgotten() {
        let kept = kept(LONG, LONG);
        for count in [1, 2] {
            assert_eq!(kept.get(async move { Ok(count) }).await.unwrap().as_deref(), Some(&1));
        }
        kept.forget();
        assert_eq!(kept.get(async { Ok(3) }).await.unwrap().as_deref(), Some(&3));
    }

    #[tokio::test]
    async fn what_is_not_fresh_is_shown_while_it_is_counted_anew_and_what_is_old_is_not_shown() {
        static COUNTS: AtomicU32 = AtomicU32::new(0);
        let count = || async { Ok(COUNTS.fetch_add(1, Ordering::Relaxed) + 1) };
        let shown_long = kept(Duration::ZERO, LONG);
        assert_eq!(shown_long.get(count()).await.unwrap().as_deref(), Some(&1));
        assert_eq!(shown_long.get(count()).await.unwrap().as_deref(), Some(&1));
        while shown_long.get(count()).await.unwrap().as_deref() == Some(&1) {
            tokio::task::yield_now().await;
        }
        let never_shown = kept(Duration::ZERO, Duration::ZERO);
        for number in [7, 8] {
            let figures = never_shown.get(async move { Ok(number) }).await.unwrap();
            assert_eq!(figures.as_deref(), Some(&number));
        }
    }

    #[tokio::test]
    async fn a_count_that_takes_long_or_panics_keeps_nobody_waiting_or_locked_out() {
        let kept = kept(LONG, LONG);
        let (end, ended) = oneshot::channel();
        let slow = async { Ok(ended.await.unwrap()) };
        assert_eq!(kept.get(slow).await.unwrap(), None);
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap(), None, "somebody counts");
        end.send(7).unwrap();
        while kept.get(async { Ok(1) }).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(kept.get(async { Ok(1) }).await.unwrap().as_deref(), Some(&7));
        let (end, ended) = oneshot::channel();
        kept.forget();
        assert_eq!(kept.get(async { Ok(ended.await.unwrap()) }).await.unwrap(), None);
        kept.forget();
        end.send(8).unwrap();
        while kept.get(async { Ok(9) }).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        let figures = kept.get(async { Ok(9) }).await.unwrap();
        assert_eq!(figures.as_deref(), Some(&9), "what was counted before the change is not kept");
        kept.forget();
        assert!(kept.get(async { panic!("a count that panics") }).await.is_err());
        assert_eq!(kept.get(async { Ok(2) }).await.unwrap().as_deref(), Some(&2));
    }
}
