//! Schedules: cron expressions in a time zone that start runs.
//!
//! Invariants: a tick starts exactly one run, however many replicas see it: the schedule's row is
//! locked while it fires, and the run's id is made from the schedule and the tick. Ticks that nobody
//! was there for are handled by the [`Misfire`] policy and counted. Ticks that an operator asked for (`asked_ticks`) are
//! served by workers, because only they can make an input. Not here: when to look (`dispatch`), what operators do
//! (`operate`).

use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Direction};
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::queue::Transport;
use crate::registry::version;
use crate::start::{NewRun, Turn, id_at, insert_many};
use crate::{Clock, Error, Time, Workflow, figures};

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
    /// One run for each of them, the latest of them if there are more than this; the others are counted as missed.
    All(u32),
}

impl Misfire {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Skip => "skip",
            Self::All(_) => "all",
        }
    }

    /// Most runs for passed ticks at once.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Once => 1,
            Self::Skip => 0,
            Self::All(most) => (most as usize).clamp(1, COUNTED),
        }
    }
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
            input: Box::new(move |tick| {
                // The loop that fires schedules is everybody's: a panic here must not end it.
                let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| input(tick)));
                let made = made.map_err(|_| Error::Schedule {
                    name: name.to_owned(),
                    reason: "its input could not be made: the code panicked".to_owned(),
                })?;
                Ok(serde_json::value::to_raw_value(&made)?)
            }),
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

    /// The ticks from `first` to `now`: the latest `most` of them, in order, and how many lie before those.
    fn passed(&self, first: Time, now: Time, most: usize) -> Result<(Vec<Time>, usize), Error> {
        let (cron, zone) = self.times()?;
        let mut latest = Vec::new();
        let mut before = now;
        // From the end, so that the latest are found however many there are.
        while latest.len() < most.max(1) {
            let inclusive = latest.is_empty();
            let found = cron.find_previous_occurrence(&before.with_timezone(zone), inclusive);
            match found.map(|tick| tick.to_utc()) {
                Ok(tick) if tick >= first && (inclusive || tick < before) => {
                    latest.push(tick);
                    before = tick;
                }
                _ => break,
            }
        }
        if latest.is_empty() {
            latest.push(first);
        }
        latest.reverse();
        let earlier = cron
            .iter_from(first.with_timezone(zone), Direction::Forward)
            .take(COUNTED)
            .take_while(|tick| tick.to_utc() < latest[0])
            .count();
        Ok((latest, earlier))
    }

    fn run_id(&self, tick: Time) -> Uuid {
        run_id(self.name, tick)
    }
}

/// The id of the run that a tick starts.
pub(crate) fn run_id(schedule: &str, tick: Time) -> Uuid {
    let name = format!("{schedule}\n{}", tick.to_rfc3339());
    let hash = Uuid::new_v5(&TICKS, name.as_bytes());
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash.as_bytes()[..10]);
    id_at(tick, &tail)
}

