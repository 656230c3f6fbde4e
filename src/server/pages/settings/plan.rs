//! The plan: what it includes, and what the others would.

use askama::Template;
use evidence::org::{PackWindow, Plan};
use poem::http::StatusCode;
use poem::{Request, Response, Route, get};

use super::frame::{Frame, Place};
use super::visit::Visit;
use super::{answer, page};
use crate::auth::ReadSettings;
use crate::errors::Result;

pub(super) fn route(routes: Route) -> Route {
    routes.at("/orgs/:slug/settings/plan", get(page!(show)))
}

#[derive(Template)]
#[template(path = "settings/plan.html")]
struct Page {
    frame: Frame,
    plan: Plan,
    limit: u32,
}

impl Page {
    fn is_at(path: &str) -> bool {
        path == "plan"
    }

    fn is_ours(&self, plan: &Plan) -> bool {
        self.plan == *plan
    }

    fn packs(&self, plan: &Plan) -> String {
        match plan.pack_window() {
            PackWindow::None => "none".to_owned(),
            PackWindow::Days(days) => {
                format!("of the last {days} days, {} in 24 hours", self.limit)
            }
            PackWindow::Unlimited => format!("of any period, {} in 24 hours", self.limit),
        }
    }

    fn history(plan: &Plan) -> String {
        plan.history().map_or_else(
            || "without limit".to_owned(),
            |history| match history.num_days() {
                ..=1 => "24 hours".to_owned(),
                days => format!("{days} days"),
            },
        )
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadSettings>(&request).await?;
    let frame = Frame::new(&visit, Some(&scope.org.slug), Place::Settings, "Plan");
    let limit = scope.context.state.limiter.quota().limit;
    answer::html(StatusCode::OK, &Page { frame, plan: scope.org.plan, limit })
}
