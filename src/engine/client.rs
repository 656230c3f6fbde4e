//! The client: starting runs, sending them signals, cancelling, pausing.
//!
//! Invariant: it needs no worker in its process, and nothing but the grants of the application's role. Looking at runs is
//! in `look`, what operators do in `operate`.

use std::sync::Arc;

use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::operate::Operator;
use crate::queue::{Apalis, Transport};
use crate::start::{Options, Start, StartMany};
use crate::store::VALUE_BYTES;
use crate::{Clock, Error, Workflow};

/// Starts, cancels and shows runs. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) transport: Arc<dyn Transport>,
}

impl Client {
    /// A client; `pool` is what it reads through.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, clock: Clock::system(), transport: Arc::new(Apalis::default()) }
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts a run in the caller's transaction; it exists if and only if the caller commits.
    ///
    /// ```ignore
    /// let started = client.start(&mut tx, Order { id }).idempotency_key(key).await?;
    /// ```
    pub fn start<'a, W: Workflow>(&self, conn: &'a mut PgConnection, workflow: W) -> Start<'a, W> {
        Start {
            conn,
            clock: self.clock.clone(),
            transport: self.transport.clone(),
            workflow,
            options: Options::default(),
        }
    }

    /// Starts many runs of a workflow in the caller's transaction, with the same options; answers their ids, in order.
    ///
    /// ```ignore
    /// let ids = client.start_many(&mut tx, orders).key(tenant).await?;
    /// ```
    pub fn start_many<'a, W: Workflow>(
        &self,
        conn: &'a mut PgConnection,
        workflows: impl IntoIterator<Item = W>,
    ) -> StartMany<'a, W> {
        StartMany {
            conn,
            clock: self.clock.clone(),
            transport: self.transport.clone(),
            workflows: workflows.into_iter().collect(),
            options: Options::default(),
        }
    }

    /// Sends a run a signal, in the caller's transaction: `cx.wait_for(name, …)` takes it, now or when the run comes there.
    /// A second signal of this name under the same `sender_key` is the same signal. False: the run is over, or the signal
    /// was there already. As [`Self::cancel`], it is best a transaction's last statement.
    #[expect(
        clippy::too_many_arguments,
        reason = "five different things, none of which has a default"
    )]
    pub async fn signal(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        name: &str,
        payload: &impl Serialize,
        sender_key: Option<&str>,
    ) -> Result<bool, Error> {
        let payload = serde_json::to_string(payload)?;
        // The step that takes it records it with a few bytes around it.
        let limit = VALUE_BYTES - 64;
        if payload.len() > limit {
            let (what, bytes) = ("a signal's payload", payload.len());
            return Err(Error::TooLarge { what, bytes, limit });
        }
        let sent = sqlx::query_file!(
            "sql/signal.sql",
            run_id,
            name,
            payload,
            sender_key,
            self.clock.sql_now()
        )
        .fetch_optional(&mut *conn)
        .await?;
        match sent {
            None => known(conn, run_id).await.map(|()| false),
            Some(sent) => {
                if sent.woken {
                    self.transport.enqueue(conn, run_id).await?;
                }
                Ok(sent.is_new)
            }
        }
    }

    /// What an operator may do; `actor` is on record with each action, beside whatever the caller writes down in the
    /// same transaction.
    pub fn operator(&self, actor: impl Into<String>) -> Operator<'_> {
        Operator { client: self, actor: actor.into() }
    }

    /// Deletes up to `limit` runs whose retention is over ([`Workflow::RETENTION`], counted from their end), with their
    /// steps, attempts, signals and actions; how many. 0: nothing is left to delete.
    pub async fn purge(&self, limit: i64) -> Result<u64, Error> {
        let purged = sqlx::query_scalar!(
            r#"select engine.purge($1, $2) as "purged!""#,
            limit,
            self.clock.sql_now()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(purged.unsigned_abs())
    }

    /// Asks that a run be cancelled. It ends before its next step; a step in flight is told through
    /// its token. A run whose last step is in flight still succeeds. False: the run is over, or somebody asked before.
    ///
    /// Make it the last statement of a transaction: the run's row is the last that a worker locks too.
    pub async fn cancel(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let now = self.clock.sql_now();
        let asked = sqlx::query!(
            r#"
            update engine.runs
               set cancel_requested_at = coalesce($2, now()),
                   pause_requested_at = null,
                   wake_at = case when state in ('waiting', 'paused') then coalesce($2, now())
                                  else wake_at
                             end,
                   waiting_for = null,
                   state = case when state in ('waiting', 'paused') then 'queued' else state end
             where id = $1
               and state in ('queued', 'waiting', 'paused', 'running')
               and cancel_requested_at is null
            "#,
            run_id,
            now,
        )
        .execute(&mut *conn)
        .await?
        .rows_affected()
            == 1;
        if asked {
            self.transport.enqueue(conn, run_id).await?;
            return Ok(true);
        }
        known(conn, run_id).await.map(|()| false)
    }

    /// Sets a run aside until it is resumed: at once when it waits, otherwise before its next step. False: the
    /// run is over, or somebody asked to cancel it, or to pause it before. As [`Self::cancel`], it is best a transaction's
    /// last statement.
    pub async fn pause(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let asked = sqlx::query!(
            r#"
            update engine.runs
               set pause_requested_at = coalesce($2, now()),
                   awaited_name = case when waiting_for = 'signal' then awaited_name end,
                   waiting_for = null,
                   state = case when state = 'running' then state else 'paused' end
             where id = $1
               and state in ('queued', 'waiting', 'paused', 'running')
               and cancel_requested_at is null
               and pause_requested_at is null
            "#,
            run_id,
            self.clock.sql_now(),
        )
        .execute(&mut *conn)
        .await?
        .rows_affected()
            == 1;
        if asked { Ok(true) } else { known(conn, run_id).await.map(|()| false) }
    }

    /// Lets a paused run go on where it was. False: it is not paused. As [`Self::cancel`], it is best a transaction's
    /// last statement.
    pub async fn resume(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let resumed = sqlx::query!(
            r#"
            update engine.runs
               set pause_requested_at = null,
                   -- One that waited for a signal looks whether it has come, and waits on.
                   waiting_for = case when state = 'paused' and awaited_name is null
                                           and wake_at > coalesce($2::timestamptz, now()) then 'time'
                                      when state = 'waiting' then waiting_for
                                 end,
                   wake_at = case when state <> 'paused' then wake_at
                                  when awaited_name is not null then coalesce($2, now())
                                  else coalesce(wake_at, $2, now())
                             end,
                   state = case when state <> 'paused' then state
                                when awaited_name is null and wake_at > coalesce($2, now()) then 'waiting'
                                else 'queued'
                           end
             where id = $1
               and pause_requested_at is not null
               and ended_at is null
            "#,
            run_id,
            self.clock.sql_now(),
        )
        .execute(&mut *conn)
        .await?
        .rows_affected()
            == 1;
        if resumed {
            self.transport.enqueue(conn, run_id).await?;
            return Ok(true);
        }
        known(conn, run_id).await.map(|()| false)
    }
}

/// Whether there is such a run.
pub(crate) async fn known(conn: &mut PgConnection, run_id: Uuid) -> Result<(), Error> {
    let known = sqlx::query_scalar!("select id from engine.runs where id = $1", run_id)
        .fetch_optional(conn)
        .await?;
    known.map(drop).ok_or(Error::UnknownRun(run_id))
}
