//! A pack's row as it is answered.

use db::exports::{Export, Status};
use poem_openapi::Object;
use uuid::Uuid;

use super::ExportStatus;
use crate::api::time::Timestamp;
use crate::errors::Result;
use crate::state::State;

/// A requested Compliance Pack.
#[derive(Debug, Clone, Object)]
pub(crate) struct AuditExport {
    pub(crate) id: Uuid,
    pub(crate) org_id: Uuid,
    pub(crate) status: ExportStatus,
    pub(crate) period_start: Timestamp,
    /// First moment after the period.
    pub(crate) period_end: Timestamp,
    pub(crate) requested_by: Requester,
    pub(crate) requested_at: Timestamp,
    #[oai(nullable)]
    pub(crate) started_at: Option<Timestamp>,
    #[oai(nullable)]
    pub(crate) finished_at: Option<Timestamp>,
    /// When the file is deleted.
    pub(crate) expires_at: Timestamp,
    #[oai(nullable)]
    pub(crate) file_name: Option<String>,
    #[oai(nullable)]
    pub(crate) size_bytes: Option<u64>,
    /// Of the file, lower-case hex.
    #[oai(nullable)]
    pub(crate) sha256: Option<String>,
    /// Whether `summary.pdf` is in it.
    #[oai(nullable)]
    pub(crate) pdf_included: Option<bool>,
    /// The files in the pack, in their order; empty until it is done.
    pub(crate) entries: Vec<Entry>,
    /// How far the build is; absent before it begins and once it is over.
    #[oai(nullable)]
    pub(crate) progress: Option<Progress>,
    /// Why it failed.
    #[oai(nullable)]
    pub(crate) error: Option<Failure>,
    pub(crate) workflow_run_id: Uuid,
}

/// Who requested a pack.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AuditExportRequester")]
pub(crate) struct Requester {
    user_id: Uuid,
    /// As it is known today.
    #[oai(nullable)]
    email: Option<String>,
}

/// A file in a pack.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AuditExportEntry")]
pub(crate) struct Entry {
    name: String,
    /// Data rows, where the file is a table.
    #[oai(nullable)]
    rows: Option<u64>,
    bytes: u64,
    /// Lower-case hex.
    sha256: String,
}

/// How far a build is.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AuditExportProgress")]
pub(crate) struct Progress {
    /// What is being done.
    step: String,
    done: i64,
    /// 0: not known.
    total: i64,
}

/// Why a build failed.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AuditExportFailure")]
pub(crate) struct Failure {
    /// For programs.
    code: String,
    /// For people.
    message: String,
}

/// The row, with the progress of its run where it is under way.
pub(super) async fn of(state: &State, export: Export) -> Result<AuditExport> {
    let mut progress = None;
    if matches!(export.status, Status::Pending | Status::Running) {
        let run = state.engine.find(export.workflow_run_id).await?;
        progress = run.and_then(|run| run.progress).map(|progress| Progress {
            step: progress.step,
            done: progress.done,
            total: progress.total,
        });
    }
    Ok(with_progress(export, progress))
}

/// The row of a pack that has just been requested.
pub(super) fn with_progress(export: Export, progress: Option<Progress>) -> AuditExport {
    let entries = export.entries.unwrap_or_default().0;
    AuditExport {
        id: export.id.0,
        org_id: export.org_id.0,
        status: export.status.into(),
        period_start: export.period_start.into(),
        period_end: export.period_end.into(),
        requested_by: Requester {
            user_id: export.requested_by.0,
            email: export.requested_by_email,
        },
        requested_at: export.requested_at.into(),
        started_at: export.started_at.map(Into::into),
        finished_at: export.finished_at.map(Into::into),
        expires_at: export.expires_at.into(),
        file_name: export.file_name,
        size_bytes: export.size_bytes,
        sha256: export.sha256.map(hex::encode),
        pdf_included: export.pdf_included,
        entries: entries
            .into_iter()
            .map(|entry| Entry {
                name: entry.name,
                rows: entry.rows,
                bytes: entry.bytes,
                sha256: entry.sha256,
            })
            .collect(),
        progress,
        error: export
            .error_code
            .map(|code| Failure { code, message: export.error_message.unwrap_or_default() }),
        workflow_run_id: export.workflow_run_id,
    }
}
