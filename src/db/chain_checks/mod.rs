//! Checks of the audit chains: where each chain stands, what checks found, and the rounds in which all have their turn.
//!
//! Invariants
//! - Nothing here changes a chain. What verification is, is `chain`'s and `evidence`'s business.
//! - A position that was verified stays known and never goes back; the chain must hold its entry for ever.
//! - An alarm ends only with a check that reads the chain from its first entry and finds it right.
//! - The platform's chain says once that a chain was found broken, and once that it was found right again.
//!
//! A transaction sees the checks of the chain that it works for; one that works for the platform reads those of every chain.

mod announce;
mod read;
mod record;
mod verify;

use evidence::chain::{BadEntry, BadKind, ChainId, Extent, Hash, Status};
use evidence::time::Time;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

pub use announce::announce;
pub use read::{Figures, Round, current, figures, history};
pub use record::{close_round, purge, record, unreadable};
pub use verify::{Found, Look, verify};

use crate::column::{MaybeDigest, MaybeWord};
use crate::{Result, scope, scope_platform};

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub chain: ChainId,
    /// The latest verdict; absent while there is none.
    pub status: Option<Status>,
    /// The furthest entry up to which all were found right, whatever was found since.
    pub verified: Option<(i64, Hash)>,
    pub checked_at: Option<Time>,
    /// The run that came to the verdict.
    pub checked_by: Option<Uuid>,
    /// The latest verdict for which the chain was read from its first entry.
    pub read_whole_at: Option<Time>,
    /// Whether the verdict is an alarm.
    pub alarm: bool,
    pub alarm_since: Option<Time>,
    pub first_bad: Option<BadEntry>,
    /// The verdict for a person.
    pub message: Option<String>,
    /// The entry of the platform's chain that records the alarm.
    pub recorded_seq: Option<i64>,
    /// Since when no check came to a verdict, because the chain could not be read.
    pub unreadable_since: Option<Time>,
}

/// One check, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub checked_at: Time,
    pub checked_by: Uuid,
    pub extent: Extent,
    pub status: Status,
    /// Entries found right, up to the first bad one.
    pub checked: u64,
    pub head_seq: Option<i64>,
    pub first_bad: Option<BadEntry>,
    pub message: String,
}

/// The check that is being made: by whom, when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checker {
    pub run: Uuid,
    pub now: Time,
}

/// From here to its end the transaction works for whom the chain belongs to.
pub(crate) async fn scope_chain(conn: &mut PgConnection, chain: ChainId) -> Result<()> {
    match chain {
        ChainId::Org(org) => scope(conn, org).await,
        ChainId::Platform => scope_platform(conn).await,
    }
}

/// Where the chain stands; absent when it was never looked at.
pub async fn find(conn: &mut PgConnection, chain: ChainId) -> Result<Option<State>> {
    let row = sqlx::query_file_as!(Row, "sql/chain_state.sql", chain.as_uuid());
    Ok(row.fetch_optional(conn).await?.map(State::from))
}

/// Locks the state until the transaction ends; made, without a verdict, when it was not there.
async fn lock(conn: &mut PgConnection, chain: ChainId) -> Result<State> {
    sqlx::query!(
        "insert into audit_chain_states (chain) values ($1) on conflict do nothing",
        chain.as_uuid(),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("select from audit_chain_states where chain = $1 for update", chain.as_uuid())
        .fetch_one(&mut *conn)
        .await?;
    let row = sqlx::query_file_as!(Row, "sql/chain_state.sql", chain.as_uuid());
    Ok(row.fetch_one(conn).await?.into())
}

/// A row of `audit_chain_states`.
struct Row {
    chain: Uuid,
    status: Option<Status>,
    verified_seq: i64,
    verified_hash: Option<Hash>,
    checked_at: Option<Time>,
    checked_by: Option<Uuid>,
    read_whole_at: Option<Time>,
    alarm: bool,
    alarm_since: Option<Time>,
    first_bad_seq: Option<i64>,
    first_bad_kind: Option<BadKind>,
    message: Option<String>,
    recorded_seq: Option<i64>,
    unreadable_since: Option<Time>,
}

impl From<Row> for State {
    fn from(row: Row) -> Self {
        Self {
            chain: ChainId::from_uuid(row.chain),
            status: row.status,
            verified: row.verified_hash.map(|hash| (row.verified_seq, hash)),
            checked_at: row.checked_at,
            checked_by: row.checked_by,
            read_whole_at: row.read_whole_at,
            alarm: row.alarm,
            alarm_since: row.alarm_since,
            first_bad: bad_entry(row.first_bad_seq, row.first_bad_kind),
            message: row.message,
            recorded_seq: row.recorded_seq,
            unreadable_since: row.unreadable_since,
        }
    }
}

fn bad_entry(seq: Option<i64>, kind: Option<BadKind>) -> Option<BadEntry> {
    Some(BadEntry { seq: seq?, kind: kind? })
}
