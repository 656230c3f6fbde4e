//! What operators do: send failed runs back, cancel, pause, resume, signal, and steer schedules.
//!
//! Invariants: each action works in the caller's transaction, so that the caller's own audit entry commits with it; each is
//! idempotent (a second call finds nothing to do and answers so); each that does something leaves a row in `engine.actions`.

use serde_json::{Value, json};
use sqlx::{PgConnection, QueryBuilder};
use uuid::Uuid;

use crate::client::known;
use crate::registry::version;
use crate::{Client, Error, RunFilter, RunState, Time, schedule};

/// Most runs that are sent back in one transaction.
const REDRIVEN: usize = 1000;
/// Most ticks of one backfill.
const TICKS: usize = 1000;

/// Where a failed run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryFrom {
    /// At the step that failed; what it has on record before that stays. A run that failed between two steps goes on
    /// with all of its record, which is right for code that has been mended (`nondeterministic`, a panic).
    Failed,
    /// At the step at this place (`StepView::seq`, from 1): it and all later ones are taken back.
    Step(u32),
    /// At the beginning: every step is taken back.
    Start,
}

/// What a redrive came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// The runs that were sent back.
    pub run_ids: Vec<Uuid>,
    /// More fit the filter: call again.
    pub more: bool,
}

/// Acts in somebody's name. See [`Client::operator`].
#[derive(Clone)]
pub struct Operator<'c> {
    pub(crate) client: &'c Client,
    pub(crate) actor: String,
}

