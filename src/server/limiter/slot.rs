//! A place in the window, given back unless it is kept.

use uuid::Uuid;

use super::Limiter;
use crate::errors::describe;

/// A place that was taken. Dropped without [`Slot::keep`] (an error, a caller who hung up), it is
/// given back.
pub(crate) struct Slot(Option<Place>);

struct Place {
    limiter: Limiter,
    org: Uuid,
    request: Uuid,
}

impl Slot {
    pub(super) fn new(limiter: Limiter, org: Uuid, request: Uuid) -> Self {
        Self(Some(Place { limiter, org, request }))
    }

    /// The request is committed, or may be: it counts.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }

    /// Gives the place back and waits until that is done.
    #[cfg(test)]
    pub(super) async fn give_back(mut self) {
        if let Some(place) = self.0.take() {
            place.give_back().await;
        }
    }
}

impl Place {
    async fn give_back(self) {
        if let Err(error) = self.limiter.give_back(self.org, self.request).await {
            // It counts for nothing until the window has passed: strict, never an extra pass.
            tracing::warn!(org = %self.org, cause = %describe(&error), "a place could not be given back");
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            // Dropped outside a runtime only when the process ends; the window forgets it then.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(place.give_back());
            }
        }
    }
}
