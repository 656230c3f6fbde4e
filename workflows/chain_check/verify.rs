//! Steps `verify_platform` and `verify`: one chain after the other, each judged and kept by itself.

use std::panic::AssertUnwindSafe;

use db::Cause;
use db::chain_checks::{self, Checker, Figures, Look, State};
use engine::{Failure, StepContext};
use evidence::action::Actor;
use evidence::chain::{ChainId, Extent, Status};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::VERIFY;
use crate::walk::{self, ORG_LIMIT, Part, Plan, Reached};
use crate::{Ports, trouble};

/// What a part has found, and how far the walk has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) reached: Reached,
    pub(super) verdicts: Figures,
}

/// The chain did not come to an end.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("the audit chain {0} was not read within {ORG_LIMIT:?}")]
    TooLong(ChainId),
    #[error("reading the audit chain {0} panicked")]
    Panicked(ChainId),
}

/// The step of the platform's chain.
pub(super) async fn platform(step: StepContext<Ports>, extent: Extent) -> Result<Figures, Failure> {
    let mut verdicts = Figures::default();
    verdicts.count(settle(&step, ChainId::Platform, extent).await?);
    Ok(verdicts)
}

/// The step of some organisations' chains.
pub(super) async fn part(
    step: StepContext<Ports>,
    extent: Extent,
    plan: Plan,
    reached: Reached,
) -> Result<Done, Failure> {
    let mut part = Part::begin(&step, VERIFY, plan, reached).await?;
    let mut verdicts = Figures::default();
    while let Some(org) = part.next().await {
        match settle(&step, ChainId::Org(org), extent).await {
            Ok(status) => verdicts.count(status),
            Err(failure) => part.fail(failure),
        }
    }
    Ok(Done { reached: part.end()?, verdicts })
}

/// Checks a chain; `None` when it cannot be read and another attempt is not worth it.
async fn settle(
    step: &StepContext<Ports>,
    chain: ChainId,
    extent: Extent,
) -> Result<Option<Status>, Failure> {
    let checked = AssertUnwindSafe(check(step, chain, extent)).catch_unwind();
    let checked = match tokio::time::timeout(ORG_LIMIT, checked).await {
        Ok(Ok(checked)) => checked,
        Ok(Err(_panic)) => Err(trouble::internal(Unread::Panicked(chain))),
        Err(_elapsed) => Err(Failure::permanent(Unread::TooLong(chain)).code(trouble::DATABASE)),
    };
    match checked {
        Ok(status) => Ok(status),
        Err(failure) if !walk::gives_up(step, &failure) => {
            tracing::warn!(%chain, %failure, "an audit chain could not be read; it is tried again");
            Err(failure)
        }
        Err(failure) => {
            tracing::error!(%chain, %failure, cause = ?failure, "an audit chain cannot be read");
            if let Err(error) = keep_unreadable(step, chain).await {
                tracing::error!(%chain, cause = ?error, "nor can that be kept");
            }
            Ok(None)
        }
    }
}

async fn keep_unreadable(step: &StepContext<Ports>, chain: ChainId) -> db::Result<()> {
    let mut tx = step.pool.begin().await?;
    chain_checks::unreadable(&mut tx, chain, step.now()).await?;
    Ok(tx.commit().await?)
}

async fn check(
    step: &StepContext<Ports>,
    chain: ChainId,
    extent: Extent,
) -> Result<Option<Status>, Failure> {
    let state = look(step, chain, extent).await.map_err(trouble::database)?;
    if state.alarm {
        let (status, first_bad) = (state.status.map(Status::as_str), state.first_bad);
        let (message, since) = (state.message.as_deref(), state.alarm_since);
        tracing::error!(%chain, status, ?first_bad, message, ?since, "an audit chain is not whole");
    }
    if state.is_news() {
        tell(step, chain).await?;
    }
    Ok(state.status)
}

/// Verifies the chain, unless an earlier attempt of this run has, and keeps the verdict.
async fn look(step: &StepContext<Ports>, chain: ChainId, extent: Extent) -> db::Result<State> {
    let checker = Checker { run: step.run_id(), now: step.now() };
    match chain_checks::verify(&step.pool, chain, extent, checker.run).await? {
        Look::Known(state) => Ok(*state),
        Look::Found(found) => {
            let mut tx = step.pool.begin().await?;
            let state = chain_checks::record(&mut tx, chain, &found, checker).await?;
            tx.commit().await?;
            Ok(state)
        }
    }
}

/// Puts the news on record. Where the platform's chain takes no entry it stays news, for the next round.
async fn tell(step: &StepContext<Ports>, chain: ChainId) -> Result<(), Failure> {
    let cause = Cause::new(Actor::system("chain_check"), step.run_id().to_string(), step.now());
    let told: db::Result<bool> = async {
        let mut tx = step.pool.begin().await?;
        let told = chain_checks::announce(&mut tx, chain, &cause).await?;
        tx.commit().await?;
        Ok(told)
    }
    .await;
    match told {
        Ok(true) => Ok(()),
        Ok(false) => {
            tracing::error!(%chain, "the platform's chain takes no entry: it is not whole itself");
            Ok(())
        }
        Err(error) if error.is_transient() => Err(trouble::database(error)),
        Err(error) => {
            tracing::error!(%chain, cause = ?error, "what was found of a chain is not on record");
            Ok(())
        }
    }
}
