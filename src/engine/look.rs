//! Looking at runs, queues, workers and schedules.
//!
//! Invariants: every list is bounded and goes on after the last id it gave; nothing here counts or reads through a
//! history of finished runs. Reads go through the client's pool.

mod recent;
mod row;

use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use row::{AttemptRow, RunRow, StepRow};

use crate::{
    ActionView, AttemptView, Client, Count, Error, FailureRecord, KeyView, QueueView, RunState,
    RunView, ScheduleView, SignalView, StepView, Time, WorkerView, Workflow,
};

/// Most rows of one list.
const MOST: usize = 1000;

const RUN: &str = "select input, output,";
/// Without what may be large.
const LISTED: &str = "select 'null'::json as input, null::json as output,";
const REST: &str = "
           id, workflow, version, state, progress_step, progress_done, progress_total, epoch, error,
           cancel_requested_at, pause_requested_at, waiting_for, awaited_name, awaited_seq, parent_id, generation,
           priority, owner, lease_until, key, trace, wake_at, created_at, started_at, ended_at
      from engine.runs
     where true";

/// Which runs: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this workflow.
    pub workflow: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<RunState>,
    /// With this key.
    pub key: Option<String>,
    /// Children of this run.
    pub parent_id: Option<Uuid>,
    /// Created at or after this moment.
    pub created_from: Option<Time>,
    /// Created before this moment.
    pub created_before: Option<Time>,
    /// Failed with an error whose text (message, causes, code, step) holds this, in whatever case.
    pub error_contains: Option<String>,
}

impl RunFilter {
    /// Adds the conditions. States are written out, so that the partial indexes fit.
    pub(crate) fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        if let Some(workflow) = &self.workflow {
            query.push(" and workflow = ").push_bind(workflow.clone());
        }
        if let Some(key) = &self.key {
            query.push(" and key <> '' and key = ").push_bind(key.clone());
        }
        if let Some(parent) = self.parent_id {
            query.push(" and parent_id = ").push_bind(parent);
        }
        if let Some(from) = self.created_from {
            query.push(" and id >= engine.first_id_at(").push_bind(from);
            query.push(") and created_at >= ").push_bind(from);
        }
        if let Some(before) = self.created_before {
            query.push(" and id < engine.first_id_at(").push_bind(before);
            query.push(" + interval '1 ms') and created_at < ").push_bind(before);
        }
        if let Some(text) = &self.error_contains {
            let text = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
            query
                .push(" and state = 'failed' and error::text ilike ")
                .push_bind(format!("%{text}%"));
        }
        self.narrow_states(query);
    }

    fn narrow_states(&self, query: &mut QueryBuilder<Postgres>) {
        let name = |state: &RunState| format!("'{state}'");
        match self.states.as_slice() {
            [] => {}
            [one] => drop(query.push(" and state = ").push(name(one))),
            several => {
                // Not `in`: each alternative has an index of its own.
                let names: Vec<_> =
                    several.iter().map(|state| format!("state = {}", name(state))).collect();
                query.push(" and (").push(names.join(" or ")).push(")");
            }
        }
    }
}

impl Client {
    /// The run, if there is one.
    pub async fn find(&self, run_id: Uuid) -> Result<Option<RunView>, Error> {
        let mut conn = self.pool.acquire().await?;
        self.find_on(&mut conn, run_id).await
    }

    /// The run, if there is one, as the transaction of `conn` sees it: with what was done there and is not committed yet.
    pub async fn find_on(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
    ) -> Result<Option<RunView>, Error> {
        let mut query = QueryBuilder::new(RUN);
        query.push(REST).push(" and id = ").push_bind(run_id);
        let row: Option<RunRow> = query.build_query_as().fetch_optional(conn).await?;
        row.map(RunView::try_from).transpose()
    }