impl Operator<'_> {
    /// Lets a failed run go on, under `version` of its workflow if that is given. False: it has not failed.
    pub async fn retry(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        from: &RetryFrom,
        new_version: Option<u32>,
    ) -> Result<bool, Error> {
        let seq = place(conn, run_id, from).await?;
        if *from == RetryFrom::Failed {
            self.rewind_children(conn, run_id, seq).await?;
        }
        let new_version = new_version.map(version);
        if !self.rewind(conn, run_id, seq, new_version).await? {
            return known(conn, run_id).await.map(|()| false);
        }
        let detail = json!({"from": describe(from), "from_seq": seq, "version": new_version});
        self.note(conn, true, Deed::run("retry", run_id, detail)).await?;
        self.client.transport.enqueue(conn, run_id).await?;
        Ok(true)
    }

    /// [`Client::cancel`], on record.
    pub async fn cancel(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let done = self.client.cancel(conn, run_id).await?;
        self.note(conn, done, Deed::run("cancel", run_id, json!({}))).await
    }

    /// [`Client::pause`], on record.
    pub async fn pause(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let done = self.client.pause(conn, run_id).await?;
        self.note(conn, done, Deed::run("pause", run_id, json!({}))).await
    }

    /// [`Client::resume`], on record.
    pub async fn resume(&self, conn: &mut PgConnection, run_id: Uuid) -> Result<bool, Error> {
        let done = self.client.resume(conn, run_id).await?;
        self.note(conn, done, Deed::run("resume", run_id, json!({}))).await
    }

    /// [`Client::signal`], on record.
    pub async fn signal(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        (name, payload): (&str, &Value),
        sender_key: Option<&str>,
    ) -> Result<bool, Error> {
        let done = self.client.signal(conn, run_id, name, payload, sender_key).await?;
        self.note(conn, done, Deed::run("signal", run_id, json!({"name": name}))).await
    }

    /// How many failed runs fit `filter` (counted up to 10,000), and the ids of the oldest ten of them.
    pub async fn matching(
        &self,
        conn: &mut PgConnection,
        filter: &RunFilter,
    ) -> Result<(u64, Vec<Uuid>), Error> {
        let ids = failed(conn, filter, 10_000).await?;
        let count = ids.len() as u64;
        Ok((count, ids.into_iter().take(10).collect()))
    }

    /// Sends the failed runs that fit `filter` back to the step that failed, the oldest first, at most `limit` (and
    /// 1,000) in this transaction.
    pub async fn redrive(
        &self,
        conn: &mut PgConnection,
        filter: &RunFilter,
        limit: usize,
    ) -> Result<Redriven, Error> {
        let limit = limit.min(REDRIVEN);
        let mut candidates = failed(conn, filter, limit + 1).await?;
        let more = candidates.len() > limit;
        candidates.truncate(limit);
        let mut run_ids = Vec::with_capacity(candidates.len());
        for run_id in candidates {
            let seq = place(conn, run_id, &RetryFrom::Failed).await?;
            self.rewind_children(conn, run_id, seq).await?;
            if self.rewind(conn, run_id, seq, None).await? {
                let detail = json!({"from": "failed", "from_seq": seq});
                self.note(conn, true, Deed::run("redrive", run_id, detail)).await?;
                run_ids.push(run_id);
            }
        }
        if let Some(first) = run_ids.first() {
            self.client.transport.enqueue(conn, *first).await?;
        }
        Ok(Redriven { run_ids, more })
    }

    /// Stops a schedule from firing. Its ticks are counted as missed. False: it is paused already.
    pub async fn pause_schedule(&self, conn: &mut PgConnection, name: &str) -> Result<bool, Error> {
        let done = sqlx::query!(
            "update engine.schedules set paused_at = coalesce($2, now()) where name = $1 and paused_at is null",
            name,
            self.client.clock.sql_now(),
        )
        .execute(&mut *conn)
        .await?
        .rows_affected();
        self.note(conn, done == 1, Deed::schedule("schedule.pause", name, json!({}))).await
    }

    /// Lets a paused schedule fire again, from its next tick on. False: it is not paused.
    pub async fn resume_schedule(
        &self,
        conn: &mut PgConnection,
        name: &str,
    ) -> Result<bool, Error> {
        let known = self.times(conn, name).await?;
        let passed = match known.next_at {
            Some(next_at) => {
                let before = next_at - chrono::TimeDelta::microseconds(1);
                ticks(name, &known, (before, known.now), TICKS)?.len()
            }
            None => 0,
        };
        let far = known.now + chrono::TimeDelta::days(366 * 5);
        let next = ticks(name, &known, (known.now, far), 1)?.first().copied();
        let done = sqlx::query!(
            r#"
            update engine.schedules
               set paused_at = null,
                   next_at = case when next_at <= coalesce($4, now()) then $2 else next_at end,
                   missed = missed + $3
             where name = $1
               and paused_at is not null
            "#,
            name,
            next,
            i64::try_from(passed).unwrap_or(i64::MAX),
            self.client.clock.sql_now(),
        )
        .execute(&mut *conn)
        .await?
        .rows_affected();
        self.note(conn, done == 1, Deed::schedule("schedule.resume", name, json!({}))).await
    }

    /// Asks for a run of a schedule at once, beside its ticks; a worker starts it. Answers the tick it will carry.
    pub async fn run_schedule_now(
        &self,
        conn: &mut PgConnection,
        name: &str,
    ) -> Result<Time, Error> {
        let now = self.times(conn, name).await?.now;
        self.ask(conn, name, &[now]).await?;
        let detail = json!({"tick": now});
        self.note(conn, true, Deed::schedule("schedule.run_now", name, detail)).await?;
        Ok(now)
    }

    /// Asks for the runs of all ticks after `from` up to and with `to`: at most 1,000, none in the future. Ticks that
    /// have started a run already start no second one, as long as that run is kept. Answers the ticks.
    pub async fn backfill_schedule(
        &self,
        conn: &mut PgConnection,
        name: &str,
        (from, to): (Time, Time),
    ) -> Result<Vec<Time>, Error> {
        let known = self.times(conn, name).await?;
        let to = to.min(known.now);
        let ticks = ticks(name, &known, (from, to), TICKS + 1)?;
        if ticks.len() > TICKS {
            return Err(Error::Schedule {
                name: name.to_owned(),
                reason: format!(
                    "there are more than {TICKS} ticks in that time: take shorter spans"
                ),
            });
        }
        self.ask(conn, name, &ticks).await?;
        let detail = json!({"from": from, "to": to, "ticks": ticks.len()});
        let asked = !ticks.is_empty();
        self.note(conn, asked, Deed::schedule("schedule.backfill", name, detail)).await?;
        Ok(ticks)
    }

    async fn ask(&self, conn: &mut PgConnection, name: &str, ticks: &[Time]) -> Result<(), Error> {
        sqlx::query!(
            r#"
            insert into engine.asked_ticks (schedule, tick, asked_at)
            select $1, tick, coalesce($3, now())
              from unnest($2::timestamptz[]) as tick
                on conflict do nothing
            "#,
            name,
            ticks,
            self.client.clock.sql_now(),
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn times(&self, conn: &mut PgConnection, name: &str) -> Result<Times, Error> {
        sqlx::query_as!(
            Times,
            r#"
            select cron, zone, next_at, coalesce($2::timestamptz, now()) as "now!"
              from engine.schedules
             where name = $1
               for no key update
            "#,
            name,
            self.client.clock.sql_now(),
        )
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| Error::UnknownSchedule(name.to_owned()))
    }

    /// Sends the failed children back that a join at `seq` waits for: it would fail by them again.
    async fn rewind_children(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        seq: Option<i32>,
    ) -> Result<(), Error> {
        let children = sqlx::query_scalar!(
            r#"
            select child.id
              from engine.runs as child
             where child.parent_id = $1
               and child.state = 'failed'
               and child.parent_seq = (
                    select max(spawn.seq)
                      from engine.steps as spawn
                      join engine.steps as joined
                        on joined.run_id = spawn.run_id
                       and joined.name = spawn.name
                     where joined.run_id = $1
                       and joined.seq = $2
                       and joined.kind = 'join'
                       and spawn.kind = 'spawn'
                       and spawn.seq < joined.seq)
               and exists (select from engine.runs where id = $1 and state = 'failed')
             order by child.id
            "#,
            run_id,
            seq,
        )
        .fetch_all(&mut *conn)
        .await?;
        for child in children {
            let seq = place(conn, child, &RetryFrom::Failed).await?;
            Box::pin(self.rewind_children(conn, child, seq)).await?;
            if self.rewind(conn, child, seq, None).await? {
                let detail = json!({"from": "failed", "from_seq": seq, "with_parent": run_id});
                self.note(conn, true, Deed::run("retry", child, detail)).await?;
            }
        }
        Ok(())
    }

    async fn rewind(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        seq: Option<i32>,
        version: Option<i32>,
    ) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"select engine.rewind($1, $2, $3, $4) as "rewound!""#,
            run_id,
            seq,
            version,
            self.client.clock.sql_now(),
        )
        .fetch_one(conn)
        .await?)
    }

    /// Writes down what was done, if it was; passes that on.
    async fn note(
        &self,
        conn: &mut PgConnection,
        done: bool,
        deed: Deed<'_>,
    ) -> Result<bool, Error> {
        if !done {
            if let Some(name) = deed.schedule {
                self.times(conn, name).await?;
            }
            return Ok(false);
        }
        sqlx::query!(
            r#"
            insert into engine.actions (actor, action, run_id, schedule, detail, acted_at)
            values ($1, $2, $3, $4, $5::text::json, coalesce($6, now()))
            "#,
            self.actor,
            deed.action,
            deed.run_id,
            deed.schedule,
            deed.detail.to_string(),
            self.client.clock.sql_now(),
        )
        .execute(conn)
        .await?;
        Ok(true)
    }
}

