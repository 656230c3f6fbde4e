//! The moment that a pack is made from, and the head of the audit chain in it.

use evidence::chain::ChainId;
use evidence::ids::{ExportId, OrgId};
use sqlx::PgPool;
use sqlx::postgres::PgConnection;

use crate::chain::{self, Head};
use crate::section::Snapshot;
use crate::{OrgTx, Result};

/// Takes the snapshot of a running export and records the head of the audit chain in it, so that every
/// later snapshot taken by this function finds it in [`chain::attested`]. When the build runs again,
/// its newest snapshot counts. An export that does not run any more is left as it is.
///
/// Needs two connections for a moment; one export of an organisation waits for the other.
pub async fn snapshot_recording_head(
    pool: &PgPool,
    org: OrgId,
    export: ExportId,
) -> Result<Snapshot> {
    let mut tx = OrgTx::begin(pool, org).await?;
    // Until the record is committed: a snapshot in between would miss it.
    one_at_a_time(&mut tx, org).await?;
    let mut snapshot = Snapshot::begin(pool, org).await?;
    if let Some(head) = chain::head(&mut snapshot, ChainId::Org(org)).await? {
        record(&mut tx, org, export, &head).await?;
    }
    tx.commit().await?;
    Ok(snapshot)
}

/// Lets nobody else take such a snapshot of this organisation until the transaction ends.
pub(super) async fn one_at_a_time(conn: &mut PgConnection, org: OrgId) -> Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('attested_head ' || $1::text, 0))",
        org.to_string(),
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

async fn record(conn: &mut PgConnection, org: OrgId, export: ExportId, head: &Head) -> Result<()> {
    sqlx::query!(
        "
        update audit_exports
           set attested_seq = $3, attested_hash = $4
         where org_id = $1 and id = $2 and status = 'running'
        ",
        org.0,
        export.0,
        head.seq,
        head.hash.as_ref().map(<[u8; 32]>::as_slice),
    )
    .execute(conn)
    .await?;
    Ok(())
}
