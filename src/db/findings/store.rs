//! Storing what `evidence::finding` decided, many findings at a time.
//!
//! Rows travel as one JSON parameter per statement: a scan of 20,000 drifts is a handful of
//! statements, not 20,000. Callers hold the lock on the state source.

use evidence::action::Actor;
use evidence::finding::{Current, Event, EventKind, Resolution, Status};
use evidence::ids::{OrgId, ScanId, StateSourceId};
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use evidence::time::Time;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::column::{MaybeWord, Word};

/// A finding as stored, as far as decisions need it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) current: Current,
    seq: i32,
    risk_level_now: RiskLevel,
    last_clean_scan_at: Option<Time>,
    last_seen_at: Time,
    reopen_count: i32,
    resolved_at: Option<Time>,
    resolved_by: Option<String>,
    resolution_reason: Option<String>,
}

/// A finding from an event on: a row of `finding_events`, and what the row of `findings` then says.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct State {
    id: Uuid,
    seq: i32,
    kind: EventKind,
    status: Status,
    resolution: Option<Resolution>,
    address: String,
    changed_attributes: Vec<String>,
    risk_level: RiskLevel,
    risk_level_now: RiskLevel,
    open_since: Time,
    last_clean_scan_at: Option<Time>,
    last_seen_at: Time,
    reopen_count: i32,
    resolved_at: Option<Time>,
    resolved_by: Option<String>,
    resolution_reason: Option<String>,
    occurred_at: Time,
    reason: Option<String>,
    scan_id: Option<ScanId>,
}

/// A finding that was not there before.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fresh {
    #[serde(flatten)]
    pub(crate) state: State,
    pub(crate) number: i64,
    pub(crate) resource_type: String,
    pub(crate) resource_name: String,
    pub(crate) provider: Option<String>,
    pub(crate) drift_type: DriftType,
    pub(crate) risk_rule: String,
}

/// A finding that a scan saw and that did not change.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Glimpse {
    pub(crate) id: Uuid,
    pub(crate) risk_level_now: Option<RiskLevel>,
}

/// When something is written down, and on whose account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) now: Time,
}

impl State {
    /// The first state of a finding.
    pub(crate) fn first(id: Uuid, event: Event) -> Self {
        Self {
            id,
            seq: 1,
            kind: event.kind,
            status: event.status,
            resolution: event.resolution,
            address: event.address,
            changed_attributes: event.changed_attributes,
            risk_level: event.risk_level,
            risk_level_now: event.risk_level,
            open_since: event.open_since,
            last_clean_scan_at: None,
            last_seen_at: event.occurred_at,
            reopen_count: 0,
            resolved_at: None,
            resolved_by: None,
            resolution_reason: None,
            occurred_at: event.occurred_at,
            reason: event.reason,
            scan_id: event.scan,
        }
    }

    /// The state that follows `before` by an event that a scan or a person caused.
    pub(crate) fn next(before: &Stored, event: Event, person: Option<&str>) -> Self {
        let closing = matches!(
            event.kind,
            EventKind::Resolved | EventKind::Accepted | EventKind::FalsePositive
        );
        let (resolved_at, resolved_by, resolution_reason) = match (event.status, closing) {
            (Status::Open, _) => (None, None, None),
            (_, true) => (Some(event.occurred_at), person.map(str::to_owned), event.reason.clone()),
            (_, false) => {
                (before.resolved_at, before.resolved_by.clone(), before.resolution_reason.clone())
            }
        };
        Self {
            id: before.id,
            seq: before.seq + 1,
            kind: event.kind,
            status: event.status,
            resolution: event.resolution,
            address: event.address,
            changed_attributes: event.changed_attributes,
            risk_level: event.risk_level,
            risk_level_now: before.risk_level_now,
            open_since: event.open_since,
            last_clean_scan_at: before.last_clean_scan_at,
            last_seen_at: before.last_seen_at,
            reopen_count: before.reopen_count + i32::from(event.kind == EventKind::Reopened),
            resolved_at,
            resolved_by,
            resolution_reason,
            occurred_at: event.occurred_at,
            reason: event.reason,
            scan_id: event.scan,
        }
    }

