//! The steps of an export. Each locks the row, so of two at once the second sees what the first did.

use evidence::action::{Action, Outcome};
use evidence::chain::{ChainId, Hash};
use evidence::ids::{ExportId, OrgId};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use super::{Entries, Export, Status, get};
use crate::column::{Word, bigint};
use crate::{Cause, Error, Result, chain};

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub file_name: String,
    pub size_bytes: u64,
    pub sha256: Hash,
    pub manifest_sha256: Hash,
    pub pdf_included: bool,
    pub entries: Entries,
    pub object_key: String,
    pub attested_seq: i64,
    pub attested_hash: Hash,
}

/// The build starts: pending (or failed, when an operator retries) → running. Running already:
/// nothing changes.
pub async fn begin(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    cause: &Cause,
) -> Result<Export> {
    if step(conn, org, id, Status::Running).await? {
        sqlx::query!(
            "
            update audit_exports
               set status = 'running', started_at = coalesce(started_at, $3),
                   finished_at = null, error_code = null, error_message = null,
                   attested_seq = null, attested_hash = null
             where org_id = $1 and id = $2
            ",
            org.0,
            id.0,
            cause.now,
        )
        .execute(&mut *conn)
        .await?;
    }
    get(conn, org, id).await
}

/// The pack is published: running → done. Done already with the same bytes: nothing changes.
pub async fn complete(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    built: &Built,
    cause: &Cause,
) -> Result<Export> {
    let before = lock(conn, org, id).await?;
    if before == Status::Done {
        let export = get(conn, org, id).await?;
        if export.sha256 == Some(built.sha256) {
            return Ok(export);
        }
    }
    if !before.may_become(Status::Done) {
        return Err(Error::ExportStep { from: before, to: Status::Done });
    }
    write_built(conn, org, id, built, cause).await?;
    let names: Vec<Value> =
        built.entries.0.iter().map(|entry| entry.name.as_str().into()).collect();
    let detail = [
        ("export_id", id.to_string().into()),
        ("zip_sha256", hex::encode(built.sha256).into()),
        ("manifest_sha256", hex::encode(built.manifest_sha256).into()),
        ("entries", names.into()),
    ];
    let draft = cause.draft(Action::AuditExportCompleted, detail);
    let export = get(conn, org, id).await?;
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(export)
}

/// The build gave up: → failed. Failed, deleted, done or expired already: nothing changes.
pub async fn fail(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    error: (&str, &str),
    cause: &Cause,
) -> Result<Export> {
    let before = lock(conn, org, id).await?;
    if before == Status::Failed || !before.may_become(Status::Failed) {
        return get(conn, org, id).await;
    }
    let (code, message) = error;
    sqlx::query!(
        "
        update audit_exports
           set status = 'failed', finished_at = $3, error_code = $4, error_message = $5
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
        cause.now,
        code,
        message,
    )
    .execute(&mut *conn)
    .await?;
    let detail = [("export_id", id.to_string().into()), ("error_code", code.into())];
    let draft = cause.outcome(Action::AuditExportFailed, Outcome::Failure, detail);
    let export = get(conn, org, id).await?;
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(export)
}

/// A person takes the pack away: → deleted. Whether it changed; deleted already: no.
///
/// An expired pack is gone and cannot be deleted again: [`Error::ExportStep`].
pub async fn delete(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    cause: &Cause,
) -> Result<bool> {
    end(conn, org, id, Ending::DELETED, cause).await
}

/// Its time is over and its artifact is gone: done → expired. Whether it changed; expired or deleted
/// already: no.
pub async fn expire(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    cause: &Cause,
) -> Result<bool> {
    if lock(conn, org, id).await? == Status::Deleted {
        return Ok(false);
    }
    end(conn, org, id, Ending::EXPIRED, cause).await
}

/// Records that somebody got the file. `bytes`: how many were sent.
pub async fn downloaded(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    bytes: u64,
    cause: &Cause,
) -> Result<()> {
    let detail = [("export_id", id.to_string().into()), ("bytes", bigint(bytes).into())];
    let draft = cause.draft(Action::AuditExportDownloaded, detail);
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(())
}

/// A way for an artifact to go, and the audit entry of it.
struct Ending {
    to: Status,
    action: Action,
}

impl Ending {
    const DELETED: Self = Self { to: Status::Deleted, action: Action::AuditExportDeleted };
    const EXPIRED: Self = Self { to: Status::Expired, action: Action::AuditExportExpired };
}

async fn end(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    Ending { to, action }: Ending,
    cause: &Cause,
) -> Result<bool> {
    if !step(conn, org, id, to).await? {
        return Ok(false);
    }
    sqlx::query!(
        "update audit_exports set status = $3 where org_id = $1 and id = $2",
        org.0,
        id.0,
        to.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    let detail = [("export_id", id.to_string().into())];
    chain::append(conn, ChainId::Org(org), cause.draft(action, detail)).await?;
    Ok(true)
}

async fn write_built(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    built: &Built,
    cause: &Cause,
) -> Result<()> {
    sqlx::query!(
        "
        update audit_exports
           set status = 'done', finished_at = $3, file_name = $4, size_bytes = $5, sha256 = $6,
               manifest_sha256 = $7, pdf_included = $8, entries = $9, object_key = $10,
               attested_seq = $11, attested_hash = $12
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
        cause.now,
        built.file_name,
        bigint(built.size_bytes),
        built.sha256.as_slice(),
        built.manifest_sha256.as_slice(),
        built.pdf_included,
        Json(&built.entries) as _,
        built.object_key,
        built.attested_seq,
        built.attested_hash.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the row and says whether it has to step to `to`: `false` when it is there already.
async fn step(conn: &mut PgConnection, org: OrgId, id: ExportId, to: Status) -> Result<bool> {
    let from = lock(conn, org, id).await?;
    if from == to {
        return Ok(false);
    }
    if from.may_become(to) { Ok(true) } else { Err(Error::ExportStep { from, to }) }
}

/// Locks the row and says where it stands.
pub(super) async fn lock(conn: &mut PgConnection, org: OrgId, id: ExportId) -> Result<Status> {
    let row = sqlx::query!(
        r#"
        select status as "status: Word<Status>"
          from audit_exports
         where org_id = $1 and id = $2
           for no key update
        "#,
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.ok_or(Error::NotFound("audit export"))?.status.into())
}
