//! Re-reading a stored chain, from its first entry or from one that is known, in constant memory.

use evidence::chain::{ChainId, Hash, Row, Start, Verdict, Verifier};
use futures_util::TryStreamExt;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::Head;
use crate::{Error, Result};

/// What to verify besides the chain itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Give the hash of this entry, whatever the head is.
    pub at_seq: Option<i64>,
    /// The chain must reach at least this far, else it is truncated.
    pub expected_min_seq: Option<i64>,
    /// Start at this entry, which was found right before: it is read again, and must have this hash still.
    pub since: Option<(i64, Hash)>,
    /// What else is known: entries that must be there with these hashes. Those before `since` are not read.
    pub known: Vec<(i64, Hash)>,
    /// Further entries whose hashes are wanted: [`Verdict::watched`].
    pub watch: Vec<i64>,
}

/// The entry that `at_seq` asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub seq: i64,
    pub hash: Hash,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub verdict: Verdict,
    /// Absent when no entry was asked for, or it is not on the intact part of the chain.
    pub at: Option<At>,
}

/// Re-hashes every entry, compares its columns with its text, and the last one with the head.
///
/// Two statements: run it in a REPEATABLE READ transaction, or an entry that is appended in between
/// is not read (which is no fault: the head is read first and only entries up to it are checked).
pub async fn verify(
    conn: &mut PgConnection,
    chain: ChainId,
    options: &Options,
) -> Result<Verified> {
    let head = match super::head(conn, chain).await {
        // The verdict says so: no entry has the hash that such a head states.
        Err(Error::BrokenChain(_)) => None,
        head => head?,
    };
    let start = options.since.map_or(Start::Genesis, |(seq, _)| Start::Excerpt { seq });
    let mut verifier = Verifier::new(chain, start);
    for (seq, hash) in options.known.iter().copied().chain(options.since) {
        verifier = verifier.expect(seq, hash);
    }
    for seq in options.watch.iter().copied().chain(options.at_seq) {
        verifier = verifier.watch(seq);
    }
    let first = options.since.map_or(1, |(seq, _)| seq);
    feed(conn, chain, first, &mut verifier).await?;
    let verdict = verifier.finish(Some(stated(head)), options.expected_min_seq);
    let at = options
        .at_seq
        .and_then(|seq| verdict.watched.get(&seq).map(|hash| At { seq, hash: *hash }));
    Ok(Verified { verdict, at })
}

async fn feed(
    conn: &mut PgConnection,
    chain: ChainId,
    first: i64,
    verifier: &mut Verifier,
) -> Result<()> {
    // Decoded by hand, without a copy of any column: a chain may have millions of entries.
    let mut rows =
        sqlx::query(include_str!("../sql/chain.sql")).bind(chain.as_uuid()).bind(first).fetch(conn);
    while let Some(row) = rows.try_next().await? {
        verifier.feed(stored(&row)?);
    }
    Ok(())
}

/// The columns in the order of the statement.
fn stored(row: &PgRow) -> sqlx::Result<Row<'_>> {
    Ok(Row {
        chain: row.try_get(0)?,
        seq: row.try_get(1)?,
        id: row.try_get(2)?,
        action: row.try_get(3)?,
        actor_type: row.try_get(4)?,
        actor_id: row.try_get(5)?,
        created_at: row.try_get(6)?,
        detail: row.try_get(7)?,
        origin: row.try_get(8)?,
        outcome: row.try_get(9)?,
        prev_hash: row.try_get(10)?,
        hash: row.try_get(11)?,
        canonical: row.try_get(12)?,
    })
}

/// What the head row says. A chain without a head row has lost it, unless it has no entry either;
/// position 0 says both.
fn stated(head: Option<Head>) -> (i64, Hash) {
    head.map_or((0, [0; 32]), |head| (head.seq, head.hash.unwrap_or([0; 32])))
}
