//! A place in the window, given back unless it is kept.

use std::time::Duration;

use tracing::Instrument as _;
use uuid::Uuid;

use super::{Attempt, Limiter};
use crate::errors::describe;

/// A place that was taken. Dropped without [`Slot::hold`] (an error before anything could be
/// committed), it is given back.
pub(crate) struct Slot(Option<Place>);

/// A place that stays taken unless it is given back in so many words.
#[derive(Clone)]
pub(crate) struct Place {
    limiter: Limiter,
    org: Uuid,
    attempt: Attempt,
}

/// How long and how often a Redis that is away is told again that a place is free.
const TOLD_EVERY: Duration = Duration::from_secs(5);
const TOLD_TIMES: usize = 24;

impl Slot {
    pub(super) fn new(place: Place) -> Self {
        Self(Some(place))
    }

    /// The request may be committed from here on: its place stays taken whatever becomes of the
    /// process, and is given back only by [`Place::give_back`].
    pub(crate) fn hold(mut self) -> Place {
        self.0.take().expect("a slot has its place until it is consumed")
    }

    /// Gives the place back and waits until that is done.
    pub(crate) async fn give_back(mut self) {
        if let Some(place) = self.0.take() {
            place.give_back().await;
        }
    }
}

impl Place {
    pub(super) fn new(limiter: Limiter, org: Uuid, attempt: Attempt) -> Self {
        Self { limiter, org, attempt }
    }

    /// Nothing came of the request, and nothing can any more. When Redis does not answer it is told
    /// again, behind the answer to the caller.
    pub(crate) async fn give_back(self) {
        if let Err(error) = self.limiter.give_back(self.org, &self.attempt).await {
            tracing::warn!(org = %self.org, cause = %describe(&error), "a place is not given back yet");
            self.give_back_behind();
        }
    }

    /// As [`Self::give_back`], without waiting for it.
    pub(super) fn give_back_behind(self) {
        // Outside a runtime only when the process ends; the window forgets the place then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.tell_until_heard().in_current_span());
        }
    }

    async fn tell_until_heard(self) {
        let mut tick = tokio::time::interval(TOLD_EVERY);
        for _ in 0..TOLD_TIMES {
            tick.tick().await;
            if self.limiter.give_back(self.org, &self.attempt).await.is_ok() {
                return;
            }
        }
        // It counts for nothing until the window has passed: strict, never an extra pass.
        tracing::error!(org = %self.org, "a place could not be given back");
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            place.give_back_behind();
        }
    }
}
