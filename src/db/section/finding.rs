//! `findings.csv`: the findings that were open at some moment of a period, as they were at its end.

use evidence::finding::{Resolution, Status};
use evidence::ids::{FindingId, OrgId, StateSourceId};
use evidence::metrics::RollForward;
use evidence::pack::TopRisk;
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use evidence::time::{Period, Time};
use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::PgConnection;

use crate::column::{Count, MaybeWord, Word};
use crate::{Error, Result};

pub(super) const SQL: &str = include_str!("../sql/section/findings.sql");
pub(super) const TOP_RISKS_SQL: &str = include_str!("../sql/section/top_risks.sql");
pub(super) const SEQUENCE_SQL: &str = include_str!("../sql/section/sequence.sql");

/// A finding of a period. Everything that can change is as at the end of the period.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub number: i64,
    pub id: FindingId,
    pub state_source_id: StateSourceId,
    /// Name of the source at the end of the period.
    pub state_source: String,
    pub address: String,
    pub resource_type: String,
    pub drift_type: DriftType,
    /// As at detection.
    pub risk_level: RiskLevel,
    pub risk_level_now: RiskLevel,
    pub changed_attributes: Vec<String>,
    pub detected_at: Time,
    pub last_clean_scan_at: Option<Time>,
    pub last_seen_at: Time,
    pub reopen_count: i32,
    pub status: Status,
    pub resolution: Option<Resolution>,
    pub resolved_at: Option<Time>,
    /// Opaque id of a person; absent when a scan resolved it.
    pub resolved_by: Option<String>,
    pub resolution_reason: Option<String>,
    /// Of the latest time open; absent unless it is resolved.
    pub time_to_resolve_hours: Option<f64>,
    pub open_at_start: bool,
    pub open_at_end: bool,
    /// Detections in the period: 0 or 1.
    pub opened: u64,
    pub reopened: u64,
    pub resolved: u64,
    pub accepted: u64,
    pub false_positive: u64,
}

impl Finding {
    /// Its own roll-forward.
    pub fn roll_forward(&self) -> RollForward {
        RollForward {
            open_at_start: self.open_at_start.into(),
            opened: self.opened,
            reopened: self.reopened,
            resolved: self.resolved,
            accepted: self.accepted,
            false_positive: self.false_positive,
            open_at_end: self.open_at_end.into(),
        }
    }
}

/// Whether the numbers of the findings have no gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The highest number given.
    pub given: u64,
    /// Findings that are there.
    pub present: u64,
    /// Findings that retention has removed.
    pub removed: u64,
    pub lowest: Option<i64>,
    pub highest: Option<i64>,
    /// The first numbers that are missing, at most 100.
    pub missing: Vec<i64>,
}

/// In order of number.
pub fn findings(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> impl Stream<Item = Result<Finding>> + Send + '_ {
    sqlx::query_file_as!(Finding, "sql/section/findings.sql", org.0, period.start, period.end)
        .fetch(conn)
        .map_err(Error::from)
}

/// At most ten: open at the end of the period, the most severe and oldest first.
pub async fn top_risks(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Vec<TopRisk>> {
    Ok(sqlx::query_file_as!(TopRisk, "sql/section/top_risks.sql", org.0, period.end)
        .fetch_all(conn)
        .await?)
}

/// Over all findings of the organisation, whatever the period.
pub async fn sequence(conn: &mut PgConnection, org: OrgId) -> Result<Sequence> {
    Ok(sqlx::query_file_as!(Sequence, "sql/section/sequence.sql", org.0).fetch_one(conn).await?)
}
