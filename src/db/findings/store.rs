//! Storing what `evidence::finding` decided, many findings at a time.
//!
//! Rows travel as one JSON parameter per statement: a scan of 20,000 drifts is a handful of
//! statements, not 20,000. Callers hold the lock on the state source.

use evidence::action::Actor;
use evidence::finding::{Current, Event, EventKind, Resolution, Status};
use evidence::ids::{OrgId, ScanId, StateSourceId};
use evidence::risk::RiskLevel;
use evidence::scan::{DriftType, ToolFamily};
use evidence::time::Time;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::column::{MaybeWord, Word};

/// A finding as stored, as far as decisions need it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) current: Current,
    seq: i32,
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
    /// 0 until the finding has got one.
    pub(crate) number: i64,
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
    pub(crate) resource_type: String,
    pub(crate) resource_name: String,
    pub(crate) provider: Option<String>,
    pub(crate) drift_type: DriftType,
    pub(crate) risk_rule: String,
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
            number: 0,
            seq: 1,
            kind: event.kind,
            status: event.status,
            resolution: event.resolution,
            address: event.address,
            changed_attributes: event.changed_attributes,
            risk_level: event.risk_level,
            risk_level_now: event.risk_level_now,
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
            number: before.number,
            seq: before.seq + 1,
            kind: event.kind,
            status: event.status,
            resolution: event.resolution,
            address: event.address,
            changed_attributes: event.changed_attributes,
            risk_level: event.risk_level,
            risk_level_now: event.risk_level_now,
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

    /// The scan that caused the event saw the drift.
    pub(crate) fn seen(mut self) -> Self {
        self.last_seen_at = self.last_seen_at.max(self.occurred_at);
        self
    }

    /// The latest complete scan before the one that opened it.
    pub(crate) fn opened_after(mut self, last_clean_scan_at: Option<Time>) -> Self {
        self.last_clean_scan_at = last_clean_scan_at;
        self
    }

    pub(crate) fn kind(&self) -> EventKind {
        self.kind
    }
}

/// Whose findings: tools of different families see different things, and name them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) org: OrgId,
    pub(crate) source: StateSourceId,
    pub(crate) family: ToolFamily,
}

/// Addresses have any length; this is what stands for them in indexes.
pub(crate) fn digest(address: &str) -> [u8; 32] {
    Sha256::digest(address).into()
}

/// The findings that a scan can touch: the open ones, and those at an address with such a digest.
pub(crate) async fn load(
    conn: &mut PgConnection,
    scope: Scope,
    addresses: &[Vec<u8>],
) -> Result<Vec<Stored>> {
    let rows = sqlx::query_file_as!(
        Row,
        "sql/finding_touched.sql",
        scope.org.0,
        scope.source.0,
        scope.family.as_str(),
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
    let (no_family, no_addresses) = ("", [].as_slice());
    let row = sqlx::query_file_as!(
        Row,
        "sql/finding_touched.sql",
        org.0,
        source.0,
        no_family,
        no_addresses,
        Some(id),
    )
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// Writes findings that were not there before.
pub(crate) async fn insert(conn: &mut PgConnection, scope: Scope, fresh: &[Fresh]) -> Result<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    sqlx::query_file!(
        "sql/finding_insert.sql",
        scope.org.0,
        scope.source.0,
        scope.family.as_str(),
        Json(fresh) as _,
    )
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

/// Brings the rows of the findings up to their newest event. All at once: they may change places.
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
    ids: &[Uuid],
    observed_at: Time,
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        update findings set last_seen_at = $3
         where org_id = $1 and id = any($2) and last_seen_at < $3
        ",
        org.0,
        ids,
        observed_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What `sql/finding_touched.sql` answers.
struct Row {
    id: Uuid,
    number: i64,
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
            number: row.number,
            current: Current {
                status: row.status,
                resolution: row.resolution,
                address: row.address,
                drift_type: row.drift_type,
                risk_level: row.risk_level,
                risk_level_now: row.risk_level_now,
                changed_attributes: row.changed_attributes,
                open_since: row.open_since,
                occurred_at: row.state_since,
            },
            seq: row.event_seq,
            last_clean_scan_at: row.last_clean_scan_at,
            last_seen_at: row.last_seen_at,
            reopen_count: row.reopen_count,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by,
            resolution_reason: row.resolution_reason,
        }
    }
}
