//! Verifying a chain and recording that it was verified, in this order: the answer is about the
//! chain as it was when it was asked for.

use db::Cause;
use db::chain::{Options, Verified};
use evidence::action::{Action, Outcome};
use evidence::chain::{ChainId, Draft, Status};
use evidence::ids;
use serde_json::{Map, Value};

use super::row::Verification;
use crate::errors::{Error, Result};
use crate::state::State;

pub(super) async fn verify(
    state: &State,
    chain: ChainId,
    options: &Options,
    cause: &Cause,
) -> Result<Verification> {
    // It reads the whole chain: a few at a time, the others wait.
    let _place = state.heavy.acquire().await.map_err(Error::internal)?;
    let mut tx = state.pool.begin_with("begin isolation level repeatable read read only").await?;
    scope(&mut tx, chain).await?;
    let verified = db::chain::verify(&mut tx, chain, options).await?;
    tx.commit().await?;
    let mut tx = state.pool.begin().await?;
    scope(&mut tx, chain).await?;
    match db::chain::append(&mut tx, chain, draft(&verified, options, cause)).await {
        Ok(_) => tx.commit().await?,
        // A chain that lost its head can take no entry; that is what the answer says.
        Err(db::Error::NoChain(_)) => tx.rollback().await?,
        Err(error) => return Err(error.into()),
    }
    Ok(Verification::new(verified.verdict, verified.at))
}

async fn scope(conn: &mut sqlx::PgConnection, chain: ChainId) -> Result<()> {
    match chain {
        ChainId::Org(org) => db::scope(conn, org).await?,
        ChainId::Platform => db::scope_platform(conn).await?,
    }
    Ok(())
}

fn draft(verified: &Verified, options: &Options, cause: &Cause) -> Draft {
    let verdict = &verified.verdict;
    let checked = i64::try_from(verdict.checked).unwrap_or(i64::MAX);
    let detail: [(&str, Value); 5] = [
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