/// What was done, and to what.
struct Deed<'a> {
    action: &'static str,
    run_id: Option<Uuid>,
    schedule: Option<&'a str>,
    detail: Value,
}

impl<'a> Deed<'a> {
    fn run(action: &'static str, run_id: Uuid, detail: Value) -> Self {
        Self { action, run_id: Some(run_id), schedule: None, detail }
    }

    fn schedule(action: &'static str, name: &'a str, detail: Value) -> Self {
        Self { action, run_id: None, schedule: Some(name), detail }
    }
}

/// When a schedule fires, and what time it is for it.
struct Times {
    cron: String,
    zone: String,
    next_at: Option<Time>,
    now: Time,
}

fn ticks(name: &str, times: &Times, span: (Time, Time), limit: usize) -> Result<Vec<Time>, Error> {
    schedule::ticks_between((&times.cron, &times.zone), span, limit)
        .map_err(|reason| Error::Schedule { name: name.to_owned(), reason })
}

/// The place from which steps are to be taken back; `None`: none is.
async fn place(
    conn: &mut PgConnection,
    run_id: Uuid,
    from: &RetryFrom,
) -> Result<Option<i32>, Error> {
    match from {
        RetryFrom::Start => Ok(Some(1)),
        RetryFrom::Failed => Ok(sqlx::query_scalar!(
            r#"
            select max(step.seq)
              from engine.steps as step
              join engine.runs as run on run.id = step.run_id
             where step.run_id = $1
               and (step.state = 'failed' or step.kind = 'join')
               and step.name = run.error ->> 'step'
            "#,
            run_id
        )
        .fetch_one(conn)
        .await?),
        RetryFrom::Step(seq) => {
            let seq_in_table = i32::try_from(*seq).unwrap_or(i32::MAX);
            let known = sqlx::query_scalar!(
                "select seq from engine.steps where run_id = $1 and seq = $2",
                run_id,
                seq_in_table,
            )
            .fetch_optional(&mut *conn)
            .await?;
            if known.is_some() {
                return Ok(known);
            }
            crate::client::known(conn, run_id).await?;
            Err(Error::UnknownStep { run_id, step: format!("at place {seq}") })
        }
    }
}

fn describe(from: &RetryFrom) -> Value {
    match from {
        RetryFrom::Failed => json!("failed"),
        RetryFrom::Start => json!("start"),
        RetryFrom::Step(seq) => json!({"step": seq}),
    }
}

/// The failed runs that fit `filter`, the oldest first.
async fn failed(
    conn: &mut PgConnection,
    filter: &RunFilter,
    limit: usize,
) -> Result<Vec<Uuid>, Error> {
    let filter = RunFilter { states: vec![RunState::Failed], ..filter.clone() };
    let mut query = QueryBuilder::new("select id from engine.runs where true");
    filter.narrow(&mut query);
    query.push(" order by id limit ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(query.build_query_scalar().persistent(false).fetch_all(conn).await?)
}
