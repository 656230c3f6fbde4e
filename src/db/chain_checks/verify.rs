//! Verifying one chain with everything that is known of it from before.

use evidence::chain::{ChainId, Extent, Hash, Status, Verdict};
use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{State, find, scope_chain};
use crate::Result;
use crate::chain::{self, Options};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What was read in the end.
    pub extent: Extent,
    pub verdict: Verdict,
}

/// What came of a look at a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    Found(Found),
    /// The run has come to a verdict already, and this is it.
    Known(Box<State>),
}

/// Verifies the chain as it is at one moment, unless `run` has come to a verdict already.
///
/// A partial check starts at the last verified entry. A chain that has an alarm, or that such a check finds fault with, is
/// read from its first entry: the verdict then names the first fault there is, and an old fault cannot be passed over.
/// Memory is constant in the entries; a full check holds one position for each pack of the organisation.
pub async fn verify(pool: &PgPool, chain: ChainId, extent: Extent, run: Uuid) -> Result<Look> {
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    scope_chain(&mut tx, chain).await?;
    let state = find(&mut tx, chain).await?;
    if let Some(state) = state.clone().filter(|state| state.checked_by == Some(run)) {
        tx.commit().await?;
        return Ok(Look::Known(Box::new(state)));
    }
    let verified = state.as_ref().and_then(|state| state.verified);
    let expected_min_seq = least(&mut tx, chain).await?;
    if let Some(since) = verified
        && extent == Extent::Partial
        && !state.is_some_and(|state| state.alarm)
    {
        let options = Options { since: Some(since), expected_min_seq, ..Options::default() };
        let verdict = chain::verify(&mut tx, chain, &options).await?.verdict;
        if verdict.status == Status::Ok {
            tx.commit().await?;
            return Ok(Look::Found(Found { extent, verdict }));
        }
    }
    let known = known(&mut tx, chain, verified).await?;
    let options = Options { expected_min_seq, known, ..Options::default() };
    let verdict = chain::verify(&mut tx, chain, &options).await?.verdict;
    tx.commit().await?;
    Ok(Look::Found(Found { extent: Extent::Full, verdict }))
}

/// The positions that the chain must hold: what was verified before, and what packs have attested.
async fn known(
    conn: &mut PgConnection,
    chain: ChainId,
    verified: Option<(i64, Hash)>,
) -> Result<Vec<(i64, Hash)>> {
    let mut known = Vec::new();
    if let ChainId::Org(org) = chain {
        let attested = chain::attested(conn, org).await?;
        known.extend(attested.into_iter().map(|attested| (attested.seq, attested.hash)));
    }
    known.extend(verified);
    Ok(known)
}

/// The platform's chain has entries as soon as there is an organisation.
async fn least(conn: &mut PgConnection, chain: ChainId) -> Result<Option<i64>> {
    if chain != ChainId::Platform {
        return Ok(None);
    }
    let has_orgs = sqlx::query_scalar!(r#"select exists (select from orgs) as "exists!""#)
        .fetch_one(conn)
        .await?;
    Ok(has_orgs.then_some(1))
}
