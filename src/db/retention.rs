//! Removing history that a plan keeps no longer: scans with what they listed, and findings that were resolved.
//!
//! Invariants
//! - What may go is decided in the database (`migrations/20261126000100_history_retention.sql`), by its own clock, and looked at
//!   again by triggers for every row that goes. Here is only how far a walk has got.
//! - From when on history is whole is on record before the first row goes; the audit log tells how much went.
//! - Each call is a short transaction of its own; any of them may be repeated, by two at once, too.
//!
//! Not here: what a pack says of it, which is `section`'s.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::time::{Time, stamp};
use uuid::Uuid;

use crate::column::{Count, bigint};
use crate::{Cause, OrgTx, Result, chain};

/// The place of a scan in the order in which scans go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    observed_at: Time,
    id: Uuid,
}

/// What one call has done to scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scans {
    pub removed: u64,
    /// Where the next call goes on; `None`: all have been looked at.
    pub reached: Option<Place>,
}

/// What one call has done to findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Findings {
    pub removed: u64,
    /// The number after which the next call goes on; `None`: all have been looked at.
    pub reached: Option<i64>,
}

/// How much was removed since the audit log was told last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub scans: u64,
    pub findings: u64,
    /// Of these findings.
    pub events: u64,
}

/// Moves on from when the organisation's history is kept. Before when rows go now; `None`: nothing is to go.
///
/// To be committed before anything is removed: packs then say so from the first row on.
pub async fn advance(tx: &mut OrgTx, now: Time) -> Result<Option<Time>> {
    let asked = sqlx::query_scalar!("select driftpack_retain_history($1)", now);
    Ok(asked.fetch_one(&mut **tx).await?)
}

/// Removes those of the next `size` scans that nothing needs, with what they listed.
pub async fn remove_scans(tx: &mut OrgTx, after: Option<Place>, size: u32) -> Result<Scans> {
    let row = sqlx::query!(
        r#"
        select last_at, last_id, looked_at as "looked_at!: Count", removed as "removed!: Count"
          from driftpack_remove_scans($1, $2, $3)
        "#,
        after.map(|place| place.observed_at),
        after.map(|place| place.id),
        i32::try_from(size).unwrap_or(i32::MAX),
    )
    .fetch_one(&mut **tx)
    .await?;
    let is_whole = u64::from(row.looked_at) >= u64::from(size);
    let place = row.last_at.zip(row.last_id).map(|(observed_at, id)| Place { observed_at, id });
    Ok(Scans { removed: row.removed.into(), reached: place.filter(|_| is_whole) })
}

/// Removes at most `size` findings, with their events.
pub async fn remove_findings(tx: &mut OrgTx, after: i64, size: u32) -> Result<Findings> {
    let row = sqlx::query!(
        r#"
        select last_number, removed as "removed!: Count"
          from driftpack_remove_findings($1, $2)
        "#,
        after,
        i32::try_from(size).unwrap_or(i32::MAX),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Findings { removed: row.removed.into(), reached: row.last_number })
}

/// Tells the audit log what was removed since it was told last: one entry, or none where nothing was.
pub async fn tell(tx: &mut OrgTx, cause: &Cause) -> Result<Removed> {
    let row = sqlx::query!(
        r#"
        select kept_from, coalesce(scans, 0) as "scans!: Count",
               coalesce(findings, 0) as "findings!: Count", coalesce(events, 0) as "events!: Count"
          from driftpack_tell_removed()
        "#,
    )
    .fetch_one(&mut **tx)
    .await?;
    let removed = Removed {
        scans: row.scans.into(),
        findings: row.findings.into(),
        events: row.events.into(),
    };
    let Some(kept_from) = row.kept_from.filter(|_| removed != Removed::default()) else {
        return Ok(removed);
    };
    let detail = [
        ("kept_from", stamp(kept_from).into()),
        ("scans", bigint(removed.scans).into()),
        ("findings", bigint(removed.findings).into()),
        ("finding_events", bigint(removed.events).into()),
    ];
    let org = ChainId::Org(tx.org());
    chain::append(tx, org, cause.draft(Action::HistoryRemoved, detail)).await?;
    Ok(removed)
}
