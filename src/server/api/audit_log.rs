//! The audit log: an organisation's chain for its owners and admins, the platform's for its own.

mod row;
mod verify;

use evidence::action::Action;
use evidence::chain::ChainId;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;

use super::time::Timestamp;
use super::{Tag, page};
use crate::auth::{OrgScope, PlatformAdmin, ReadAuditLog};
use crate::errors::{Refused, Result, statuses};
use crate::state::Context;
use row::AuditLog;

pub(crate) use row::Verification;

statuses! {
    OrgErrors = [400, 401, 403, 404, 500, 503];
    AdminErrors = [400, 401, 403, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2")]
impl Api {
    /// Read the audit log
    ///
    /// In order of seq. Owners and admins, and API keys with the scope `read`.
    #[oai(
        path = "/orgs/:org_id/audit-log",
        method = "get",
        operation_id = "listAuditLog",
        tag = "Tag::AuditLog"
    )]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadAuditLog>,
        /// Only entries after this one: the `next_after_seq` of the answer before.
        after_seq: Query<Option<u64>>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// Only entries of this action.
        action: Query<Option<String>>,
        /// Only entries at or after this time.
        from: Query<Option<Timestamp>>,
        /// Only entries before this time.
        to: Query<Option<Timestamp>>,
    ) -> Result<Json<AuditLog>, Refused<OrgErrors>> {
        let filter = filter((after_seq.0, limit.0), action.0, from.0, to.0)?;
        let mut tx = scope.begin().await?;
        let entries = db::chain::list(&mut tx, ChainId::Org(scope.org.id), &filter).await?;
        tx.commit().await?;
        Ok(Json(AuditLog::new(entries, filter.limit)?))
    }

    /// Verify the audit log
    ///
    /// Re-hashes every entry, compares its columns with its text, and the last one with the head. Owners and admins, and API keys with the scope `read`. A verification that finds the log whole is itself recorded in it, after the answer was found; any other is recorded in the platform's log.
    #[oai(
        path = "/orgs/:org_id/audit-log/verify",
        method = "get",
        operation_id = "verifyAuditLog",
        tag = "Tag::AuditLog"
    )]
    async fn verify(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadAuditLog>,
        /// Give the hash of this entry, whatever the head is.
        at_seq: Query<Option<u64>>,
        /// The log must reach at least this entry, else it is `truncated`.
        expected_min_seq: Query<Option<u64>>,
    ) -> Result<Json<Verification>, Refused<OrgErrors>> {
        let options = options(at_seq.0, expected_min_seq.0)?;
        let chain = ChainId::Org(scope.org.id);
        Ok(Json(answer(&scope.context, chain, &options, &scope.cause()).await?))
    }

    /// Read the platform's audit log
    ///
    /// In order of seq. Platform administrators.
    #[oai(
        path = "/admin/audit-log",
        method = "get",
        operation_id = "listPlatformAuditLog",
        tag = "Tag::Admin"
    )]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn list_platform(
        &self,
        admin: PlatformAdmin,
        /// Only entries after this one: the `next_after_seq` of the answer before.
        after_seq: Query<Option<u64>>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// Only entries of this action.
        action: Query<Option<String>>,
        /// Only entries at or after this time.
        from: Query<Option<Timestamp>>,
        /// Only entries before this time.
        to: Query<Option<Timestamp>>,
    ) -> Result<Json<AuditLog>, Refused<AdminErrors>> {
        let filter = filter((after_seq.0, limit.0), action.0, from.0, to.0)?;
        let mut tx = admin.context.state.pool.begin().await?;
        db::scope_platform(&mut tx).await?;
        let entries = db::chain::list(&mut tx, ChainId::Platform, &filter).await?;
        tx.commit().await?;
        Ok(Json(AuditLog::new(entries, filter.limit)?))
    }

    /// Verify the platform's audit log
    ///
    /// As for an organisation's. Platform administrators.
    #[oai(
        path = "/admin/audit-log/verify",
        method = "get",
        operation_id = "verifyPlatformAuditLog",
        tag = "Tag::Admin"
    )]
    async fn verify_platform(
        &self,
        admin: PlatformAdmin,
        /// Give the hash of this entry, whatever the head is.
        at_seq: Query<Option<u64>>,
        /// The log must reach at least this entry, else it is `truncated`.
        expected_min_seq: Query<Option<u64>>,
    ) -> Result<Json<Verification>, Refused<AdminErrors>> {
        let options = options(at_seq.0, expected_min_seq.0)?;
        Ok(Json(answer(&admin.context, ChainId::Platform, &options, &admin.cause()).await?))
    }
}

/// Verifies the log of an organisation, for a page.
pub(crate) async fn verify_of_page(scope: &OrgScope<ReadAuditLog>) -> Result<Verification> {
    let options = db::chain::Options::default();
    answer(&scope.context, ChainId::Org(scope.org.id), &options, &scope.cause()).await
}

/// Verifies, and records that, unless nobody reads the answer.
async fn answer(
    context: &Context,
    chain: ChainId,
    options: &db::chain::Options,
    cause: &db::Cause,
) -> Result<Verification> {
    let verified = verify::verify(&context.state, chain, options).await?;
    if !context.is_head {
        verify::record(&context.state, chain, (options, &verified), cause).await;
    }
    Ok(Verification::new(verified.verdict, verified.at))
}

fn filter(
    (after_seq, limit): (Option<u64>, Option<u32>),
    action: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<db::chain::Filter> {
    if let Some(action) = &action {
        action.parse::<Action>().map_err(|error| page::parameter(format!("`action`: {error}")))?;
    }
    Ok(db::chain::Filter {
        after_seq: page::position("after_seq", after_seq)?.unwrap_or(0),
        limit: page::limit(limit)?,
        action,
        from: from.map(|from| from.0),
        to: to.map(|to| to.0),
    })
}

fn options(at_seq: Option<u64>, expected_min_seq: Option<u64>) -> Result<db::chain::Options> {
    Ok(db::chain::Options {
        at_seq: page::position("at_seq", at_seq)?,
        expected_min_seq: page::position("expected_min_seq", expected_min_seq)?,
        ..db::chain::Options::default()
    })
}
