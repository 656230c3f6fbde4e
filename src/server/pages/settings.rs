//! Settings: members and invitations, API keys, state sources, custom rules, the plan. One page each, the same rules as the API.

mod api_keys;
mod members;
mod pager;
mod plan;
mod rules;
mod sources;

use poem::Route;

use super::{answer, form, frame, page, visit};

/// Adds the routes of all of them.
pub(super) fn route(routes: Route) -> Route {
    let routes = members::route(api_keys::route(routes));
    plan::route(rules::route(sources::route(routes)))
}

/// The pages, in the order of their tabs: path and words.
const TABS: [(&str, &str); 5] = [
    ("members", "Members"),
    ("api-keys", "API keys"),
    ("state-sources", "State sources"),
    ("custom-rules", "Custom rules"),
    ("plan", "Plan"),
];
