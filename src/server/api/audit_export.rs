//! Compliance Packs: requesting, watching, taking away.

mod request;
mod row;
mod window;

use evidence::ids::ExportId;
use evidence::time::Period;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use storage::Key;

use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::time::Timestamp;
use super::word::ExportStatus;
use super::{Tag, body::JsonBody, page};
use crate::auth::{DeletePack, OrgScope, ReadOrg, RequestPack, Right};
use crate::errors::{Denied, Error, Refused, Result, describe, statuses};

pub(crate) use row::AuditExport;

/// What a pack is requested for.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct AuditExportRequest {
    /// First moment of the period.
    period_start: Timestamp,
    /// First moment after the period; not in the future.
    period_end: Timestamp,
}

/// A part of the list of packs.
#[derive(Debug, Object)]
pub(crate) struct AuditExportList {
    audit_exports: Vec<AuditExport>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

impl Answer for AuditExport {
    fn status(&self) -> u16 {
        202
    }
}

#[derive(ApiResponse)]
enum Requested {
    /// The pack is requested; watch it at `Location`.
    #[oai(status = 202)]
    Accepted(
        Json<AuditExport>,
        /// Where to watch it.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// It is gone, also when it was before.
    #[oai(status = 204)]
    Gone,
}

statuses! {
    RequestErrors = [400, 401, 402, 403, 404, 408, 413, 415, 422, 429, 500, 503];
    ListErrors = [400, 401, 403, 404, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    DeleteErrors = [401, 403, 404, 410, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::AuditExports")]
impl Api {
    /// Request a Compliance Pack
    ///
    /// Owners and admins, signed in with the identity provider. The pack is built in the background; its row says how far it is. At most 5 in 24 hours per organisation: only accepted requests count, and a repeated one with the same Idempotency-Key does not count again.
    #[oai(
        path = "/orgs/:org_id/audit-exports",
        method = "post",
        operation_id = "requestAuditExport"
    )]
    async fn request(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<RequestPack>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: IdempotencyKey,
        body: JsonBody<AuditExportRequest>,
    ) -> Result<Requested, Refused<RequestErrors>> {
        let row = request::request(scope, idempotency_key, body.0).await?;
        let location = format!("/api/v2/orgs/{}/audit-exports/{}", row.org_id, row.id);
        Ok(Requested::Accepted(Json(row), location))
    }

    /// List Compliance Packs
    ///
    /// Newest first. Every member, and API keys with the scope `read`.
    #[oai(path = "/orgs/:org_id/audit-exports", method = "get", operation_id = "listAuditExports")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadOrg>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
        /// Only packs with this status.
        status: Query<Option<ExportStatus>>,
    ) -> Result<Json<AuditExportList>, Refused<ListErrors>> {
        let (limit, offset) = (page::limit(limit.0)?, offset.0.unwrap_or(0));
        let mut tx = scope.begin().await?;
        let page =
            db::exports::list(&mut tx, scope.org.id, status.0.map(Into::into), limit, offset)
                .await?;
        tx.commit().await?;
        let mut audit_exports = Vec::with_capacity(page.exports.len());
        for export in page.exports {
            audit_exports.push(row::of(&scope.context.state, export).await?);
        }
        let total = u64::try_from(page.total).unwrap_or(0);
        Ok(Json(AuditExportList { audit_exports, total, limit, offset }))
    }

    /// Get a Compliance Pack's row
    ///
    /// Every member, and API keys with the scope `read`. While the pack is built, `progress` says how far it is.
    #[oai(
        path = "/orgs/:org_id/audit-exports/:export_id",
        method = "get",
        operation_id = "getAuditExport"
    )]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadOrg>,
        /// The pack.
        export_id: Id,
    ) -> Result<Json<AuditExport>, Refused<GetErrors>> {
        let export = find(&scope, ExportId(export_id.0)).await?;
        Ok(Json(row::of(&scope.context.state, export).await?))
    }

    /// Delete a Compliance Pack
    ///
    /// Owners and admins, signed in with the identity provider. Cancels the run if it still runs and deletes the file; the row stays with the status `deleted`. Deleting it again changes nothing.
    #[oai(
        path = "/orgs/:org_id/audit-exports/:export_id",
        method = "delete",
        operation_id = "deleteAuditExport"
    )]
    async fn delete(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<DeletePack>,
        /// The pack.
        export_id: Id,
    ) -> Result<Deleted, Refused<DeleteErrors>> {
        delete(&scope, ExportId(export_id.0)).await?;
        Ok(Deleted::Gone)
    }
}

/// Requests a pack from a form, which may be sent twice with the same `key`.
pub(crate) async fn request_of_page(
    scope: OrgScope<RequestPack>,
    period: Period,
    key: String,
) -> Result<AuditExport> {
    let key = IdempotencyKey::of_form(key, "/compliance")?;
    let asked =
        AuditExportRequest { period_start: period.start.into(), period_end: period.end.into() };
    request::request(scope, key, asked).await
}

/// The row of a pack of this organisation.
pub(super) async fn find<R: Right>(
    scope: &OrgScope<R>,
    id: ExportId,
) -> Result<db::exports::Export> {
    let mut tx = scope.begin().await?;
    let export = db::exports::find(&mut tx, scope.org.id, id).await?;
    tx.commit().await?;
    export.ok_or_else(|| Denied::NotFound("audit export").into())
}

/// The row first, with a run that takes everything of the pack away once the run that builds it has ended; then, at once, the
/// file that could be downloaded. Never a row that promises a file that is gone.
pub(crate) async fn delete(scope: &OrgScope<DeletePack>, id: ExportId) -> Result<()> {
    let state = &scope.context.state;
    let mut tx = scope.begin().await?;
    let is_deleted = db::exports::delete(&mut tx, scope.org.id, id, &scope.cause()).await?;
    // Read now that the row is locked: a run that has just published its file has named it by now.
    let export = db::exports::get(&mut tx, scope.org.id, id).await?;
    if is_deleted {
        let run = export.workflow_run_id;
        let discard = workflows::DiscardPack { org: scope.org.id, export: id, run };
        state.engine.start(&mut tx, discard).key(scope.org.id).await?;
        match state.engine.cancel(&mut tx, run).await {
            // Its history was purged, so it has ended long ago.
            Ok(_) | Err(engine::Error::UnknownRun(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    tx.commit().await?;
    if let Some(key) = export.object_key {
        let key: Key = key.parse().map_err(Error::internal)?;
        if let Err(error) = state.storage.remove(&key).await {
            tracing::warn!(export = %id, cause = %describe(&error), "the file of a deleted pack stays for now");
        }
    }
    Ok(())
}