    /// Runs that fit `filter`, the newest first, at most `limit` (and 1,000), without inputs and outputs; `after` is the
    /// last one of the page before.
    pub async fn list(
        &self,
        filter: &RunFilter,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<RunView>, Error> {
        let mut query = QueryBuilder::new(LISTED);
        query.push(REST);
        filter.narrow(&mut query);
        if let Some(after) = after {
            query.push(" and id < ").push_bind(after);
        }
        query.push(" order by id desc limit ");
        query.push_bind(i64::try_from(limit.min(MOST)).unwrap_or(0));
        // Not kept as a prepared statement: a plan for any values would not use the index for these.
        let rows: Vec<RunRow> =
            query.build_query_as().persistent(false).fetch_all(&self.pool).await?;
        rows.into_iter().map(RunView::try_from).collect()
    }

    /// The output of a run that has succeeded, as its own type; `None` for any other run.
    pub async fn output<W: Workflow>(&self, run_id: Uuid) -> Result<Option<W::Output>, Error> {
        let output = sqlx::query_scalar!(
            r#"
            select output as "output: Json<Box<RawValue>>"
              from engine.runs
             where id = $1
               and workflow = $2
            "#,
            run_id,
            W::NAME,
        )
        .fetch_optional(&self.pool)
        .await?
        .flatten();
        Ok(output.map(|output| serde_json::from_str(output.0.get())).transpose()?)
    }

    /// The run's steps, in the order in which they first left a mark.
    pub async fn steps(&self, run_id: Uuid) -> Result<Vec<StepView>, Error> {
        let rows = sqlx::query_as!(
            StepRow,
            r#"
            select name, occurrence, seq, kind, state, attempts,
                   output as "output: Json<serde_json::Value>",
                   error as "error: Json<FailureRecord>",
                   wake_at, started_at, ended_at, null::integer as generation
              from engine.steps
             where run_id = $1
             order by seq
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(StepView::from).collect())
    }

    /// Steps that retries have taken back, the oldest generation first.
    pub async fn past_steps(&self, run_id: Uuid) -> Result<Vec<StepView>, Error> {
        let rows = sqlx::query_as!(
            StepRow,
            r#"
            select name, occurrence, seq, kind, state, attempts,
                   output as "output: Json<serde_json::Value>",
                   error as "error: Json<FailureRecord>",
                   wake_at, started_at, ended_at, generation as "generation?"
              from engine.past_steps
             where run_id = $1
             order by generation, seq
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(StepView::from).collect())
    }

    /// Every attempt of every step, in order; the successful ones of steps that were not taken back included.
    pub async fn attempts(&self, run_id: Uuid) -> Result<Vec<AttemptView>, Error> {
        let rows = sqlx::query_as!(
            AttemptRow,
            r#"
            select attempt.name as "name!", attempt.occurrence as "occurrence!",
                   attempt.attempt as "attempt!", attempt.generation as "generation!", attempt.epoch as "epoch!",
                   attempt.error as "error: Json<FailureRecord>",
                   attempt.started_at as "started_at!", attempt.ended_at as "ended_at!"
              from (
                    select seq, name, occurrence, attempt, generation, epoch, error, started_at, ended_at
                      from engine.attempts
                     where run_id = $1
                     union all
                    select step.seq, step.name, step.occurrence, step.attempts, run.generation, step.epoch, null,
                           step.started_at, step.ended_at
                      from engine.steps as step
                      join engine.runs as run on run.id = step.run_id
                     where step.run_id = $1
                       and step.state = 'done'
                   ) as attempt
             order by attempt.generation, attempt.seq, attempt.attempt
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(AttemptView::from).collect())
    }

    /// The signals that the run was sent, in order; at most 1,000.
    pub async fn signals(&self, run_id: Uuid) -> Result<Vec<SignalView>, Error> {
        let rows = sqlx::query!(
            r#"
            select name, payload as "payload: Json<serde_json::Value>", sender_key, sent_at, taken_seq
              from engine.signals
             where run_id = $1
             order by id
             limit 1000
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| SignalView {
                name: row.name,
                payload: row.payload.0,
                sender_key: row.sender_key,
                sent_at: row.sent_at,
                taken_seq: row.taken_seq.map(i32::unsigned_abs),
            })
            .collect())
    }

