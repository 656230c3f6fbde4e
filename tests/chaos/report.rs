//! What is reported: what was done, what came of it, and what was broken.
//!
//! Invariant: every number is counted by the database or by whoever did the thing; nothing is estimated.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::Serialize;
use sqlx::PgPool;

use crate::check::{Verdict, Violation};
use crate::nemesis::Done;

/// How workers ended.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Deaths {
    /// By the nemesis' SIGKILL.
    pub killed: u64,
    /// By a step of their own that kills its process.
    pub killed_by_step: u64,
    /// As they were asked to.
    pub stopped: u64,
    /// With a failure, because they began while Postgres was away.
    pub failed: u64,
    /// Asked to stop, they did not.
    pub hung: u64,
}

impl Deaths {
    pub(crate) fn count(&mut self, asked: bool, killed: bool, success: bool) {
        let number = match (asked, killed, success) {
            (true, true, _) => &mut self.killed,
            (false, true, _) => &mut self.killed_by_step,
            (_, false, true) => &mut self.stopped,
            (_, false, false) => &mut self.failed,
        };
        *number += 1;
    }

    /// Processes that died without warning.
    pub fn kills(self) -> u64 {
        self.killed + self.killed_by_step
    }
}

/// What operators did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Meddling {
    pub cancels: u64,
    pub pauses: u64,
    pub resumes: u64,
    pub retries: u64,
}

/// What the database counts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Runs by workflow and state.
    pub runs: BTreeMap<String, BTreeMap<String, i64>>,
    pub runs_in_all: i64,
    /// Claims; what is above the number of runs was taken up again.
    pub claims: i64,
    /// Leases that lapsed and whose runs went on elsewhere.
    pub recoveries: i64,
    /// From the end of a lapsed lease to the next claim of its run.
    pub recovery_ms: Spread,
    /// Effects by the kind of their step.
    pub effects: BTreeMap<String, i64>,
    /// Effects of steps that ran more than once, beyond the first.
    pub effects_repeated: i64,
    pub failed_attempts: i64,
    pub ticks_missed: i64,
    pub waits: Waits,
}

/// What the database counts of runs that waited, and of those that went in company.
#[derive(Clone, Copy, Debug, Default, Serialize, sqlx::FromRow)]
pub struct Waits {
    pub signals_sent: i64,
    pub signals_taken: i64,
    /// Waits for a signal that ended in vain.
    pub in_vain: i64,
    pub sleeps: i64,
    /// How much longer a sleep took than it was asked to, at its median and at its longest.
    pub late_ms_p50: f64,
    pub late_ms_max: f64,
    pub children: i64,
    /// Children that were cancelled because their parent was gone.
    pub children_stopped: i64,
    pub retries: i64,
    /// Most runs of the limited workflow at a time.
    pub limited_most: i64,
}

/// The spread of a time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// The whole of it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub seed: u64,
    pub seconds: u64,
    pub workers: usize,
    pub drained_in_seconds: u64,
    pub faults: Done,
    pub deaths: Deaths,
    pub meddling: Meddling,
    pub starts_unanswered: u64,
    pub counts: Counts,
    pub checks: Vec<Verdict>,
    pub violations: usize,
    pub holds: bool,
    pub evidence: Vec<Violation>,
}

/// Counts what the database holds.
pub async fn counts(owner: &PgPool) -> Result<Counts> {
    let mut counts = Counts::default();
    let runs: Vec<(String, String, i64)> =
        sqlx::query_as("select workflow, state, count(*) from engine.runs group by 1, 2")
            .fetch_all(owner)
            .await?;
    for (workflow, state, number) in runs {
        counts.runs_in_all += number;
        counts.runs.entry(workflow).or_default().insert(state, number);
    }
    let effects: Vec<(String, i64)> =
        sqlx::query_as("select kind, count(*) from chaos.effects group by 1")
            .fetch_all(owner)
            .await?;
    counts.effects = effects.into_iter().collect();
    (counts.claims, counts.effects_repeated, counts.failed_attempts, counts.ticks_missed) =
        sqlx::query_as(
            "select (select count(*) from chaos.moves where to_state = 'running'),
                    (select coalesce(sum(times - 1), 0)::bigint
                       from (select count(*) as times from chaos.placed_effects
                              group by run_id, step, occurrence, generation) as repeated),
                    (select count(*) from engine.attempts),
                    (select coalesce(sum(missed), 0)::bigint from engine.schedules)",
        )
        .fetch_one(owner)
        .await?;
    let (recoveries, p50, p99, max): (i64, f64, f64, f64) = sqlx::query_as(
        "with recovery as (
             select extract(epoch from (
                        select min(claim.at) from chaos.moves as claim
                         where claim.run_id = lapse.run_id and claim.id > lapse.id
                           and claim.to_state = 'running') - lapse.lease_until)::float8 * 1000 as ms
               from chaos.moves as lapse
              where lapse.lost and lapse.lease_until < lapse.at and lapse.to_state = 'queued')
         select count(ms), coalesce(percentile_cont(0.5) within group (order by ms), 0),
                coalesce(percentile_cont(0.99) within group (order by ms), 0), coalesce(max(ms), 0)
           from recovery",
    )
    .fetch_one(owner)
    .await?;
    (counts.recoveries, counts.recovery_ms) = (recoveries, Spread { p50, p99, max });
    counts.waits = waits(owner).await?;
    Ok(counts)
}

