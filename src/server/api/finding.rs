//! Findings: reading them, and people's decisions about them.

mod row;

use evidence::ids::{FindingId, StateSourceId};
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::body::JsonBody;
use super::path::Id;
use super::word::{Decision, DriftType, FindingStatus, RiskLevel};
use super::{Tag, page};
use crate::auth::{DecideFinding, OrgScope, ReadOrg};
use crate::errors::{Denied, Refused, statuses};
use row::{Finding, FindingDetail, FindingList};

/// A decision about a finding.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct FindingDecision {
    resolution: Decision,
    /// Why, for the auditor: 1 to 2000 characters.
    reason: String,
}

statuses! {
    ListErrors = [400, 401, 403, 404, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    DecideErrors = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::Findings")]
impl Api {
    /// List findings
    ///
    /// In order of number. Every member, and API keys with the scope `read`.
    #[oai(path = "/orgs/:org_id/findings", method = "get", operation_id = "listFindings")]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadOrg>,
        /// Only findings with this status.
        status: Query<Option<FindingStatus>>,
        /// Only findings of this level at detection.
        risk_level: Query<Option<RiskLevel>>,
        /// Only findings of this kind of drift.
        drift_type: Query<Option<DriftType>>,
        /// Only findings of this state source.
        state_source_id: Query<Option<Uuid>>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// Only findings with greater numbers: the `next_after_number` of the answer before.
        after_number: Query<Option<u64>>,
    ) -> Result<Json<FindingList>, Refused<ListErrors>> {
        let limit = page::limit(limit.0)?;
        let filter = db::findings::Filter {
            status: status.0.map(Into::into),
            risk_level: risk_level.0.map(Into::into),
            state_source: state_source_id.0.map(StateSourceId),
            drift_type: drift_type.0.map(Into::into),
            after_number: page::position("after_number", after_number.0)?.unwrap_or(0),
            limit,
        };
        let mut tx = scope.begin().await?;
        let findings = db::findings::list(&mut tx, scope.org.id, &filter).await?;
        tx.commit().await?;
        let last = findings.last().filter(|_| findings.len() == limit as usize);
        let next_after_number = last.map(|finding| finding.number);
        let findings = findings.into_iter().map(Finding::from).collect();
        Ok(Json(FindingList { findings, next_after_number }))
    }

    /// Get a finding
    ///
    /// With everything that happened to it. Every member, and API keys with the scope `read`.
    #[oai(path = "/orgs/:org_id/findings/:finding_id", method = "get", operation_id = "getFinding")]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadOrg>,
        /// The finding.
        finding_id: Id,
    ) -> Result<Json<FindingDetail>, Refused<GetErrors>> {
        let (org, id) = (scope.org.id, FindingId(finding_id.0));
        let mut tx = scope.begin().await?;
        let finding =
            db::findings::find(&mut tx, org, id).await?.ok_or(Denied::NotFound("finding"))?;
        let events = db::findings::events(&mut tx, org, finding.number).await?;
        tx.commit().await?;
        Ok(Json(FindingDetail::new(finding, events)))
    }

    /// Decide about a finding
    ///
    /// Owners and admins, signed in with the identity provider: accept the risk, call it a false positive, or reopen it. The decision and its reason are in the audit log and in every later pack.
    #[oai(
        path = "/orgs/:org_id/findings/:finding_id",
        method = "patch",
        operation_id = "decideFinding"
    )]
    async fn decide(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<DecideFinding>,
        /// The finding.
        finding_id: Id,
        body: JsonBody<FindingDecision>,
    ) -> Result<Json<Finding>, Refused<DecideErrors>> {
        let FindingDecision { resolution, reason } = body.0;
        let mut tx = scope.begin().await?;
        let id = FindingId(finding_id.0);
        let finding =
            db::findings::decide(&mut tx, id, resolution.into(), &reason, &scope.cause()).await?;
        tx.commit_sharing_flush().await?;
        Ok(Json(finding.into()))
    }
}
