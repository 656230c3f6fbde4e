//! Organisations, as platform administrators make them and put them on plans.

use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::body::JsonBody;
use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::time::Timestamp;
use super::word::OrgPlan;
use super::{Tag, page};
use crate::auth::PlatformAdmin;
use crate::errors::{Denied, Refused, statuses};

/// An organisation to be made.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct OrgRequest {
    /// 1 to 63 lower-case letters, digits and inner hyphens; nobody else's, and never changed.
    slug: String,
    /// 1 to 200 characters.
    name: String,
    plan: OrgPlan,
}

/// What an organisation is to become.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct OrgChange {
    plan: OrgPlan,
}

/// An organisation: the tenant.
#[derive(Debug, Object)]
pub(crate) struct Org {
    id: Uuid,
    slug: String,
    name: String,
    plan: OrgPlan,
    created_at: Timestamp,
}

/// A part of the list of organisations.
#[derive(Debug, Object)]
pub(crate) struct OrgList {
    orgs: Vec<Org>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

#[derive(ApiResponse)]
enum Created {
    /// The organisation; it has no members yet.
    #[oai(status = 201)]
    Org(Json<Org>),
}

statuses! {
    ListErrors = [400, 401, 403, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    CreateErrors = [400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503];
    ChangeErrors = [400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::Admin")]
impl Api {
    /// Create an organisation
    ///
    /// Platform administrators. It is recorded in the organisation's audit log, as its first entry, and in the platform's.
    #[oai(path = "/admin/orgs", method = "post", operation_id = "createOrg")]
    async fn create(
        &self,
        admin: PlatformAdmin,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<OrgRequest>,
    ) -> Result<Created, Refused<CreateErrors>> {
        let asked = key.asked(&admin, &body.0.to_json_string());
        let OrgRequest { slug, name, plan } = body.0;
        let mut tx = admin.context.state.pool.begin().await?;
        if let Some(org) = asked.answered(&mut tx).await? {
            return Ok(Created::Org(Json(org)));
        }
        let org = db::orgs::create(&mut tx, &slug, &name, plan.into(), &admin.cause()).await?;
        let org = Org::from(org);
        asked.keep(&mut tx, &org).await?;
        tx.commit().await?;
        Ok(Created::Org(Json(org)))
    }

    /// List organisations
    ///
    /// By slug. Platform administrators.
    #[oai(path = "/admin/orgs", method = "get", operation_id = "listOrgs")]
    async fn list(
        &self,
        admin: PlatformAdmin,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
    ) -> Result<Json<OrgList>, Refused<ListErrors>> {
        let slice = page::slice(limit.0, offset.0)?;
        let mut conn = admin.context.state.pool.acquire().await?;
        let page = db::orgs::page(&mut conn, slice).await?;
        let db::Slice { limit, offset } = slice;
        let orgs = page.rows.into_iter().map(Org::from).collect();
        Ok(Json(OrgList { orgs, total: page.total, limit, offset }))
    }

    /// Get an organisation
    ///
    /// Platform administrators.
    #[oai(path = "/admin/orgs/:org_id", method = "get", operation_id = "getOrg")]
    async fn get(
        &self,
        admin: PlatformAdmin,
        /// The organisation.
        org_id: Id<0>,
    ) -> Result<Json<Org>, Refused<GetErrors>> {
        let mut conn = admin.context.state.pool.acquire().await?;
        let org = db::orgs::find(&mut conn, org_id.0.into()).await?;
        Ok(Json(org.ok_or(Denied::NotFound("organisation"))?.into()))
    }

    /// Put an organisation on another plan
    ///
    /// Platform administrators. A change is recorded in the organisation's audit log and in the platform's; the same plan again changes nothing.
    #[oai(path = "/admin/orgs/:org_id", method = "patch", operation_id = "changeOrg")]
    async fn change(
        &self,
        admin: PlatformAdmin,
        /// The organisation.
        org_id: Id<0>,
        body: JsonBody<OrgChange>,
    ) -> Result<Json<Org>, Refused<ChangeErrors>> {
        let mut tx = admin.context.state.pool.begin().await?;
        let plan = body.0.plan.into();
        let org = db::orgs::set_plan(&mut tx, org_id.0.into(), plan, &admin.cause()).await?;
        tx.commit().await?;
        Ok(Json(org.into()))
    }
}

impl Answer for Org {
    fn status(&self) -> u16 {
        201
    }
}

impl From<db::orgs::Org> for Org {
    fn from(org: db::orgs::Org) -> Self {
        Self {
            id: org.id.0,
            slug: org.slug,
            name: org.name,
            plan: org.plan.into(),
            created_at: org.created_at.into(),
        }
    }
}
