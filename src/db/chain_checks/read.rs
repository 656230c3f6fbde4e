//! What was found, for people and for alarms.

use evidence::chain::{BadKind, ChainId, Extent, Status};
use evidence::time::Time;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{Check, Row, State, bad_entry};
use crate::Result;
use crate::column::{Count, MaybeDigest, MaybeWord, Word};

/// How many chains had which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub ok: u64,
    pub broken: u64,
    pub truncated: u64,
    pub empty: u64,
    /// Came to no verdict.
    pub unreadable: u64,
}

/// All completed rounds of an extent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    pub extent: Extent,
    /// When the latest one was complete.
    pub ended_at: Time,
    /// Verdicts of all of them; never fewer than before.
    pub verdicts: Figures,
}

/// The chains with an alarm, the longest standing first, then those that cannot be read.
///
/// For platform admins: the transaction must work for the platform. One that works for an organisation learns of its own
/// chain at most.
pub async fn current(conn: &mut PgConnection, limit: u32) -> Result<Vec<State>> {
    let rows = sqlx::query_file_as!(Row, "sql/chain_states.sql", i64::from(limit));
    Ok(rows.fetch_all(conn).await?.into_iter().map(State::from).collect())
}

/// The latest checks of a chain, newest first.
pub async fn history(conn: &mut PgConnection, chain: ChainId, limit: u32) -> Result<Vec<Check>> {
    let rows = sqlx::query_as!(
        CheckRow,
        r#"
        select checked_at, checked_by, extent as "extent: Word<Extent>",
               status as "status: Word<Status>", checked as "checked: Count", head_seq,
               first_bad_seq, first_bad_kind as "first_bad_kind!: MaybeWord<BadKind>", message
          from audit_chain_checks
         where chain = $1
         order by checked_at desc, checked_by
         limit $2
        "#,
        chain.as_uuid(),
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Check::from).collect())
}

/// How many chains have an alarm now, by its word, or cannot be read; and the rounds so far. The transaction must work for
/// the platform. Its cost does not grow with the number of chains that are right.
pub async fn figures(conn: &mut PgConnection) -> Result<(Figures, Vec<Round>)> {
    let now = sqlx::query!(
        r#"
        select count(*) filter (where alarm and status = 'broken') as "broken!: Count",
               count(*) filter (where alarm and status = 'truncated') as "truncated!: Count",
               count(*) filter (where alarm and status = 'empty') as "empty!: Count",
               count(*) filter (where unreadable_since is not null) as "unreadable!: Count"
          from audit_chain_states
         where alarm or unreadable_since is not null
        "#
    )
    .fetch_one(&mut *conn)
    .await?;
    let alarms = Figures {
        ok: 0,
        broken: now.broken.into(),
        truncated: now.truncated.into(),
        empty: now.empty.into(),
        unreadable: now.unreadable.into(),
    };
    Ok((alarms, rounds(conn).await?))
}

async fn rounds(conn: &mut PgConnection) -> Result<Vec<Round>> {
    let rows = sqlx::query!(
        r#"
        select extent as "extent: Word<Extent>", max(ended_at) as "ended_at!",
               sum(ok)::bigint as "ok!: Count", sum(broken)::bigint as "broken!: Count",
               sum(truncated)::bigint as "truncated!: Count", sum(empty)::bigint as "empty!: Count",
               sum(unreadable)::bigint as "unreadable!: Count"
          from audit_chain_rounds
         group by extent
         order by extent
        "#
    )
    .fetch_all(conn)
    .await?;
    let rounds = rows.into_iter().map(|row| Round {
        extent: row.extent.into(),
        ended_at: row.ended_at,
        verdicts: Figures {
            ok: row.ok.into(),
            broken: row.broken.into(),
            truncated: row.truncated.into(),
            empty: row.empty.into(),
            unreadable: row.unreadable.into(),
        },
    });
    Ok(rounds.collect())
}

/// A row of `audit_chain_checks`.
struct CheckRow {
    checked_at: Time,
    checked_by: Uuid,
    extent: Extent,
    status: Status,
    checked: u64,
    head_seq: Option<i64>,
    first_bad_seq: Option<i64>,
    first_bad_kind: Option<BadKind>,
    message: String,
}

impl From<CheckRow> for Check {
    fn from(row: CheckRow) -> Self {
        Self {
            checked_at: row.checked_at,
            checked_by: row.checked_by,
            extent: row.extent,
            status: row.status,
            checked: row.checked,
            head_seq: row.head_seq,
            first_bad: bad_entry(row.first_bad_seq, row.first_bad_kind),
            message: row.message,
        }
    }
}

impl Figures {
    /// Counts one more chain; `None`: it came to no verdict.
    pub fn count(&mut self, status: Option<Status>) {
        let slot = match status {
            Some(Status::Ok) => &mut self.ok,
            Some(Status::Broken) => &mut self.broken,
            Some(Status::Truncated) => &mut self.truncated,
            Some(Status::Empty) => &mut self.empty,
            None => &mut self.unreadable,
        };
        *slot += 1;
    }

    /// Adds another part's.
    pub fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.broken += other.broken;
        self.truncated += other.truncated;
        self.empty += other.empty;
        self.unreadable += other.unreadable;
    }
}