    /// The scan that caused the event saw the drift, with this grade today.
    pub(crate) fn seen(mut self, level: Option<RiskLevel>) -> Self {
        self.last_seen_at = self.last_seen_at.max(self.occurred_at);
        self.risk_level_now = level.unwrap_or(self.risk_level_now);
        self
    }

    /// The latest complete scan before the one that opened it.
    pub(crate) fn opened_after(&mut self, last_clean_scan_at: Option<Time>) {
        self.last_clean_scan_at = last_clean_scan_at;
    }

    pub(crate) fn kind(&self) -> EventKind {
        self.kind
    }
}

/// The findings of a source that a scan can touch: the open ones, and those at one of the addresses.
pub(crate) async fn load(
    conn: &mut PgConnection,
    org: OrgId,
    source: StateSourceId,
    addresses: &[String],
) -> Result<Vec<Stored>> {
    let rows = sqlx::query_file_as!(
        Row,
        "sql/finding_touched.sql",
        org.0,
        source.0,
        addresses,
        None::<Uuid>,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Stored::from).collect())
}

/// One finding.
pub(crate) async fn load_one(
    conn: &mut PgConnection,
    org: OrgId,
    source: StateSourceId,
    id: Uuid,
) -> Result<Stored> {
    let row = sqlx::query_file_as!(Row, "sql/finding_touched.sql", org.0, source.0, &[], Some(id))
        .fetch_one(conn)
        .await?;
    Ok(row.into())
}

/// Writes findings that were not there before.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    org: OrgId,
    source: StateSourceId,
    fresh: &[Fresh],
) -> Result<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    sqlx::query_file!("sql/finding_insert.sql", org.0, source.0, Json(fresh) as _)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends the intervals before and writes the ones that begin.
pub(crate) async fn append(
    conn: &mut PgConnection,
    org: OrgId,
    states: &[&State],
    record: Record<'_>,
) -> Result<()> {
    if states.is_empty() {
        return Ok(());
    }
    sqlx::query_file!("sql/finding_event_close.sql", org.0, Json(states) as _)
        .execute(&mut *conn)
        .await?;
    sqlx::query_file!(
        "sql/finding_event_insert.sql",
        org.0,
        Json(states) as _,
        record.now,
        record.actor.kind.as_str(),
        record.actor.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Brings the rows of the findings up to their newest event.
pub(crate) async fn update(conn: &mut PgConnection, org: OrgId, states: &[&State]) -> Result<()> {
    if states.is_empty() {
        return Ok(());
    }
    sqlx::query_file!("sql/finding_update.sql", org.0, Json(states) as _).execute(conn).await?;
    Ok(())
}

/// Notes that a scan saw findings that did not change.
pub(crate) async fn glimpsed(
    conn: &mut PgConnection,
    org: OrgId,
    glimpses: &[Glimpse],
    observed_at: Time,
) -> Result<()> {
    if glimpses.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        update findings f
           set last_seen_at = greatest(f.last_seen_at, $3),
               risk_level_now = coalesce(row.risk_level_now, f.risk_level_now)
          from json_to_recordset($2::json) as row (id uuid, risk_level_now text)
         where f.org_id = $1 and f.id = row.id
        ",
        org.0,
        Json(glimpses) as _,
        observed_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What `sql/finding_touched.sql` answers.
struct Row {
    id: Uuid,
    status: Status,
    resolution: Option<Resolution>,
    address: String,
    drift_type: DriftType,
    risk_level: RiskLevel,
    risk_level_now: RiskLevel,
    changed_attributes: Vec<String>,
    open_since: Time,
    state_since: Time,
    event_seq: i32,
    last_clean_scan_at: Option<Time>,
    last_seen_at: Time,
    reopen_count: i32,
    resolved_at: Option<Time>,
    resolved_by: Option<String>,
    resolution_reason: Option<String>,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            current: Current {
                status: row.status,
                resolution: row.resolution,
                address: row.address,
                drift_type: row.drift_type,
                risk_level: row.risk_level,
                changed_attributes: row.changed_attributes,
                open_since: row.open_since,
                occurred_at: row.state_since,
            },
            seq: row.event_seq,
            risk_level_now: row.risk_level_now,
            last_clean_scan_at: row.last_clean_scan_at,
            last_seen_at: row.last_seen_at,
            reopen_count: row.reopen_count,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by,
            resolution_reason: row.resolution_reason,
        }
    }
}