    /// What operators did to the run, in order; at most 1,000.
    pub async fn actions(&self, run_id: Uuid) -> Result<Vec<ActionView>, Error> {
        Ok(sqlx::query_as!(
            ActionView,
            r#"
            select actor, action, run_id, schedule, detail as "detail: serde_json::Value", acted_at
              from engine.actions
             where run_id = $1
             order by id
             limit 1000
            "#,
            run_id
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many runs are in each state: of those that have not ended all, of the others those that were created at or
    /// after `since`.
    pub async fn counts(&self, since: Time) -> Result<Vec<Count>, Error> {
        let rows = sqlx::query!(
            r#"
            select workflow as "workflow!", state as "state!", count(*) as "runs!"
              from (
                    select workflow, state from engine.runs where state = 'queued'
                     union all
                    select workflow, state from engine.runs where state = 'running'
                     union all
                    select workflow, state from engine.runs where state = 'waiting'
                     union all
                    select workflow, state from engine.runs where state = 'paused'
                     union all
                    select workflow, state
                      from engine.runs
                     where id >= engine.first_id_at($1) and ended_at is not null
                   ) as run
             group by workflow, state
             order by workflow, state
            "#,
            since
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Count {
                    workflow: row.workflow,
                    state: row.state.parse()?,
                    runs: row.runs.unsigned_abs(),
                })
            })
            .collect()
    }

    /// What is due, per workflow and version; those with a worker or a run only.
    pub async fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let rows = sqlx::query_file!("sql/queues.sql").fetch_all(&self.pool).await?;
        let limit = |limit: Option<i32>| limit.map(i32::unsigned_abs);
        Ok(rows
            .into_iter()
            .map(|row| QueueView {
                workflow: row.workflow,
                version: row.version.unsigned_abs(),
                queued: row.queued.unsigned_abs(),
                oldest_due_at: row.oldest_due_at,
                running: row.running.unsigned_abs(),
                workers: row.workers.unsigned_abs(),
                max_running: limit(row.max_running),
                max_running_per_key: limit(row.max_running_per_key),
            })
            .collect())
    }

    /// The keys with the most runs due; at most `limit` (and 1,000).
    pub async fn queued_keys(&self, limit: usize) -> Result<Vec<KeyView>, Error> {
        let rows = sqlx::query!(
            r#"
            select workflow, key, count(*) as "queued!", min(wake_at) as "oldest_due_at!"
              from engine.runs
             where state = 'queued'
             group by workflow, key
             order by 3 desc, 4
             limit $1
            "#,
            i64::try_from(limit.min(MOST)).unwrap_or(0)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| KeyView {
                workflow: row.workflow,
                key: row.key,
                queued: row.queued.unsigned_abs(),
                oldest_due_at: row.oldest_due_at,
            })
            .collect())
    }

    /// The workers that gave a sign of life within the last hour, the latest first; at most 1,000.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, Error> {
        let rows = sqlx::query!(
            r#"
            select id, program, concurrency, kinds as "kinds: Json<serde_json::Value>",
                   extract(epoch from lease)::double precision as "lease_seconds!", started_at, seen_at,
                   (select count(*) from engine.runs where state = 'running' and owner = worker.id) as "running!"
              from engine.workers as worker
             order by seen_at desc, id
             limit 1000
            "#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| WorkerView {
                id: row.id,
                program: row.program,
                concurrency: row.concurrency.unsigned_abs(),
                kinds: row.kinds.0,
                running: row.running.unsigned_abs(),
                lease_seconds: row.lease_seconds,
                started_at: row.started_at,
                seen_at: row.seen_at,
            })
            .collect())
    }

    /// The schedules, by name.
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>, Error> {
        let rows = sqlx::query!(
            r#"
            select name, workflow, cron, zone, misfire, misfire_max, next_at, last_at, missed, paused_at, error,
                   (select count(*) from engine.asked_ticks where schedule = schedules.name) as "asked!"
              from engine.schedules
             order by name
            "#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ScheduleView {
                name: row.name,
                workflow: row.workflow,
                cron: row.cron,
                zone: row.zone,
                misfire: row.misfire,
                misfire_max: row.misfire_max.unsigned_abs(),
                next_at: row.next_at,
                last_at: row.last_at,
                missed: row.missed.unsigned_abs(),
                paused_at: row.paused_at,
                asked: row.asked.unsigned_abs(),
                error: row.error,
            })
            .collect())
    }
}
