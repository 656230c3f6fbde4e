//! The end of a run: one transaction with the application's `on_end` in it.
//!
//! Invariants: a run ends exactly once, under its fence; the application's rows end in the same
//! transaction. A hook that may yet succeed keeps the run open (it is tried again); one that cannot
//! does not keep it open for ever.

use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::drive::{Claim, Left};
use crate::lent::{Lent, begin};
use crate::session::Surroundings;
use crate::step;
use crate::store::{self, Ending};
use crate::{End, Error, Failure, FailureRecord, GoOn, Outcome, Reopened, RunState};

/// How often the end is tried in place, and the pause before the second try; it doubles.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How long the application's hook may take.
const HOOK: Duration = Duration::from_secs(30);
/// How long the run then waits before its end is tried again.
const POSTPONE: Duration = Duration::from_secs(15);

/// How a run is to end.
pub(crate) enum Result<'a> {
    Succeeded(&'a RawValue),
    Failed(FailureRecord),
    Cancelled,
}

impl Result<'_> {
    const fn state(&self) -> RunState {
        match self {
            Self::Succeeded(_) => RunState::Succeeded,
            Self::Failed(_) => RunState::Failed,
            Self::Cancelled => RunState::Cancelled,
        }
    }
}

/// One try at ending a run.
enum Try {
    Ended,
    Fenced,
    /// The hook cannot succeed: end without it.
    Hopeless(Failure),
}

/// Ends the run of `claim`.
pub(crate) async fn end<P>(
    around: &Surroundings,
    claim: Claim<'_, P>,
    result: Result<'_>,
) -> std::result::Result<Left, Error> {
    let mut with_hook = !matches!(result, Result::Succeeded(_));
    if with_hook {
        // Before the end, so that nobody holds a parent's row and waits for a child's: that would be the wrong way round.
        let now = around.clock.sql_now();
        if let Err(error) = store::cancel_children(&around.journal, now, claim.lease).await {
            tracing::warn!(%error, "the children could not be asked to stop; the end waits");
            let waits = store::postpone(&around.journal, now, claim.lease, POSTPONE).await?;
            return Ok(if waits { Left::Waiting } else { Left::Lost });
        }
    }
    for tried in 0..TRIES {
        match once(around, claim, &result, with_hook).await {
            Ok(Try::Ended) => return Ok(Left::Ended(result.state())),
            Ok(Try::Fenced) => return Ok(Left::Lost),
            Ok(Try::Hopeless(failure)) => {
                tracing::error!(%failure, "on_end failed for good; the run ends without it");
                with_hook = false;
            }
            Err(failure) => {
                tracing::warn!(%failure, tried, "a run could not be ended, trying again");
                let pause = PAUSE * 2_u32.pow(tried);
                if pause > around.patience {
                    break;
                }
                around.clock.sleep(pause).await;
            }
        }
    }
    let now = around.clock.sql_now();
    let waits = store::postpone(&around.journal, now, claim.lease, POSTPONE).await?;
    Ok(if waits { Left::Waiting } else { Left::Lost })
}

async fn once<P>(
    around: &Surroundings,
    claim: Claim<'_, P>,
    result: &Result<'_>,
    with_hook: bool,
) -> std::result::Result<Try, Failure> {
    if let Result::Succeeded(output) = result {
        let output = (*output).to_owned();
        let answer = around.writer.succeed(claim.lease, output, claim.is_child).await;
        return match answer.map_err(Failure::transient)? {
            Some(_) => Ok(Try::Ended),
            None => Ok(Try::Fenced),
        };
    }
    // The application's hook works on the application's connections: the journal's must not wait for its locks.
    let pool = if with_hook { &around.pool } else { &around.journal };
    let mut conn = Lent::from(pool).await?;
    let ended = in_transaction(around, &mut conn, claim, (result, with_hook)).await?;
    conn.give_back();
    Ok(ended)
}

async fn in_transaction<P>(
    around: &Surroundings,
    conn: &mut PgConnection,
    claim: Claim<'_, P>,
    (result, with_hook): (&Result<'_>, bool),
) -> std::result::Result<Try, Failure> {
    let mut tx = conn.begin_with(AssertSqlSafe(begin(HOOK))).await.map_err(Failure::transient)?;
    if with_hook && let Some(outcome) = outcome(result) {
        let end = End { run_id: claim.lease.run_id, at: around.clock.now(), outcome };
        let hooked =
            step::attempt(&around.clock, HOOK, || (claim.entry.on_end)(claim.input, &mut tx, &end));
        match hooked.await {
            Err(failure) if failure.is_transient() && !is_panic(&failure) => return Err(failure),
            Err(failure) => return Ok(Try::Hopeless(failure)),
            Ok(()) => {}
        }
    }
    let (state, output, error) = match result {
        Result::Succeeded(output) => (RunState::Succeeded, Some(*output), None),
        Result::Failed(error) => (RunState::Failed, None, Some(error)),
        Result::Cancelled => (RunState::Cancelled, None, None),
    };
    let now = around.clock.sql_now();
    let ending = Ending { state, output, error, now, is_child: claim.is_child };
    let ended = store::finish(&mut tx, around.transport.as_ref(), claim.lease, ending)
        .await
        .map_err(Failure::transient)?;
    if !ended {
        return Ok(Try::Fenced);
    }
    tx.commit().await.map_err(Failure::transient)?;
    Ok(Try::Ended)
}

/// Tells the application that a run goes on which had failed. False: the lease was lost before.
pub(crate) async fn reopen<P>(
    around: &Surroundings,
    claim: Claim<'_, P>,
) -> std::result::Result<bool, Failure> {
    let mut conn = Lent::from(&around.pool).await?;
    let mut tx = conn.begin_with(AssertSqlSafe(begin(HOOK))).await.map_err(Failure::transient)?;
    let reopened = Reopened { run_id: claim.lease.run_id, at: around.clock.now() };
    let go_on = step::attempt(&around.clock, HOOK, || {
        (claim.entry.on_reopen)(claim.input, &mut tx, &reopened)
    });
    if let GoOn::FromStep(name) = go_on.await? {
        let went = store::go_back(&mut tx, claim.lease, name, around.clock.sql_now()).await;
        went.map_err(Failure::transient)?;
    }
    let is_ours = store::reopened(&mut tx, claim.lease).await.map_err(Failure::transient)?;
    if is_ours {
        tx.commit().await.map_err(Failure::transient)?;
    } else {
        tx.rollback().await.map_err(Failure::transient)?;
    }
    conn.give_back();
    Ok(is_ours)
}

fn is_panic(failure: &Failure) -> bool {
    failure.kind() == crate::FailureKind::Panicked
}

/// What the hook is told; a success has no hook.
fn outcome(result: &Result<'_>) -> Option<Outcome> {
    match result {
        Result::Succeeded(_) => None,
        Result::Failed(error) => Some(Outcome::Failed(error.clone())),
        Result::Cancelled => Some(Outcome::Cancelled),
    }
}
