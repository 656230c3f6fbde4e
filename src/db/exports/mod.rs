//! Requested Compliance Packs: their rows and the steps that these may take.
//!
//! Invariants
//! - Each change of status writes its audit entry in the same transaction, once: a step that runs
//!   again finds its work done and writes nothing.
//! - Rows stay for ever; the artifact is `storage`'s.

mod figures;
mod head;
mod read;
mod reopen;
mod status;
mod step;

use chrono::Duration;
use evidence::action::Action;
use evidence::chain::{ChainId, Hash};
use evidence::ids::{ExportId, OrgId, UserId};
use evidence::org::Role;
use evidence::time::{Period, Time};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

pub use figures::{Figures, SOON, figures};
pub use head::snapshot_recording_head;
pub use read::{Due, Page, due, find, get, list};
pub use reopen::{Opened, reopen};
pub use status::Status;
pub use step::{Built, begin, complete, delete, downloaded, expire, fail};

use crate::{Cause, Result, chain};

/// How long an artifact is kept after the request.
pub const KEPT: Duration = Duration::days(90);

/// One requested pack.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    pub org_id: OrgId,
    pub id: ExportId,
    pub status: Status,
    pub period_start: Time,
    /// Exclusive.
    pub period_end: Time,
    pub requested_by: UserId,
    /// As it is known today; absent when the issuer gave none or it was erased.
    pub requested_by_email: Option<String>,
    /// At the time of the request.
    pub requested_role: Role,
    pub requested_at: Time,
    /// Position of the audit entry `audit_export.requested`.
    pub requested_seq: i64,
    /// The HTTP request.
    pub request_id: String,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub expires_at: Time,
    pub file_name: Option<String>,
    pub size_bytes: Option<u64>,
    pub sha256: Option<Hash>,
    pub manifest_sha256: Option<Hash>,
    pub pdf_included: Option<bool>,
    pub entries: Option<Entries>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub workflow_run_id: Uuid,
    pub object_key: Option<String>,
    /// Head of the audit chain that the attestation names.
    pub attested_seq: Option<i64>,
    pub attested_hash: Option<Hash>,
}

impl Export {
    pub fn period(&self) -> Period {
        Period::new(self.period_start, self.period_end)
            .expect("the table holds valid periods only, by constraint and by how they come in")
    }
}

/// The entries of a pack, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entries(pub Vec<Entry>);

/// One entry of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    /// Data rows; absent where the entry is no table.
    pub rows: Option<u64>,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// What is asked for. The run is started in the same transaction.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: ExportId,
    pub period: Period,
    pub requested_by: UserId,
    pub role: Role,
    pub workflow_run_id: Uuid,
}

/// Writes the request down: status pending, and the audit entry.
pub async fn request(
    conn: &mut PgConnection,
    org: OrgId,
    request: &Request,
    cause: &Cause,
) -> Result<Export> {
    let detail = [
        ("export_id", request.id.to_string().into()),
        ("period_start", evidence::time::stamp(request.period.start).into()),
        ("period_end", evidence::time::stamp(request.period.end).into()),
    ];
    let draft = cause.draft(Action::AuditExportRequested, detail);
    let entry = chain::append(conn, ChainId::Org(org), draft).await?;
    sqlx::query!(
        "
        insert into audit_exports
               (org_id, id, status, period_start, period_end, requested_by, requested_role,
                requested_at, requested_seq, request_id, expires_at, workflow_run_id)
        values ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ",
        org.0,
        request.id.0,
        request.period.start,
        request.period.end,
        request.requested_by.0,
        request.role.as_str(),
        cause.now,
        entry.seq,
        cause.origin,
        cause.now + KEPT,
        request.workflow_run_id,
    )
    .execute(&mut *conn)
    .await?;
    get(conn, org, request.id).await
}
