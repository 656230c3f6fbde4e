//! Who looks at a page.

use db::members::Membership;
use poem::Request;

use crate::auth::{OrgScope, PlatformAdmin, Right, SignedIn};
use crate::errors::{Denied, Result};
use crate::state::Context;

/// A person at a page of this service.
pub(crate) struct Visit {
    pub(crate) person: SignedIn,
    /// As people call them: name, e-mail address, or what the issuer calls them.
    pub(crate) who: String,
    /// By slug.
    pub(crate) orgs: Vec<Membership>,
}

impl Visit {
    /// Errors (401) when nobody is signed in with this browser.
    pub(super) async fn of(request: &Request) -> Result<Self> {
        let person = SignedIn::find(request).await?;
        let person = person.ok_or(Denied::Unauthorized("Nobody is signed in"))?;
        let context = Context::of(request);
        let mut tx = context.state.pool.begin().await?;
        let name = db::users::find_name(&mut tx, person.user.id).await?;
        let who = name.or_else(|| person.user.email.clone());
        let who = who.unwrap_or_else(|| person.user.sub.clone());
        let orgs = db::members::of_user(&mut tx, person.user.id).await?;
        tx.commit().await?;
        Ok(Self { person, who, orgs })
    }

    /// The organisation that the address names (`:slug`), for a visitor who has the right `R` in it.
    ///
    /// Errors (404) when there is none, or when the visitor is no member: the two look alike.
    pub(super) async fn org<R: Right>(&self, request: &Request) -> Result<OrgScope<R>> {
        let slug = request.raw_path_param("slug").unwrap_or_default();
        let org = self.orgs.iter().find(|org| org.slug == slug).ok_or(Denied::OrgNotFound)?;
        OrgScope::of_person(request, &self.person, org.org_id).await
    }

    /// The visitor as a platform administrator. Errors (403) when they are none.
    pub(super) async fn operator(&self, request: &Request) -> Result<PlatformAdmin> {
        PlatformAdmin::of_person(request, &self.person).await
    }
}
