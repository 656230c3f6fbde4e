//! The way to an organisation's rows: only a caller who was admitted gets a transaction on them.
//!
//! Invariant: every [`OrgTx`] of this package is begun by [`OrgScope::begin`], which exists only
//! for a caller who has the right `R` in that organisation.

use std::marker::PhantomData;

use db::orgs::Org;
use db::{Cause, OrgTx};
use evidence::ids::{OrgId, UserId};
use evidence::org::Role;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use uuid::Uuid;

use super::caller::{API_KEY, OIDC, register_schemes};
use super::rule::Right;
use super::{Caller, SignedIn};
use crate::errors::{Denied, Result};
use crate::state::Context;

/// A caller who has the right `R` in an organisation.
pub(crate) struct OrgScope<R> {
    pub(crate) caller: Caller,
    pub(crate) org: Org,
    /// Absent for an API key.
    pub(crate) role: Option<Role>,
    pub(crate) context: Context,
    right: PhantomData<fn() -> R>,
}

impl<R: Right> OrgScope<R> {
    /// A transaction that sees and changes the rows of this organisation only.
    pub(crate) async fn begin(&self) -> Result<OrgTx> {
        Ok(OrgTx::begin(&self.context.state.pool, self.org.id).await?)
    }

    /// Who causes a change, from which request, and when.
    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.caller.actor(), self.context.request_id.clone(), self.context.now)
    }

    /// Who signed in; an API key is refused.
    pub(crate) fn user(&self) -> Result<UserId> {
        match &self.caller {
            Caller::Person(user) => Ok(user.id),
            Caller::Key(_) => Err(Denied::OidcRequired.into()),
        }
    }

    /// Errors when the caller has not got the right `Other`, which a page may want to say before anybody tries.
    pub(crate) fn may<Other: Right>(&self) -> Result<()> {
        Other::RULE.admit(&self.caller, self.role, self.org.plan)
    }

    /// For a person at a browser.
    pub(crate) async fn of_person(request: &Request, person: &SignedIn, id: OrgId) -> Result<Self> {
        Self::enter(request, Caller::Person(person.user.clone()), id).await
    }

    async fn admit(request: &Request) -> Result<Self> {
        let context = Context::of(request);
        let caller = Caller::of(request, &context.state, context.now).await?;
        // An id that is no id names no organisation.
        let id: OrgId = request
            .raw_path_param(ORG_PARAM)
            .and_then(|text| text.parse().ok())
            .ok_or(Denied::OrgNotFound)?;
        Self::enter(request, caller, id).await
    }

    async fn enter(request: &Request, caller: Caller, id: OrgId) -> Result<Self> {
        let context = Context::of(request);
        let mut tx = OrgTx::begin(&context.state.pool, id).await?;
        let role = match &caller {
            Caller::Key(key) if key.org_id != id => return Err(Denied::OrgNotFound.into()),
            Caller::Key(_) => None,
            Caller::Person(user) => {
                let role = db::members::find_role(&mut tx, id, user.id).await?;
                Some(role.ok_or(Denied::OrgNotFound)?)
            }
        };
        let org = db::orgs::find(&mut tx, id).await?.ok_or(Denied::OrgNotFound)?;
        tx.commit().await?;
        R::RULE.admit(&caller, role, org.plan)?;
        caller.pace(request, &context.state).await?;
        Ok(Self { caller, org, role, context, right: PhantomData })
    }
}

/// poem-openapi numbers the parameters of a path; the organisation is always the first.
const ORG_PARAM: &str = "param0";

impl<'a, R: Right> ApiExtractor<'a> for OrgScope<R> {
    const TYPES: &'static [ApiExtractorType] =
        &[ApiExtractorType::Parameter, ApiExtractorType::SecurityScheme];
    const PARAM_IS_REQUIRED: bool = true;
    type ParamType = Uuid;
    type ParamRawType = Uuid;

    fn register(registry: &mut Registry) {
        register_schemes(registry);
        Uuid::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        if R::RULE.takes_keys() { vec![OIDC, API_KEY] } else { vec![OIDC] }
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Uuid::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Uuid>,
    ) -> poem::Result<Self> {
        Ok(Self::admit(request).await?)
    }
}
