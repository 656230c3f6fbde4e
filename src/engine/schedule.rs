//! Schedules: cron expressions in a time zone that start runs.
//!
//! Invariants: a tick starts exactly one run, however many replicas see it: the schedule's row is
//! locked while it fires, and the run's id is made from the schedule and the tick. Ticks that nobody
//! was there for are handled by the [`Misfire`] policy and counted. Not here: when to look (`dispatch`).

use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Direction};
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::queue::Transport;
use crate::registry::version;
use crate::start::{NewRun, insert};
use crate::{Clock, Error, Time, Workflow};

/// The namespace of the ids of scheduled runs.
const TICKS: Uuid = Uuid::from_u128(0x6f1c_2d5e_93a8_4b07_8e64_1f0b_7c3a_52d9);
/// Missed ticks are counted up to this number per firing.
const COUNTED: usize = 1000;

/// What happens to ticks that passed while no worker was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misfire {
    /// One run for the latest of them; the others are counted as missed.
    #[default]
    Once,
    /// None of them; all are counted as missed. A tick counts as passed after a minute.
    Skip,
}

/// How late a tick may be and still start a run under [`Misfire::Skip`].
const SKIP_AFTER: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

/// Makes the stored input of a tick's run.
type Input = Box<dyn Fn(Time) -> Result<Box<RawValue>, Error> + Send + Sync>;

/// A cron expression that starts runs of a workflow.
pub struct Schedule<P> {
    pub(crate) name: &'static str,
    pub(crate) workflow: &'static str,
    pub(crate) version: i32,
    cron: String,
    zone: String,
    times: Result<(Cron, Tz), String>,
    misfire: Misfire,
    input: Input,
    ports: std::marker::PhantomData<fn(P)>,
}

impl<P> Schedule<P> {
    /// A schedule under a name that is never changed. `cron` has 5 fields, or 6 with seconds first;
    /// it is read in `zone`, an IANA name such as `Europe/Berlin`. `input` makes the input of the run
    /// that a tick starts. Mistakes are reported by [`crate::Builder::build`].
    ///
    /// Where clocks go forward, a tick in the missing hour comes right after it; where they go back, a
    /// tick at a fixed hour comes once.
    pub fn new<W: Workflow<Ports = P>>(
        name: &'static str,
        cron: &str,
        zone: &str,
        input: impl Fn(Time) -> W + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            workflow: W::NAME,
            version: version(W::VERSION),
            cron: cron.to_owned(),
            zone: zone.to_owned(),
            times: parse(cron, zone),
            misfire: Misfire::default(),
            input: Box::new(move |tick| Ok(serde_json::value::to_raw_value(&input(tick))?)),
            ports: std::marker::PhantomData,
        }
    }

    /// Sets what happens to ticks that passed while no worker was there.
    #[must_use]
    pub fn misfire(mut self, misfire: Misfire) -> Self {
        self.misfire = misfire;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.times().map(drop)
    }

    fn times(&self) -> Result<&(Cron, Tz), Error> {
        self.times.as_ref().map_err(|reason| Error::Schedule {
            name: self.name.to_owned(),
            reason: reason.clone(),
        })
    }

    /// The first tick after `time`; `None` when there is none.
    fn next_after(&self, time: Time) -> Result<Option<Time>, Error> {
        let (cron, zone) = self.times()?;
        let next = cron.find_next_occurrence(&time.with_timezone(zone), false);
        Ok(next.ok().map(|tick| tick.to_utc()))
    }

    /// The ticks from `first` to `now`: the latest, and how many lie before it.
    fn passed(&self, first: Time, now: Time) -> Result<(Time, usize), Error> {
        let (cron, zone) = self.times()?;
        let latest = cron
            .find_previous_occurrence(&now.with_timezone(zone), true)
            .map_or(first, |tick| tick.to_utc().max(first));
        let earlier = cron
            .iter_from(first.with_timezone(zone), Direction::Forward)
            .take(COUNTED)
            .take_while(|tick| tick.to_utc() < latest)
            .count();
        Ok((latest, earlier))
    }

    fn run_id(&self, tick: Time) -> Uuid {
        Uuid::new_v5(&TICKS, format!("{}\n{}", self.name, tick.to_rfc3339()).as_bytes())
    }
}

