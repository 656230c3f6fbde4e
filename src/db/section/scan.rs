//! `scans.csv`: the scans that were observed in a period.

use evidence::ids::{OrgId, ScanId, StateSourceId};
use evidence::scan::ScanStatus;
use evidence::time::{Period, Time};
use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::PgConnection;

use crate::column::Word;
use crate::{Error, Result};

pub(super) const SQL: &str = include_str!("../sql/section/scans.sql");

#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    pub id: ScanId,
    pub state_source_id: StateSourceId,
    pub status: ScanStatus,
    pub tool: String,
    pub tool_version: Option<String>,
    pub observed_at: Time,
    pub ingested_at: Time,
    pub resources_total: Option<i64>,
    pub resources_managed: Option<i64>,
    pub drifted: i64,
    pub missing: i64,
    pub extra: i64,
    pub noise_suppressed: i64,
    pub ignored: i64,
    pub serial: Option<i64>,
    pub lineage: Option<String>,
    pub triggered_by: String,
    /// An object: what the caller said about the pipeline.
    pub ci: serde_json::Value,
    pub error: Option<String>,
    /// Observed before the newest scan of its source: counted, but moved no finding.
    pub late: bool,
    /// Lower-case hex.
    pub content_sha256: String,
}

/// In order of observation.
pub fn scans(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> impl Stream<Item = Result<Scan>> + Send + '_ {
    sqlx::query_file_as!(Scan, "sql/section/scans.sql", org.0, period.start, period.end)
        .fetch(conn)
        .map_err(Error::from)
}
