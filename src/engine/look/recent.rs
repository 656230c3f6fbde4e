//! What has happened lately: ends of runs by the minute, failures by their error, runs of ticks.
//!
//! Invariant: each look reads a given number of the newest rows through an index, however many there are, and says how far
//! it came.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::{
    Client, Error, FailureGroup, MinuteView, Recent, RunView, ScheduleView, Time, schedule,
};

impl Client {
    /// The runs that ended at or after `since`, by workflow and minute, among the newest `most` runs that were created then.
    pub async fn recent(&self, since: Time, most: usize) -> Result<Recent, Error> {
        let rows = sqlx::query!(
            r#"
            select workflow as "workflow!", date_trunc('minute', ended_at) as minute,
                   count(*) as "runs!", count(*) filter (where state = 'failed') as "failed!",
                   min(created_at) as "oldest!"
              from (
                    select workflow, state, created_at, ended_at
                      from engine.runs
                     where id >= engine.first_id_at($1)
                     order by id desc
                     limit $2
                   ) as run
             group by workflow, minute
             order by workflow, minute
            "#,
            since,
            i64::try_from(most).unwrap_or(i64::MAX),
        )
        .fetch_all(&mut *self.plain().await?)
        .await?;
        let read: u64 = rows.iter().map(|row| row.runs.unsigned_abs()).sum();
        let oldest = rows.iter().map(|row| row.oldest).min().filter(|_| read >= most as u64);
        let minutes = rows.into_iter().filter_map(|row| {
            Some(MinuteView {
                workflow: row.workflow,
                minute: row.minute?,
                ended: row.runs.unsigned_abs(),
                failed: row.failed.unsigned_abs(),
            })
        });
        Ok(Recent { since: oldest.unwrap_or(since), minutes: minutes.collect() })
    }

    /// The newest `most` failed runs by workflow and error, the largest group first; at most 100 groups.
    pub async fn failures(&self, most: usize) -> Result<Vec<FailureGroup>, Error> {
        let rows = sqlx::query!(
            r#"
            select workflow as "workflow!", error as "error!", count(*) as "runs!",
                   min(ended_at) as "first_at!", max(ended_at) as "last_at!",
                   (array_agg(id order by id desc))[1] as "newest!"
              from (
                    select id, workflow, error::text as error, ended_at
                      from engine.runs
                     where state = 'failed'
                     order by id desc
                     limit $1
                   ) as run
             group by workflow, error
             order by 3 desc, 5 desc
             limit 100
            "#,
            i64::try_from(most).unwrap_or(i64::MAX),
        )
        .fetch_all(&mut *self.plain().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(FailureGroup {
                    workflow: row.workflow,
                    error: serde_json::from_str(&row.error)?,
                    runs: row.runs.unsigned_abs(),
                    first_at: row.first_at,
                    last_at: row.last_at,
                    newest: row.newest,
                })
            })
            .collect()
    }

    /// The error of a failed run as it is stored: what a [`crate::RunFilter`] finds its like by.
    pub async fn error_text(&self, run_id: Uuid) -> Result<Option<String>, Error> {
        let text = sqlx::query_scalar!("select error::text from engine.runs where id = $1", run_id);
        Ok(text.fetch_optional(&self.pool).await?.flatten())
    }

    /// The run that a tick of a schedule has started, if it did and the run is still kept.
    pub async fn run_of_tick(&self, schedule: &str, tick: Time) -> Result<Option<RunView>, Error> {
        self.find(schedule::run_id(schedule, tick)).await
    }

    /// The ticks of a schedule after `from` up to and with `to`, at most `limit`.
    pub fn ticks(
        schedule: &ScheduleView,
        span: (Time, Time),
        limit: usize,
    ) -> Result<Vec<Time>, Error> {
        schedule::ticks_between((&schedule.cron, &schedule.zone), span, limit)
            .map_err(|reason| Error::Schedule { name: schedule.name.clone(), reason })
    }

    /// A transaction whose statements are not compiled to machine code first: by their estimates these look long, and the
    /// compiling would take many times as long as they do.
    async fn plain(&self) -> Result<Transaction<'static, Postgres>, Error> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("set local jit = off").execute(&mut *tx).await?;
        Ok(tx)
    }

    /// How many ended runs are kept beyond their retention, waiting for [`Self::purge`]; counted up to `most` of each workflow.
    pub async fn purgeable(&self, most: usize) -> Result<u64, Error> {
        let count = sqlx::query_scalar!(
            r#"
            select coalesce(sum(old.runs), 0)::bigint as "runs!"
              from engine.workflows as workflow
             cross join lateral (
                    select count(*) as runs
                      from (
                            select from engine.runs as run
                             where run.workflow = workflow.name
                               and run.id < engine.first_id_at(now() - workflow.retention)
                               and run.ended_at < now() - workflow.retention
                             order by run.id
                             limit $1
                           ) as due
                   ) as old
            "#,
            i64::try_from(most).unwrap_or(i64::MAX),
        )
        .fetch_one(&mut *self.plain().await?)
        .await?;
        Ok(count.unsigned_abs())
    }
}
