//! What the audit log can record: every action and every kind of actor.
//!
//! The words are part of the hashed text of entries and stay for ever: add, never rename.

use crate::text::words;

words! {
    /// What was done.
    pub enum Action as "audit action" {
        /// The first entry of every organisation's chain.
        OrgCreated = "org.created",
        /// The first entry of the platform chain.
        PlatformCreated = "platform.created",
        /// An operator has begun to delete the organisation.
        OrgDeletionStarted = "org.deletion_started",
        /// The last entry of the chain of an organisation that is deleted.
        OrgDeleted = "org.deleted",
        OrgPlanChanged = "org.plan_changed",
        MemberAdded = "member.added",
        MemberRoleChanged = "member.role_changed",
        MemberRemoved = "member.removed",
        /// Names, addresses and identity of a person were erased; the id stays.
        MemberErased = "member.erased",
        MemberInvited = "member.invited",
        MemberInvitationRevoked = "member.invitation_revoked",
        MemberInvitationAccepted = "member.invitation_accepted",
        ApiKeyCreated = "api_key.created",
        ApiKeyRevoked = "api_key.revoked",
        StateSourceCreated = "state_source.created",
        StateSourceUpdated = "state_source.updated",
        StateSourceDeleted = "state_source.deleted",
        CustomRuleCreated = "custom_rule.created",
        CustomRuleUpdated = "custom_rule.updated",
        CustomRuleDeleted = "custom_rule.deleted",
        FindingResolutionChanged = "finding.resolution_changed",
        ScanIngested = "scan.ingested",
        AuditExportRequested = "audit_export.requested",
        AuditExportCompleted = "audit_export.completed",
        AuditExportFailed = "audit_export.failed",
        AuditExportDownloaded = "audit_export.downloaded",
        AuditExportDeleted = "audit_export.deleted",
        AuditExportExpired = "audit_export.expired",
        /// Scans and resolved findings that the plan keeps no longer were removed.
        HistoryRemoved = "history.removed",
        AuditLogVerified = "audit_log.verified",
        WorkflowRunCancelled = "workflow_run.cancelled",
        WorkflowRunRetried = "workflow_run.retried",
        WorkflowRunPaused = "workflow_run.paused",
        WorkflowRunResumed = "workflow_run.resumed",
        WorkflowRunSignalled = "workflow_run.signalled",
        WorkflowRunRedriven = "workflow_run.redriven",
        WorkflowScheduleRun = "workflow_schedule.run",
        WorkflowSchedulePaused = "workflow_schedule.paused",
        WorkflowScheduleResumed = "workflow_schedule.resumed",
        WorkflowScheduleBackfilled = "workflow_schedule.backfilled",
    }
}

words! {
    /// Who did it.
    pub enum ActorKind as "actor kind" {
        /// A person of the organisation; the id is the user's.
        User = "user",
        /// An API key; the id is the key's, never the key.
        ApiKey = "api_key",
        /// The product itself, for example a scheduled run.
        System = "system",
        /// A platform admin, or somebody with access to the machine.
        Operator = "operator",
    }
}

words! {
    /// How it ended.
    pub enum Outcome as "outcome" {
        Success = "success",
        Failure = "failure",
    }
}

/// Who did it. The id is opaque: names and e-mail addresses live elsewhere and may be erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: String,
}

impl Actor {
    pub fn user(id: crate::ids::UserId) -> Self {
        Self { kind: ActorKind::User, id: id.to_string() }
    }

    pub fn api_key(id: crate::ids::ApiKeyId) -> Self {
        Self { kind: ActorKind::ApiKey, id: id.to_string() }
    }

    /// `part` names the part of the product that acts, for example `retention`.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorKind::System, id: part.to_owned() }
    }

    pub fn operator(id: &str) -> Self {
        Self { kind: ActorKind::Operator, id: id.to_owned() }
    }
}
