//! Parts of pages that refresh themselves while they are looked at.
//!
//! The address of a part gives its HTML; to a browser that asks for events it gives it again whenever it has changed.
//!
//! Invariants
//! - Each look is a request of its own as far as rights go: who may not see the part any more gets no more of it.
//! - A stream ends by itself; the browser begins another one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::{StatusCode, header};
use poem::{Body, Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::errors::Result;
use crate::state::Context;

/// How often a part is looked at.
const TICK: Duration = Duration::from_secs(1);
/// A stream that says nothing for longer is cut by proxies, and by our own listener.
const QUIET: Duration = Duration::from_secs(10);
/// Browsers come back; a process that is being replaced must not wait for them.
const WHOLE: Duration = Duration::from_mins(10);

/// A part as it is now.
pub(super) struct Part {
    pub(super) html: String,
    /// Nothing will change it any more.
    pub(super) is_final: bool,
}

type Look = Pin<Box<dyn Future<Output = (Request, Result<Part>)> + Send>>;

/// Whether the request is for events, or for a part instead of a page.
pub(super) fn is_part(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.starts_with(EVENTS))
}

const EVENTS: &str = "text/event-stream";

/// The part that `look` gives, once or as events. `look` gives the request back.
pub(super) async fn answer(request: Request, look: fn(Request) -> Look) -> Result<Response> {
    if !is_part(&request) {
        let (_, part) = look(request).await;
        let response = Response::builder().status(StatusCode::OK);
        return Ok(response
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .body(part?.html));
    }
    let watches = &Context::of(&request).state.watches;
    let Ok(place) = Arc::clone(watches).try_acquire_owned() else {
        // No 503, which would be a fault to watchers of figures: browsers take it for the end of events, and ask now and then.
        return Ok(Response::builder().status(StatusCode::NO_CONTENT).finish());
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let now = Instant::now();
    let watch = Watch {
        request,
        look,
        ticks,
        shown: String::new(),
        spoke_at: now,
        until: now + WHOLE,
        _place: place,
    };
    let events = stream::unfold(Some(watch), |watch| async move {
        let (event, watch) = watch?.next().await;
        Some((Ok::<_, std::io::Error>(Bytes::from(event)), watch))
    });
    let response = Response::builder().status(StatusCode::OK).header(header::CONTENT_TYPE, EVENTS);
    Ok(response.header("x-accel-buffering", "no").body(Body::from_bytes_stream(Box::pin(events))))
}

/// Somebody who looks.
struct Watch {
    request: Request,
    look: fn(Request) -> Look,
    ticks: Interval,
    shown: String,
    spoke_at: Instant,
    until: Instant,
    /// Free when nobody looks any more.
    _place: OwnedSemaphorePermit,
}

impl Watch {
    /// The next thing to say, and whether there is more.
    async fn next(mut self) -> (String, Option<Self>) {
        loop {
            self.ticks.tick().await;
            let (request, part) = (self.look)(self.request).await;
            self.request = request;
            let now = Instant::now();
            match part {
                Err(_) => return (event("end", ""), None),
                Ok(part) if part.is_final => {
                    return (event("part", &part.html) + &event("end", ""), None);
                }
                Ok(part) if part.html != self.shown => {
                    let said = event("part", &part.html);
                    self.shown = part.html;
                    self.spoke_at = now;
                    return (said, Some(self));
                }
                // The browser begins anew by itself when a stream just stops.
                Ok(_) if now > self.until => return (":\n\n".to_owned(), None),
                Ok(_) if now.duration_since(self.spoke_at) > QUIET => {
                    self.spoke_at = now;
                    return (":\n\n".to_owned(), Some(self));
                }
                Ok(_) => {}
            }
        }
    }
}

/// As the HTML standard has it: a line per line, an empty one at the end.
fn event(name: &str, data: &str) -> String {
    let mut event = format!("event: {name}\n");
    for line in data.split('\n') {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}
