//! Re-reading a stored chain, from its first entry or from one that is known, in constant memory.

use evidence::chain::{ChainId, Hash, Row, Start, Verdict, Verifier};
use evidence::time::Period;
use futures_util::{Stream, TryStreamExt as _, future};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::Head;
use super::deeds::{Deeds, Done};
use crate::fields::Fields;
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
/// Two statements: run it in a REPEATABLE READ transaction ([`OrgTx::begin_reading`](crate::OrgTx::begin_reading)), or an entry that is
/// appended in between stands beyond the head that was read, as one does that nobody appended: the chain is called broken.
pub async fn verify(
    conn: &mut PgConnection,
    chain: ChainId,
    options: &Options,
) -> Result<Verified> {
    let mut verification = Verification::begin(conn, chain, options).await?;
    verification.feed(conn).await?;
    Ok(verification.finish())
}

/// A verification under way, for who wants to see what it reads.
pub struct Verification {
    chain: ChainId,
    first: i64,
    at_seq: Option<i64>,
    expected_min_seq: Option<i64>,
    head: Option<Head>,
    verifier: Verifier,
    deeds: Deeds,
}

impl Verification {
    pub async fn begin(conn: &mut PgConnection, chain: ChainId, options: &Options) -> Result<Self> {
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
        let Options { at_seq, expected_min_seq, .. } = *options;
        let deeds = Deeds::default();
        Ok(Self { chain, first, at_seq, expected_min_seq, head, verifier, deeds })
    }

    /// Reads the chain to its end.
    async fn feed(&mut self, conn: &mut PgConnection) -> Result<()> {
        // Decoded by hand, without a copy of any column: a chain may have millions of entries.
        let rows = sqlx::query(include_str!("../sql/chain.sql"));
        let mut rows = rows.bind(self.chain.as_uuid()).bind(self.first).fetch(conn);
        while let Some(row) = rows.try_next().await? {
            self.verifier.feed(stored(&row, self.chain)?);
        }
        Ok(())
    }

    /// Reads the chain from its first entry to its end, whatever `since` said, and gives the canonical texts of the entries of
    /// the period in order, each with a line feed: the lines of `audit_events.ndjson`, and what `section/audit_events.sql` answers.
    ///
    /// Time never goes back along a chain, so they are consecutive. What they say was done is counted: [`Self::done`].
    pub fn lines<'a>(
        &'a mut self,
        conn: &'a mut PgConnection,
        period: Period,
    ) -> impl Stream<Item = Result<String>> + Send + 'a {
        let rows = sqlx::query(include_str!("../sql/chain_in_period.sql"));
        let rows = rows.bind(self.chain.as_uuid()).bind(period.start).bind(period.end);
        let Self { verifier, deeds, chain, .. } = self;
        let chain = *chain;
        rows.fetch(conn).map_err(Error::from).try_filter_map(move |row| {
            let line = stored(&row, chain).and_then(|entry| {
                verifier.feed(entry);
                if !row.try_get(IN_PERIOD)? {
                    return Ok(None);
                }
                deeds.add(entry.action, entry.seq);
                Ok(Some([entry.canonical, "\n"].concat()))
            });
            future::ready(line.map_err(Error::from))
        })
    }

    /// What was done in the period of [`Self::lines`], by action: what `section/audit_actions.sql` answers.
    pub fn done(&self) -> Vec<Done> {
        self.deeds.told()
    }

    /// The verdict over what was read.
    pub fn finish(self) -> Verified {
        let verdict = self.verifier.finish(Some(stated(self.head)), self.expected_min_seq);
        let at = self
            .at_seq
            .and_then(|seq| verdict.watched.get(&seq).map(|hash| At { seq, hash: *hash }));
        Verified { verdict, at }
    }
}

/// The place of the column of `chain_in_period.sql` that `chain.sql` has not.
const IN_PERIOD: usize = 12;

/// The columns in the order of the statement, all of which has the chain `chain`.
fn stored(row: &PgRow, chain: ChainId) -> sqlx::Result<Row<'_>> {
    let mut fields = Fields::of(row);
    Ok(Row {
        chain: chain.as_uuid(),
        seq: fields.value()?,
        id: fields.value()?,
        action: fields.value()?,
        actor_type: fields.value()?,
        actor_id: fields.value()?,
        created_at: fields.value()?,
        detail: fields.value()?,
        origin: fields.value()?,
        outcome: fields.value()?,
        prev_hash: fields.maybe()?,
        hash: fields.value()?,
        canonical: fields.value()?,
    })
}

/// What the head row says. A chain without a head row has lost it, unless it has no entry either;
/// position 0 says both.
fn stated(head: Option<Head>) -> (i64, Hash) {
    head.map_or((0, [0; 32]), |head| (head.seq, head.hash.unwrap_or([0; 32])))
}
