//! `/ops`: what platform administrators see of runs, queues, schedules, chains and storage, and what they do to them.
//!
//! Invariants
//! - Every page asks for a [`crate::auth::PlatformAdmin`] first; who is none gets the page that says so, whatever they ask for.
//! - What is done is done by the functions behind the API's operations, with their audit entries.
//! - No page reads through a history: lists are the engine's, which follow indexes; whatever has to be counted is counted
//!   behind the page's back and kept for a while ([`Figures`]).
//! - Texts of workflows (errors, inputs, names of steps) are anybody's: they are escaped like everything else, and cut.

mod chains;
mod failures;
mod figures;
mod filter;
mod owner;
mod queues;
mod run;
mod runs;
mod schedules;
mod storage;
mod word;

use poem::{Request, Response, Route, get, post};

use super::{answer, page};
use crate::errors::Result;
pub(crate) use figures::Figures;

pub(super) fn route(routes: Route) -> Route {
    routes
        .at("/ops", get(page!(home)))
        .at("/ops/runs", get(page!(runs::show)))
        .at("/ops/live/runs", get(page!(runs::part)))
        .at("/ops/runs/:id", get(page!(run::show)))
        .at("/ops/live/runs/:id", get(page!(run::part)))
        .at("/ops/runs/:id/:action", post(page!(run::act)))
        .at("/ops/queues", get(page!(queues::show)))
        .at("/ops/live/queues", get(page!(queues::part)))
        .at("/ops/schedules", get(page!(schedules::show)))
        .at("/ops/schedules/:name/:action", post(page!(schedules::act)))
        .at("/ops/failures", get(page!(failures::show)))
        .at("/ops/failures/check", post(page!(failures::check)))
        .at("/ops/failures/redrive", post(page!(failures::redrive)))
        .at("/ops/chains", get(page!(chains::show)))
}

async fn home(_: Request) -> Result<Response> {
    answer::redirect("/ops/runs")
}

/// One request, however often the form is sent.
fn request_key() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
