//! Saying in the platform's chain that a chain was found broken, or right again.

use evidence::action::{Action, Outcome};
use evidence::chain::ChainId;
use sqlx::postgres::PgConnection;

use super::{State, find, lock, scope_chain};
use crate::{Cause, Result, chain, scope_platform};

impl State {
    /// Whether the platform's chain must be told.
    pub fn is_news(&self) -> bool {
        self.chain != ChainId::Platform && self.alarm != self.recorded_seq.is_some()
    }
}

/// Puts the state of an organisation's chain on record, if it is news; whether it was. From here on the transaction works
/// for the organisation.
///
/// Nothing is added to a platform chain that has an alarm itself: a further entry would bury what was done to it. The news
/// then stays news, and is put on record once that chain is right.
pub async fn announce(conn: &mut PgConnection, chain: ChainId, cause: &Cause) -> Result<bool> {
    scope_platform(conn).await?;
    if find(conn, ChainId::Platform).await?.is_some_and(|platform| platform.alarm) {
        return Ok(false);
    }
    scope_chain(conn, chain).await?;
    let state = lock(conn, chain).await?;
    if !state.is_news() {
        return Ok(false);
    }
    let outcome = if state.alarm { Outcome::Failure } else { Outcome::Success };
    let word = |word: Option<&'static str>| word.into();
    let detail = [
        ("chain", chain.to_string().into()),
        ("status", word(state.status.map(evidence::chain::Status::as_str))),
        ("first_bad_seq", state.first_bad.map(|bad| bad.seq).into()),
        ("first_bad_kind", word(state.first_bad.map(|bad| bad.kind.as_str()))),
        ("verified_seq", state.verified.map(|(seq, _)| seq).into()),
    ];
    let draft = cause.outcome(Action::AuditLogVerified, outcome, detail);
    let entry = chain::append(conn, ChainId::Platform, draft).await?;
    sqlx::query!(
        "update audit_chain_states set recorded_seq = $2 where chain = $1",
        chain.as_uuid(),
        state.alarm.then_some(entry.seq),
    )
    .execute(conn)
    .await?;
    Ok(true)
}
