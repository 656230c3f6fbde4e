//! `findings.csv`: the findings that were open at some moment of a period, as they were at its end.

use evidence::finding::{Resolution, Status};
use evidence::ids::{FindingId, OrgId, StateSourceId};
use evidence::metrics::RollForward;
use evidence::pack::TopRisk;
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use evidence::time::{Period, Time};
use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::{PgConnection, PgRow};

use crate::column::{Count, Word};
use crate::fields::Fields;
use crate::{Error, Result};

pub(super) const SQL: &str = include_str!("../sql/section/findings.sql");
pub(super) const TOP_RISKS_SQL: &str = include_str!("../sql/section/top_risks.sql");
pub(super) const SEQUENCE_SQL: &str = include_str!("../sql/section/sequence.sql");

/// A finding of a period, as the server sent it: read without a copy, wherever that suits, because there may be millions.
pub struct FindingRow(PgRow);

/// A finding of a period. Everything that can change is as at the end of the period.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<'r> {
    pub number: i64,
    pub id: FindingId,
    pub state_source_id: StateSourceId,
    /// Name of the source at the end of the period.
    pub state_source: &'r str,
    pub address: &'r str,
    pub resource_type: &'r str,
    pub drift_type: DriftType,
    /// As at detection.
    pub risk_level: RiskLevel,
    pub risk_level_now: RiskLevel,
    pub changed_attributes: Vec<&'r str>,
    pub detected_at: Time,
    pub last_clean_scan_at: Option<Time>,
    pub last_seen_at: Time,
    pub reopen_count: i32,
    pub status: Status,
    pub resolution: Option<Resolution>,
    pub resolved_at: Option<Time>,
    /// Opaque id of a person; absent when a scan resolved it.
    pub resolved_by: Option<&'r str>,
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

impl FindingRow {
    /// Refuses a row whose values are none of a finding.
    pub fn read(&self) -> Result<Finding<'_>> {
        Ok(Finding::of(&mut Fields::of(&self.0))?)
    }
}

impl<'r> Finding<'r> {
    /// The columns in the order of the statement.
    fn of(fields: &mut Fields<'r>) -> sqlx::Result<Self> {
        Ok(Self {
            number: fields.value()?,
            id: FindingId(fields.value()?),
            state_source_id: StateSourceId(fields.value()?),
            state_source: fields.value()?,
            address: fields.value()?,
            resource_type: fields.value()?,
            drift_type: fields.word()?,
            risk_level: fields.word()?,
            risk_level_now: fields.word()?,
            changed_attributes: fields.value()?,
            detected_at: fields.value()?,
            last_clean_scan_at: fields.maybe()?,
            last_seen_at: fields.value()?,
            reopen_count: fields.value()?,
            status: fields.word()?,
            resolution: fields.maybe_word()?,
            resolved_at: fields.maybe()?,
            resolved_by: fields.maybe()?,
            time_to_resolve_hours: fields.maybe()?,
            open_at_start: fields.value()?,
            open_at_end: fields.value()?,
            opened: fields.value()?,
            reopened: fields.value()?,
            resolved: fields.value()?,
            accepted: fields.value()?,
            false_positive: fields.value()?,
        })
    }

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
) -> impl Stream<Item = Result<FindingRow>> + Send + '_ {
    let rows = sqlx::query(SQL).bind(org.0).bind(period.start).bind(period.end);
    rows.fetch(conn).map_ok(FindingRow).map_err(Error::from)
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