/// The ticks of a cron expression after `from` up to and with `to`, at most `limit`.
pub(crate) fn ticks_between(
    (cron, zone): (&str, &str),
    (from, to): (Time, Time),
    limit: usize,
) -> Result<Vec<Time>, String> {
    let (cron, zone) = parse(cron, zone)?;
    Ok(cron
        .iter_from(from.with_timezone(&zone), Direction::Forward)
        .map(|tick| tick.to_utc())
        .filter(|tick| *tick > from)
        .take_while(|tick| *tick <= to)
        .take(limit)
        .collect())
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
        insert into engine.schedules as known
               (name, workflow, cron, zone, misfire, misfire_max, next_at, created_at)
        values ($1, $2, $3, $4, $7, $8, $5, $6)
            on conflict (name) do update
           set workflow = excluded.workflow,
               cron = excluded.cron,
               zone = excluded.zone,
               misfire = excluded.misfire,
               misfire_max = excluded.misfire_max,
               next_at = case
                   when (known.cron, known.zone) = (excluded.cron, excluded.zone) then known.next_at
                   else excluded.next_at
               end
         where (known.workflow, known.cron, known.zone, known.misfire, known.misfire_max)
            <> (excluded.workflow, excluded.cron, excluded.zone, excluded.misfire, excluded.misfire_max)
        "#,
        schedule.name,
        schedule.workflow,
        schedule.cron,
        schedule.zone,
        schedule.next_after(now)?,
        now,
        schedule.misfire.as_str(),
        i32::try_from(schedule.misfire.most()).unwrap_or(i32::MAX),
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
    let asked = serve(pool, transport, clock, schedule).await?;
    let mut tx = pool.begin().await?;
    let due = sqlx::query!(
        r#"
        select next_at as "next_at!",
               coalesce($2::timestamptz, now()) as "now!",
               (cron, zone) = ($3, $4) as "is_ours!"
          from engine.schedules
         where name = $1
           and next_at <= coalesce($2, now())
           and paused_at is null
           for update skip locked
        "#,
        schedule.name,
        clock.sql_now(),
        schedule.cron,
        schedule.zone,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(due) = due else { return Ok(if asked { Fired::Done } else { Fired::Nothing }) };
    if !due.is_ours {
        tx.rollback().await?;
        if due.now - due.next_at < FOREIGN {
            return Ok(Fired::Foreign);
        }
        declare(pool, clock, schedule).await?;
        return Ok(Fired::Done);
    }
    let passed = schedule.passed(due.next_at, due.now, schedule.misfire.most())?;
    tick(&mut tx, transport, (clock, due.now), (schedule, passed)).await?;
    tx.commit().await?;
    Ok(Fired::Done)
}

/// Starts the runs of ticks that have come, and moves the schedule on; `earlier` ticks have passed before them.
async fn tick<P>(
    tx: &mut PgConnection,
    transport: &dyn Transport,
    (clock, now): (&Clock, Time),
    (schedule, (ticks, earlier)): (&Schedule<P>, (Vec<Time>, usize)),
) -> Result<(), Error> {
    let late = |tick: Time| now - tick > SKIP_AFTER;
    let skips = schedule.misfire == Misfire::Skip;
    let (started, skipped): (Vec<_>, Vec<_>) =
        ticks.into_iter().partition(|tick| !(skips && late(*tick)));
    for tick in &started {
        figures::schedule_lag(schedule.name, (now - *tick).to_std().unwrap_or_default());
        start(&mut *tx, transport, clock, (schedule, *tick)).await?;
    }
    let missed = earlier + skipped.len();
    sqlx::query!(
        r#"
        update engine.schedules
           set next_at = $2,
               last_at = coalesce($3, last_at),
               missed = missed + $4,
               error = null
         where name = $1
        "#,
        schedule.name,
        schedule.next_after(now)?,
        started.last().copied(),
        i64::try_from(missed).unwrap_or(i64::MAX),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Starts the runs of ticks that an operator asked for, some at a time. False: there was none.
async fn serve<P>(
    pool: &PgPool,
    transport: &dyn Transport,
    clock: &Clock,
    schedule: &Schedule<P>,
) -> Result<bool, Error> {
    let mut tx = pool.begin().await?;
    let ticks = sqlx::query_scalar!(
        r#"
        delete from engine.asked_ticks
         where (schedule, tick) in (
                select schedule, tick
                  from engine.asked_ticks
                 where schedule = $1
                 order by tick
                 limit 100
                   for update skip locked)
        returning tick
        "#,
        schedule.name
    )
    .fetch_all(&mut *tx)
    .await?;
    for tick in &ticks {
        start(&mut tx, transport, clock, (schedule, *tick)).await?;
    }
    tx.commit().await?;
    Ok(!ticks.is_empty())
}

/// Notes why a schedule could not be fired, where operators look.
pub(crate) async fn ails(pool: &PgPool, name: &str, error: &str) {
    let noted = sqlx::query!("update engine.schedules set error = $2 where name = $1", name, error);
    if let Err(error) = noted.execute(pool).await {
        tracing::warn!(%error, "a schedule's trouble was not noted");
    }
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
        key: String::new(),
        idempotency_key: None,
        trace: Some(format!("schedule {} {}", schedule.name, tick.to_rfc3339())),
        traceparent: None,
        parent: None,
        turn: Turn::Now,
        at_most: None,
    };
    let run = [run];
    if insert_many(&mut *conn, clock.sql_now(), &run).await? == 1 {
        let [run] = run;
        transport.enqueue(conn, run.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
