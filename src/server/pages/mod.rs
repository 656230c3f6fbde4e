//! What people see with a browser: pages that the server writes, on the same rights, rules and audit entries as the API.
//!
//! Invariants
//! - A page reaches an organisation's rows through an `OrgScope` of the visitor, as the API does.
//! - A change is made by the function that the API calls for it; a page adds the form and the words.
//! - Every page works without scripts; scripts refresh parts of it and save clicks.
//! - Nothing is loaded from elsewhere, nothing inline is run or styles anything (the content security policy), and every
//!   value is escaped by the templates.
//! - Who is not signed in is sent to sign in and comes back to where they were going.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "templates hand over what they have by reference"
)]

mod answer;
mod asset;
mod audit_log;
mod chart;
mod compliance;
mod escape;
mod finding;
mod form;
mod frame;
mod glance;
mod home;
mod kept;
mod live;
mod ops;
mod overview;
mod people;
mod scan;
mod settings;
mod text;
mod verify;
mod visit;

use poem::{Request, Response, Route};

pub(crate) use answer::{bare, or_error};
pub(crate) use asset::folder;
pub(crate) use escape::Visible;
pub(crate) use glance::Glances;
pub(crate) use ops::Figures as OpsFigures;

/// `/`, whose route is the API's.
pub(crate) async fn home(request: Request) -> poem::Result<Response> {
    let asked = answer::Asked::of(&request);
    asked.or_error(home::show(request).await)
}

/// Adds the routes of every page but `/`.
pub(crate) fn route(routes: Route) -> Route {
    let routes = compliance::route(overview::route(asset::route(verify::route(routes))));
    let routes = ops::route(routes);
    settings::route(audit_log::route(scan::route(finding::route(routes))))
}

/// An endpoint of a function from request to answer; what it refuses is said on a page.
macro_rules! page {
    ($show:path) => {
        poem::endpoint::make(|request: poem::Request| async move {
            let asked = $crate::pages::answer::Asked::of(&request);
            asked.or_error($show(request).await)
        })
    };
}
use page;
