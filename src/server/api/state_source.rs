//! State sources: which Terraform states are scanned for drift.

use db::state_sources::{self, Settings};
use evidence::ids::StateSourceId;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::{MaybeUndefined, ToJSON as _};
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::body::JsonBody;
use super::given::{cleared, given};
use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::time::Timestamp;
use super::word::SourceKind;
use super::{Tag, page};
use crate::auth::{ChangeSettings, OrgScope, ReadSettings};
use crate::errors::{Denied, Refused, statuses};

/// A Terraform state that is scanned for drift.
#[derive(Debug, Object)]
pub(crate) struct StateSource {
    id: Uuid,
    /// Nobody else's in the organisation.
    name: String,
    kind: SourceKind,
    /// For a person: bucket and key, workspace, path.
    location: String,
    /// How often it is to be scanned; null: no schedule is known.
    #[oai(nullable)]
    expected_scan_interval_hours: Option<i32>,
    /// Whether it is in scope.
    active: bool,
    /// Grows by one with every change.
    version: i32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A part of the list of state sources.
#[derive(Debug, Object)]
pub(crate) struct StateSourceList {
    state_sources: Vec<StateSource>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

/// A state source to be made.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct StateSourceRequest {
    /// 1 to 200 characters without control characters; no other source of the organisation has it.
    name: String,
    kind: SourceKind,
    /// At most 2000 characters without control characters; empty unless given.
    location: MaybeUndefined<String>,
    /// 1 to 87600; null or left out: no schedule is known.
    #[oai(nullable)]
    expected_scan_interval_hours: Option<i32>,
    /// True unless given.
    active: MaybeUndefined<bool>,
}

/// What a state source is to become; what is left out stays.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct StateSourceChange {
    /// 1 to 200 characters without control characters; no other source of the organisation has it.
    name: MaybeUndefined<String>,
    kind: MaybeUndefined<SourceKind>,
    /// At most 2000 characters without control characters.
    location: MaybeUndefined<String>,
    /// 1 to 87600; null: no schedule is known.
    #[oai(nullable)]
    expected_scan_interval_hours: MaybeUndefined<i32>,
    /// False takes it out of scope from now on.
    active: MaybeUndefined<bool>,
}

#[derive(ApiResponse)]
enum Created {
    /// The state source.
    #[oai(status = 201)]
    StateSource(Json<StateSource>),
}

#[derive(ApiResponse)]
enum Deleted {
    /// It is gone; its scans, findings and versions stay.
    #[oai(status = 204)]
    Gone,
}

