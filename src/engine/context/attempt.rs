//! One attempt of a step, with or without a transaction.
//!
//! Invariant: what an attempt in a transaction has written commits together with the step's record, or not
//! at all; when it is not known which, the run is left, and its journal tells.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Context, small_json};
use crate::fault::{Fault, Side};
use crate::lent::{Lent, begin};
use crate::session::{Leave, Session};
use crate::step::{self, StepContext};
use crate::store::journal::{self, Place};
use crate::{Failure, Policy};

impl<P: Send + Sync + 'static> Context<P> {
    pub(super) async fn attempt<T, F, Fut>(
        &self,
        place: &Place,
        policy: Policy,
        body: &mut F,
    ) -> Result<(T, Box<RawValue>), Failure>
    where
        T: Serialize,
        F: FnMut(StepContext<P>) -> Fut,
        Fut: Future<Output = Result<T, Failure>>,
    {
        let session = &self.session;
        if let Fault::Fail(failure) = session.fault(Side::Before, place).await {
            return Err(failure);
        }
        let clock = &session.surroundings.clock;
        let mut value =
            step::attempt(clock, policy.timeout, || body(self.step_context(place))).await?;
        match session.fault(Side::After, place).await {
            Fault::Again => {
                value =
                    step::attempt(clock, policy.timeout, || body(self.step_context(place))).await?;
            }
            Fault::Fail(failure) => return Err(failure),
            _ => {}
        }
        let output = small_json("a step's result", &value)?;
        Ok((value, output))
    }

    pub(super) async fn attempt_tx<T, F>(
        &self,
        place: &Place,
        policy: Policy,
        body: &mut F,
    ) -> Result<T, Failure>
    where
        T: Serialize,
        F: for<'c> FnMut(&'c mut PgConnection, StepContext<P>) -> BoxFuture<'c, Result<T, Failure>>,
    {
        let session = &self.session;
        if let Fault::Fail(failure) = session.fault(Side::Before, place).await {
            return Err(failure);
        }
        let mut conn = Lent::from(&session.surroundings.pool).await?;
        let value = self.in_transaction(&mut conn, place, policy, body).await?;
        conn.give_back();
        Ok(value)
    }

    async fn in_transaction<T, F>(
        &self,
        conn: &mut PgConnection,
        place: &Place,
        policy: Policy,
        body: &mut F,
    ) -> Result<T, Failure>
    where
        T: Serialize,
        F: for<'c> FnMut(&'c mut PgConnection, StepContext<P>) -> BoxFuture<'c, Result<T, Failure>>,
    {
        let session = &self.session;
        let clock = &session.surroundings.clock;
        let begin = begin(policy.timeout);
        let mut tx =
            conn.begin_with(AssertSqlSafe(begin.clone())).await.map_err(Failure::transient)?;
        let context = self.step_context(place);
        let mut value = step::attempt(clock, policy.timeout, || body(&mut tx, context)).await?;
        match session.fault(Side::After, place).await {
            Fault::Again => {
                tx.rollback().await.map_err(Failure::transient)?;
                tx = conn.begin_with(AssertSqlSafe(begin)).await.map_err(Failure::transient)?;
                let context = self.step_context(place);
                value = step::attempt(clock, policy.timeout, || body(&mut tx, context)).await?;
            }
            Fault::Fail(failure) => return Err(failure),
            _ => {}
        }
        let output = small_json("a step's result", &value)?;
        // The run's row is locked last and for a moment only: a renewal of the lease never waits long.
        let answer = journal::done(&mut tx, &self.ended(*place), &output)
            .await
            .map_err(Failure::transient)?;
        if answer.is_none() {
            session.leave(Leave::Lost).await;
        }
        match tx.commit().await {
            Ok(()) => {}
            Err(error) if is_refused(&error) => return Err(Failure::transient(error)),
            // It may have committed: only the journal knows.
            Err(error) => session.leave(Leave::Abandoned(error)).await,
        }
        session.fenced(answer).await;
        Ok(value)
    }
}

/// Whether the database refused a commit, so that certainly nothing of it happened: a deferred constraint
/// (class 23), a conflict of transactions (class 40), or out of time (57014).
fn is_refused(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("23") || code.starts_with("40") || code == "57014")
}

/// Marks, while it lives, that the attempt in flight must not be repeated.
pub(super) struct Unrepeatable<'a>(Option<&'a AtomicBool>);

impl<'a> Unrepeatable<'a> {
    pub(super) fn mark(session: &'a Session, policy: Policy) -> Self {
        let flag = (policy.losses() == 0).then_some(&*session.signals.unrepeatable);
        if let Some(flag) = flag {
            flag.store(true, Ordering::Release);
        }
        Self(flag)
    }
}

impl Drop for Unrepeatable<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.0 {
            flag.store(false, Ordering::Release);
        }
    }
}