async fn waits(owner: &PgPool) -> Result<Waits> {
    Ok(sqlx::query_as(
        "with sleep as (
             select extract(epoch from wait.ended_at - wait.began_at)::float8 * 1000
                    - (run.input->'naps_ms'->>wait.occurrence)::float8 as late_ms
               from chaos.whole_waits as wait
               join engine.runs as run on run.id = wait.run_id
              where wait.kind = 'sleep' and wait.ended_at is not null),
         limited as (
             select sum(case move.to_state when 'running' then 1 else -1 end) over (order by move.id) as at_work
               from chaos.moves as move
               join engine.runs as run on run.id = move.run_id
              where run.workflow = 'chaos.limited' and 'running' in (move.to_state, move.from_state))
         select (select count(*) from engine.signals) as signals_sent,
                (select count(*) from engine.signals where taken_seq is not null) as signals_taken,
                (select count(*) from engine.steps
                  where kind = 'signal' and state = 'done' and output->>'signal' is null) as in_vain,
                (select count(*) from sleep) as sleeps,
                (select coalesce(percentile_cont(0.5) within group (order by late_ms), 0) from sleep) as late_ms_p50,
                (select coalesce(max(late_ms), 0) from sleep) as late_ms_max,
                (select count(*) from engine.runs where parent_id is not null) as children,
                (select count(*) from engine.runs where parent_id is not null and state = 'cancelled') as children_stopped,
                (select count(*) from chaos.retries) as retries,
                (select coalesce(max(at_work), 0)::bigint from limited) as limited_most",
    )
    .fetch_one(owner)
    .await?)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, deaths, meddling, .. } = self;
        writeln!(f, "seed        {}", self.seed)?;
        writeln!(
            f,
            "time        {} s of faults, then {} s until all was over; {} workers",
            self.seconds, self.drained_in_seconds, self.workers
        )?;
        let faults: Vec<_> = self.faults.iter().map(|(name, n)| format!("{name} {n}")).collect();
        writeln!(f, "faults      {}", faults.join(", "))?;
        writeln!(
            f,
            "workers     {} killed ({} by the nemesis, {} by a step of their own), {} stopped as asked, {} could not begin, {} hung",
            deaths.kills(),
            deaths.killed,
            deaths.killed_by_step,
            deaths.stopped,
            deaths.failed,
            deaths.hung
        )?;
        writeln!(
            f,
            "operators   {} cancels, {} pauses, {} resumes, {} retries while things failed",
            meddling.cancels, meddling.pauses, meddling.resumes, meddling.retries
        )?;
        writeln!(f, "runs        {} ({} claims)", counts.runs_in_all, counts.claims)?;
        for (workflow, states) in &counts.runs {
            let states: Vec<_> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
            writeln!(f, "            {workflow}: {}", states.join(", "))?;
        }
        let Spread { p50, p99, max } = counts.recovery_ms;
        writeln!(
            f,
            "recoveries  {}; from the end of the lease to the next claim: p50 {p50:.0} ms, p99 {p99:.0} ms, longest {max:.0} ms",
            counts.recoveries
        )?;
        let effects: Vec<_> =
            counts.effects.iter().map(|(kind, n)| format!("{n} of {kind}")).collect();
        writeln!(
            f,
            "effects     {}; {} were repeated; {} attempts failed; {} ticks missed",
            effects.join(", "),
            counts.effects_repeated,
            counts.failed_attempts,
            counts.ticks_missed
        )?;
        writeln!(f, "waits       {}", counts.waits)?;
        writeln!(f, "checks      {}", self.checks.len())?;
        for violation in &self.evidence {
            let run = violation.run_id.map(|id| format!(" run {id}")).unwrap_or_default();
            writeln!(f, "VIOLATION   {}{run}: {}", violation.kind, violation.detail)?;
            writeln!(f, "            {}", violation.evidence)?;
        }
        write!(f, "violations  {}", self.violations)
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} signals, {} taken, {} waits in vain; {} sleeps, late by {:.0} ms (p50), {:.0} ms (longest); {} children, \
             {} stopped with their parent; {} retries; at most {} of the limited at a time",
            self.signals_sent,
            self.signals_taken,
            self.in_vain,
            self.sleeps,
            self.late_ms_p50,
            self.late_ms_max,
            self.children,
            self.children_stopped,
            self.retries,
            self.limited_most
        )
    }
}