statuses! {
    ListErrors = [400, 401, 403, 404, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    WriteErrors = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
    DeleteErrors = [401, 403, 404, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::StateSources")]
impl Api {
    /// List state sources
    ///
    /// By name. Every member.
    #[oai(path = "/orgs/:org_id/state-sources", method = "get", operation_id = "listStateSources")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
    ) -> Result<Json<StateSourceList>, Refused<ListErrors>> {
        let slice = page::slice(limit.0, offset.0)?;
        let mut tx = scope.begin().await?;
        let page = state_sources::page(&mut tx, scope.org.id, slice).await?;
        tx.commit().await?;
        let db::Slice { limit, offset } = slice;
        let state_sources = page.rows.into_iter().map(StateSource::from).collect();
        Ok(Json(StateSourceList { state_sources, total: page.total, limit, offset }))
    }

    /// Create a state source
    ///
    /// Owners and admins, signed in with the identity provider. The first scan that names a source makes it, too.
    #[oai(
        path = "/orgs/:org_id/state-sources",
        method = "post",
        operation_id = "createStateSource"
    )]
    async fn create(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ChangeSettings>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<StateSourceRequest>,
    ) -> Result<Created, Refused<WriteErrors>> {
        let asked = key.asked(&scope, &body.0.to_json_string());
        let settings = Settings {
            name: body.0.name,
            kind: body.0.kind.into(),
            location: given("location", body.0.location)?.unwrap_or_default(),
            expected_scan_interval_hours: body.0.expected_scan_interval_hours,
            active: given("active", body.0.active)?.unwrap_or(true),
        };
        let mut tx = scope.begin().await?;
        if let Some(source) = asked.answered(&mut tx).await? {
            return Ok(Created::StateSource(Json(source)));
        }
        let made = state_sources::create(&mut tx, scope.org.id, &settings, &scope.cause()).await?;
        let source = StateSource::from(made);
        asked.keep(&mut tx, &source).await?;
        tx.commit().await?;
        Ok(Created::StateSource(Json(source)))
    }

    /// Get a state source
    ///
    /// Every member.
    #[oai(
        path = "/orgs/:org_id/state-sources/:state_source_id",
        method = "get",
        operation_id = "getStateSource"
    )]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// The state source.
        state_source_id: Id,
    ) -> Result<Json<StateSource>, Refused<GetErrors>> {
        let mut tx = scope.begin().await?;
        let found =
            state_sources::find(&mut tx, scope.org.id, StateSourceId(state_source_id.0)).await?;
        tx.commit().await?;
        Ok(Json(found.ok_or(Denied::NotFound("state source"))?.into()))
    }

    /// Change a state source
    ///
    /// Owners and admins, signed in with the identity provider. Every version is kept, with who made it and when; what changes nothing makes none.
    #[oai(
        path = "/orgs/:org_id/state-sources/:state_source_id",
        method = "patch",
        operation_id = "changeStateSource"
    )]
    async fn change(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ChangeSettings>,
        /// The state source.
        state_source_id: Id,
        body: JsonBody<StateSourceChange>,
    ) -> Result<Json<StateSource>, Refused<WriteErrors>> {
        let name = given("name", body.0.name)?;
        let kind = given("kind", body.0.kind)?.map(Into::into);
        let location = given("location", body.0.location)?;
        let hours = cleared(body.0.expected_scan_interval_hours);
        let active = given("active", body.0.active)?;
        let change = |before: Settings| Settings {
            name: name.unwrap_or(before.name),
            kind: kind.unwrap_or(before.kind),
            location: location.unwrap_or(before.location),
            expected_scan_interval_hours: hours.unwrap_or(before.expected_scan_interval_hours),
            active: active.unwrap_or(before.active),
        };
        let id = StateSourceId(state_source_id.0);
        let mut tx = scope.begin().await?;
        let changed =
            state_sources::change(&mut tx, scope.org.id, id, change, &scope.cause()).await?;
        tx.commit().await?;
        Ok(Json(changed.into()))
    }

    /// Delete a state source
    ///
    /// Owners and admins, signed in with the identity provider. It is out of scope for good and its name is free; its scans, findings and versions stay.
    #[oai(
        path = "/orgs/:org_id/state-sources/:state_source_id",
        method = "delete",
        operation_id = "deleteStateSource"
    )]
    async fn delete(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ChangeSettings>,
        /// The state source.
        state_source_id: Id,
    ) -> Result<Deleted, Refused<DeleteErrors>> {
        let id = StateSourceId(state_source_id.0);
        let mut tx = scope.begin().await?;
        if !state_sources::delete(&mut tx, scope.org.id, id, &scope.cause()).await? {
            return Err(Denied::NotFound("state source").into());
        }
        tx.commit().await?;
        Ok(Deleted::Gone)
    }
}

impl Answer for StateSource {
    fn status(&self) -> u16 {
        201
    }
}

impl From<state_sources::StateSource> for StateSource {
    fn from(source: state_sources::StateSource) -> Self {
        Self {
            id: source.id.0,
            name: source.name,
            kind: source.kind.into(),
            location: source.location,
            expected_scan_interval_hours: source.expected_scan_interval_hours,
            active: source.active,
            version: source.version,
            created_at: source.created_at.into(),
            updated_at: source.updated_at.into(),
        }
    }
}
