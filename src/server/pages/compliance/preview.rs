//! What a pack of the chosen period would contain.

use std::sync::Arc;

use askama::Template;
use poem::Request;

use super::period::{Choice, Days};
use crate::auth::{OrgScope, ReadOrg, Right};
use crate::errors::{Error, Result};
use crate::pages::glance::{self, Glance};
use crate::pages::live::Part;
use crate::pages::visit::Visit;
use crate::pages::{form, text};

/// The part of the page.
#[derive(Template)]
#[template(path = "compliance/preview.html")]
pub(super) struct Preview {
    slug: String,
    days: Days,
    now: evidence::time::Time,
    /// `None`: still being counted.
    pub(super) glance: Option<Arc<Glance>>,
    /// The period is not over.
    pub(super) is_open: bool,
}

impl Preview {
    pub(super) async fn of<R: Right>(scope: &OrgScope<R>, choice: &Choice) -> Result<Self> {
        let days = choice.chosen;
        let glance = glance::of(scope, days.period()?).await?;
        let is_open = days.end > choice.today;
        Ok(Self { slug: scope.org.slug.clone(), days, now: scope.context.now, glance, is_open })
    }

    /// Where the part is asked for again.
    pub(super) fn address(&self) -> String {
        self.days.address(&format!("/orgs/{}/compliance/preview", self.slug))
    }

    fn scans(glance: &Glance) -> u64 {
        glance.headline.scans_done + glance.headline.scans_partial + glance.headline.scans_failed
    }
}

pub(super) async fn part(request: &Request) -> Result<Part> {
    let visit = Visit::of(request).await?;
    let scope = visit.org::<ReadOrg>(request).await?;
    let choice = Choice::of(&form::query(request), scope.org.plan, scope.context.now);
    let preview = Preview::of(&scope, &choice).await?;
    let is_final = preview.glance.is_some();
    Ok(Part { html: preview.render().map_err(Error::internal)?, is_final })
}
