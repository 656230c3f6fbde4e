//! Verifying a chain and recording that it was verified, in this order: the answer is about the
//! chain as it was when it was asked for.
//!
//! Invariants
//! - Whatever becomes of the record, the verdict is answered: a chain that was tampered with may well
//!   be one that takes no entry.
//! - Nothing is added to a chain that is not found whole; that it was not is said on the platform's.

use db::Cause;
use db::chain::{Options, Verified};
use evidence::action::{Action, Outcome};
use evidence::chain::{ChainId, Draft, Status};
use evidence::ids;
use serde_json::{Map, Value};
use sqlx::PgPool;
use tokio_util::task::AbortOnDropHandle;

use crate::errors::{Error, Result, describe};
use crate::state::State;

pub(super) async fn verify(state: &State, chain: ChainId, options: &Options) -> Result<Verified> {
    // It reads the whole chain: a few at a time, the others wait.
    let _place = state.verifications.acquire().await.map_err(Error::internal)?;
    // A task of its own is outside the request's span, which would be entered at each of a hundred thousand reads.
    let reading = tokio::spawn(read(state.pool.clone(), chain, options.clone()));
    AbortOnDropHandle::new(reading).await?
}

async fn read(pool: PgPool, chain: ChainId, options: Options) -> Result<Verified> {
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    scope(&mut tx, chain).await?;
    let verified = db::chain::verify(&mut tx, chain, &options).await?;
    tx.commit().await?;
    Ok(verified)
}

/// Says on record what was found. Failing that, it is in the log: the caller gets the verdict.
pub(super) async fn record(
    state: &State,
    chain: ChainId,
    (options, verified): (&Options, &Verified),
    cause: &Cause,
) {
    let verdict = &verified.verdict;
    if verdict.status == Status::Truncated && verdict.first_bad.is_none() {
        // Everything that is there is whole; it is the caller who expected more, and anybody can expect too much.
        // Nothing is added: the chain must not grow up to what was expected of it.
        tracing::warn!(%chain, message = verdict.message, "an audit chain is shorter than a caller expected");
        return;
    }
    let is_ok = verdict.status == Status::Ok;
    if !is_ok {
        let (status, first_bad) = (verdict.status.as_str(), verdict.first_bad.as_ref());
        tracing::error!(%chain, status, ?first_bad, message = verdict.message, "an audit chain is not whole");
    }
    let draft = draft(chain, (options, verified), cause);
    let on = if is_ok { chain } else { ChainId::Platform };
    // The platform's own chain has none above it: the log line is what there is.
    if !is_ok && chain == ChainId::Platform {
        return;
    }
    if let Err(error) = append(state, on, draft).await {
        tracing::error!(%chain, cause = %describe(&error), "a verification is not on record");
    }
}

async fn append(state: &State, chain: ChainId, draft: Draft) -> Result<()> {
    let mut tx = state.pool.begin().await?;
    scope(&mut tx, chain).await?;
    db::chain::append(&mut tx, chain, draft).await?;
    Ok(db::commit::sharing_flush(tx).await?)
}

async fn scope(conn: &mut sqlx::PgConnection, chain: ChainId) -> Result<()> {
    match chain {
        ChainId::Org(org) => db::scope(conn, org).await?,
        ChainId::Platform => db::scope_platform(conn).await?,
    }
    Ok(())
}

fn draft(chain: ChainId, (options, verified): (&Options, &Verified), cause: &Cause) -> Draft {
    let verdict = &verified.verdict;
    let checked = i64::try_from(verdict.checked).unwrap_or(i64::MAX);
    let detail: [(&str, Value); 6] = [
        ("chain", chain.to_string().into()),
        ("status", verdict.status.as_str().into()),
        ("checked", checked.into()),
        ("head_seq", verdict.head_seq.into()),
        ("at_seq", options.at_seq.into()),
        ("expected_min_seq", options.expected_min_seq.map(|seq| seq.to_string()).into()),
    ];
    let detail: Map<_, _> =
        detail.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    Draft {
        id: ids::v7(cause.now, rand::random()),
        actor: cause.actor.clone(),
        action: Action::AuditLogVerified,
        detail,
        origin: cause.origin.clone(),
        outcome: if verdict.status == Status::Ok { Outcome::Success } else { Outcome::Failure },
    }
}
