//! Where a scan stands among those that are there.

use evidence::ids::{OrgId, ScanId};
use evidence::time::{Time, floor_micros};
use sqlx::postgres::PgConnection;

use super::{Ingest, Scan, find};
use crate::Result;
use crate::findings::store::Scope;

/// Times of earlier scans of a source by a tool family.
pub(super) struct Times {
    /// Of those that did not fail: what saw nothing makes nothing late.
    pub(super) newest_observed_at: Option<Time>,
    /// Of the complete ones that were not late.
    pub(super) newest_done_at: Option<Time>,
}

pub(super) async fn times(conn: &mut PgConnection, scope: Scope) -> Result<Times> {
    let Scope { org, source, family } = scope;
    Ok(sqlx::query_file_as!(Times, "sql/scan_times.sql", org.0, source.0, family.as_str())
        .fetch_one(conn)
        .await?)
}

/// The scan that these bytes are already.
pub(super) async fn find_same(
    conn: &mut PgConnection,
    org: OrgId,
    ingest: &Ingest,
) -> Result<Option<Scan>> {
    let observed_at = floor_micros(ingest.observed_at);
    // Nobody but the sender can have said a time before now if the file does not.
    let told_by_sender =
        ingest.observation.observed_at.is_none() && observed_at < floor_micros(ingest.now);
    let id = sqlx::query_scalar!(
        "
        select id from scans
         where org_id = $1 and state_source_id = $2 and content_sha256 = $3
           and (observed_at = $4 or not $5)
         order by ingested_at, id
         limit 1
        ",
        org.0,
        ingest.state_source.0,
        ingest.content_sha256.as_slice(),
        observed_at,
        told_by_sender,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => find(conn, org, ScanId(id)).await,
        None => Ok(None),
    }
}