fn parse(cron: &str, zone: &str) -> Result<(Cron, Tz), String> {
    let zone = zone.parse().map_err(|_| format!("{zone:?} is no IANA time zone"))?;
    let cron = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(cron)
        .map_err(|error| format!("{cron:?} is no cron expression: {error}"))?;
    Ok((cron, zone))
}

/// Stores a schedule; one that is there already keeps its next tick unless its times have changed.
pub(crate) async fn declare<P>(
    pool: &PgPool,
    clock: &Clock,
    schedule: &Schedule<P>,
) -> Result<(), Error> {
    // The clock that it fires by.
    let now = sqlx::query_scalar!(
        r#"select coalesce($1::timestamptz, now()) as "now!""#,
        clock.sql_now()
    )
    .fetch_one(pool)
    .await?;
    sqlx::query!(
        r#"
        insert into engine.schedules as known (name, workflow, cron, zone, next_at, created_at)
        values ($1, $2, $3, $4, $5, $6)
            on conflict (name) do update
           set workflow = excluded.workflow,
               cron = excluded.cron,
               zone = excluded.zone,
               next_at = case
                   when (known.cron, known.zone) = (excluded.cron, excluded.zone) then known.next_at
                   else excluded.next_at
               end
         where (known.workflow, known.cron, known.zone)
            <> (excluded.workflow, excluded.cron, excluded.zone)
        "#,
        schedule.name,
        schedule.workflow,
        schedule.cron,
        schedule.zone,
        schedule.next_after(now)?,
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What came of looking at a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    /// Its tick has been dealt with.
    Done,
    /// It is not due, or another replica is at it.
    Nothing,
    /// It is due by other times than this replica knows it with, and has been for a short time only.
    Foreign,
}

/// How long a due schedule may be left to replicas that know it with other times; then this one declares it anew.
const FOREIGN: chrono::TimeDelta = chrono::TimeDelta::minutes(2);

/// Starts the run of the schedule's tick, if one is due and no other replica is at it.
///
/// While two versions of a program run side by side, the times of the one that declared last count. Should none of
/// that one be left, the tick stays, and whoever is left takes the schedule over.
pub(crate) async fn fire<P>(
    pool: &PgPool,
    transport: &dyn Transport,
    clock: &Clock,
    schedule: &Schedule<P>,
) -> Result<Fired, Error> {
    let mut tx = pool.begin().await?;
    let due = sqlx::query!(
        r#"
        select next_at as "next_at!",
               coalesce($2::timestamptz, now()) as "now!",
               (cron, zone) = ($3, $4) as "is_ours!"
          from engine.schedules
         where name = $1
           and next_at <= coalesce($2, now())
           for update skip locked
        "#,
        schedule.name,
        clock.sql_now(),
        schedule.cron,
        schedule.zone,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(due) = due else { return Ok(Fired::Nothing) };
    if !due.is_ours {
        tx.rollback().await?;
        if due.now - due.next_at < FOREIGN {
            return Ok(Fired::Foreign);
        }
        declare(pool, clock, schedule).await?;
        return Ok(Fired::Done);
    }
    let (tick, earlier) = schedule.passed(due.next_at, due.now)?;
    let skipped = schedule.misfire == Misfire::Skip && due.now - tick > SKIP_AFTER;
    if !skipped {
        start(&mut tx, transport, clock, (schedule, tick)).await?;
    }
    let missed = earlier + usize::from(skipped);
    sqlx::query!(
        r#"
        update engine.schedules
           set next_at = $2,
               last_at = case when $4 then last_at else $3 end,
               missed = missed + $5
         where name = $1
        "#,
        schedule.name,
        schedule.next_after(due.now)?,
        tick,
        skipped,
        i64::try_from(missed).unwrap_or(i64::MAX),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Fired::Done)
}

/// Starts the run of a tick, unless it is there already.
async fn start<P>(
    conn: &mut PgConnection,
    transport: &dyn Transport,
    clock: &Clock,
    (schedule, tick): (&Schedule<P>, Time),
) -> Result<(), Error> {
    let run = NewRun {
        id: schedule.run_id(tick),
        workflow: schedule.workflow,
        version: schedule.version,
        input: (schedule.input)(tick)?,
        run_at: None,
        priority: 0,
        key: None,
        idempotency_key: None,
        trace: Some(format!("schedule {} {}", schedule.name, tick.to_rfc3339())),
    };
    if insert(&mut *conn, clock.sql_now(), &run).await? {
        transport.enqueue(conn, run.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
