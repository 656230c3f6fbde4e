//! The worker's loop: sweep, claim, drive, and stop in good order.
//!
//! Invariants: claims never exceed the free slots; a wake-up only makes the loop look sooner; with no
//! wake-up at all every due run is found within [`SWEEP`]. Timers are exact because each sweep learns
//! when the next one is due.

mod claim;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::drive::{Driver, Left};
use crate::kept::Kept;
use crate::lease::{Held, Renewal};
use crate::local::Door;
use crate::presence::{self, Presence};
use crate::queue::Handler;
use crate::schedule::{self, Fired, Schedule, fire};
use crate::store::{self, Kinds};
use crate::{Clock, Error, figures};
use claim::Served;

/// Longest time between two sweeps.
const SWEEP: Duration = Duration::from_secs(1);
/// How long after a wake-up the worker looks once more: a start that left its own wake-up out, because one was on its way,
/// may have committed only then.
const AFTERLOOK: Duration = Duration::from_millis(25);
/// Shortest time between two sweeps, however many wake-ups arrive.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);
/// Most runs that one sweep takes back, and most that it wakes; `sweep.sql` has the same number.
const SWEPT: i64 = 500;
/// How long a wake-up is kept back while no slot is free, so that another worker may get the next.
const SLOT_WAIT: Duration = Duration::from_secs(1);
/// The longest that a schedule that could not be fired is left alone.
const SCHEDULE_PAUSE: Duration = Duration::from_secs(30);
/// How long a shutdown waits for what was told to end at once.
const ABORT: Duration = Duration::from_secs(2);
/// Time between two clean-ups of the transport's rows.
const PURGE: Duration = Duration::from_mins(5);

/// A worker at work.
pub(crate) struct Dispatcher<P> {
    pub(crate) driver: Arc<Driver<P>>,
    /// Connections that no step can use up.
    pub(crate) control: PgPool,
    /// The connection that claims.
    pub(crate) claims: Kept,
    /// Where runs come in that are started in this process.
    pub(crate) door: Arc<Door>,
    /// Something waits for a slot.
    pub(crate) busy: Arc<AtomicBool>,
    pub(crate) presence: Presence,
    pub(crate) grace: Duration,
    pub(crate) schedules: Vec<Schedule<P>>,
    /// Schedules that could not be fired.
    pub(crate) ailing: Mutex<HashMap<&'static str, Rest>>,
    pub(crate) kinds: Kinds,
    pub(crate) served: Mutex<Served>,
    pub(crate) held: Arc<Held>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) nudge: Arc<Notify>,
}

/// How long a schedule is left alone.
pub(crate) struct Rest {
    pause: Duration,
    /// By [`Clock::monotonic`].
    until: Duration,
}

/// What the loop knows about the time ahead.
struct Outlook {
    /// Time until the next sweep.
    sweep_in: Duration,
    /// More is due than there were slots for.
    backlog: bool,
    /// Something was due at the last sweep, perhaps what could not be had: a limit, a lock.
    queued: bool,
}

impl<P: Send + Sync + 'static> Dispatcher<P> {
    /// Works until `shutdown`, then lets steps in flight finish and gives the runs back.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        // Seen by the runs at once, whatever the loop is at.
        let stopping = shutdown.child_token();
        let connection = self.control.connect_options().as_ref().clone();
        let _renewal =
            Renewal::start(connection, self.clock(), self.held.clone(), self.presence.lease)
                .map_err(|error| Error::Worker(format!("no thread for the leases: {error}")))?;
        let mut services = self.services(&stopping);
        let mut handed = self.open_door(&stopping);
        let mut runs = JoinSet::new();
        let clock = self.clock();
        let mut outlook = Outlook { sweep_in: Duration::ZERO, backlog: false, queued: false };
        // By a clock that does not jump: a wall clock set back must not push the next sweep away.
        let (mut sweep_at, mut swept) = (clock.monotonic(), None);
        let mut afterlook = None;
        loop {
            self.busy.store(outlook.backlog || outlook.queued, Ordering::Release);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                // Before the others, so that however much comes in and ends, timers and lost workers are seen to.
                () = next_sweep(&clock, sweep_at, swept) => {
                    while runs.try_join_next().is_some() {}
                    let began = clock.monotonic();
                    swept = Some(Instant::now());
                    outlook = self.sweep(&mut runs, &stopping).await;
                    sweep_at = began + outlook.sweep_in;
                }
                Some(left) = runs.join_next() => {
                    let mut waits = matches!(left, Ok(Left::Waiting));
                    while let Some(left) = runs.try_join_next() {
                        waits |= matches!(left, Ok(Left::Waiting));
                    }
                    if waits {
                        // It may wait for a moment nearer than the next sweep.
                        sweep_at = sweep_at.min(clock.monotonic());
                    }
                    if outlook.backlog || outlook.queued {
                        outlook.backlog = self.claim(&mut runs, &stopping).await;
                    }
                }
                Some(run) = handed.recv() => self.spawn(&mut runs, run),
                () = self.nudge.notified() => {
                    outlook.backlog = self.claim(&mut runs, &stopping).await;
                    afterlook = Some(Instant::now() + AFTERLOOK);
                }
                () = until_instant(afterlook), if afterlook.is_some() => {
                    afterlook = None;
                    outlook.backlog = self.claim(&mut runs, &stopping).await;
                    // A run that is due later was started, perhaps: when is the next one?
                    sweep_at = sweep_at.min(clock.monotonic());
                }
            }
        }
        stopping.cancel();
        self.close_door(handed, &mut runs).await;
        self.stop(runs).await;
        if let Err(error) = self.presence.leave(&self.control, &self.clock()).await {
            tracing::warn!(%error, "the worker's row was left behind");
        }
        services.shutdown().await;
        Ok(())
    }

    fn clock(&self) -> Clock {
        self.driver.surroundings.clock.clone()
    }

    /// The tasks beside the loop: wake-ups, clean-up.
    fn services(&self, stopping: &CancellationToken) -> JoinSet<()> {
        let mut services = JoinSet::new();
        let control = self.control.clone();
        let transport = self.driver.surroundings.transport.clone();
        let (presence, clock) = (self.presence.clone(), self.clock());
        let (pool, beating) = (control.clone(), clock.clone());
        services.spawn(async move {
            loop {
                if let Err(error) = presence.beat(&pool, &beating).await {
                    tracing::warn!(%error, "a sign of life was not written");
                }
                Clock::system().sleep(presence::BEAT).await;
            }
        });
        services.spawn(transport.run(control.clone(), self.handler(), stopping.clone()));
        services.spawn(async move {
            loop {
                if let Err(error) = transport.purge(control.clone()).await {
                    tracing::warn!(%error, "old wake-ups could not be deleted");
                }
                if let Err(error) = presence::forget(&control, &clock).await {
                    tracing::warn!(%error, "rows of dead workers could not be deleted");
                }
                // Real time: what is cleaned up is dated by the database's clock.
                Clock::system().sleep(PURGE).await;
            }
        });
        services
    }

    fn handler(&self) -> Handler {
        let (slots, nudge) = (self.slots.clone(), self.nudge.clone());
        Arc::new(move || {
            let (slots, nudge) = (slots.clone(), nudge.clone());
            Box::pin(async move {
                if slots.available_permits() == 0 {
                    // Time is up or a slot is free: either way the loop is to look.
                    let _ = tokio::time::timeout(SLOT_WAIT, slots.acquire()).await;
                }
                nudge.notify_one();
            })
        })
    }

    /// Queues what is due, fires schedules, claims; answers when to look again.
    async fn sweep(&self, runs: &mut JoinSet<Left>, stopping: &CancellationToken) -> Outlook {
        let now = self.clock().sql_now();
        let sweep = store::sweep(&self.control, now, &self.kinds, &self.sound_schedules()).await;
        let swept = match sweep {
            Ok(swept) => swept,
            Err(error) => {
                tracing::warn!(%error, "the sweep failed");
                return Outlook { sweep_in: SWEEP, backlog: true, queued: true };
            }
        };
        if swept.lapsed > 0 {
            tracing::warn!(runs = swept.lapsed, "recovered the runs of a lost worker");
            figures::recovered(swept.lapsed);
        }
        self.watch_for_cancels().await;
        let mut sweep_in = swept.next_timer_micros.map_or(SWEEP, until);
        if let Some(micros) = swept.next_tick_micros {
            if micros <= 0 {
                self.fire_schedules().await;
            }
            sweep_in = sweep_in.min(until(micros));
        }
        let due = swept.queued || swept.lapsed + swept.woken > 0;
        let backlog = due && self.claim(runs, stopping).await;
        if swept.lapsed.max(swept.woken) >= SWEPT {
            // There may be more of them.
            sweep_in = Duration::ZERO;
        }
        Outlook { sweep_in: sweep_in.min(SWEEP), backlog, queued: swept.queued }
    }

    async fn fire_schedules(&self) {
        let sound = self.sound_schedules();
        for schedule in &self.schedules {
            if !sound.iter().any(|name| name == schedule.name) {
                continue;
            }
            let (clock, transport) = (self.clock(), &self.driver.surroundings.transport);
            match fire(&self.control, transport.as_ref(), &clock, schedule).await {
                Ok(Fired::Done) => drop(self.ailing().remove(schedule.name)),
                Ok(Fired::Nothing) => {}
                Ok(Fired::Foreign) => {
                    tracing::warn!(
                        schedule = schedule.name,
                        "another version of this program declared the schedule with other times"
                    );
                    self.rest(schedule.name);
                }
                Err(error) => {
                    tracing::error!(
                        schedule = schedule.name,
                        error = &error as &dyn std::error::Error,
                        "a schedule could not be fired"
                    );
                    schedule::ails(&self.control, schedule.name, &error.to_string()).await;
                    self.rest(schedule.name);
                }
            }
        }
    }

    /// Leaves a schedule alone for a while, for longer each time in a row.
    fn rest(&self, schedule: &'static str) {
        let now = self.clock().monotonic();
        let mut ailing = self.ailing();
        let rest = ailing.entry(schedule).or_insert(Rest { pause: SWEEP / 2, until: now });
        rest.pause = (rest.pause * 2).min(SCHEDULE_PAUSE);
        rest.until = now + rest.pause;
    }

    /// The names of the schedules that have not failed to fire a moment ago.
    fn sound_schedules(&self) -> Vec<String> {
        let (now, ailing) = (self.clock().monotonic(), self.ailing());
        let rests = |name: &str| ailing.get(name).is_some_and(|rest| rest.until > now);
        let names = self.schedules.iter().map(|schedule| schedule.name);
        names.filter(|name| !rests(name)).map(str::to_owned).collect()
    }

    fn ailing(&self) -> MutexGuard<'_, HashMap<&'static str, Rest>> {
        self.ailing.lock().expect("nothing panics while it holds this lock")
    }

    async fn watch_for_cancels(&self) {
        let leases = self.held.leases();
        if leases.is_empty() {
            return;
        }
        match store::cancel_requests(&self.control, &leases).await {
            Ok(requested) => requested.into_iter().for_each(|run_id| self.held.cancel(run_id)),
            Err(error) => tracing::warn!(%error, "requests to cancel could not be read"),
        }
    }

    /// Waits for steps in flight, then gives up those that take too long.
    async fn stop(&self, mut runs: JoinSet<Left>) {
        let all = async { while runs.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, all).await.is_ok() {
            return;
        }
        let left = self.held.unfinished();
        tracing::warn!(runs = left.len(), "steps did not finish in time; giving their runs back");
        runs.abort_all();
        let gone = async { while runs.join_next().await.is_some() {} };
        if tokio::time::timeout(ABORT, gone).await.is_err() {
            tracing::warn!("a step blocks its thread; what it still writes is fenced off");
        }
        for (lease, unrepeatable) in left {
            let released = self.driver.release(lease, i32::from(unrepeatable));
            match tokio::time::timeout(ABORT, released).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(run_id = %lease.run_id, %error, "a run was left to its lease");
                }
                Err(_) => tracing::warn!(run_id = %lease.run_id, "a run was left to its lease"),
            }
        }
    }
}

/// Waits until it is time for a sweep, and [`SWEEP_PAUSE`] of real time has passed since the last one.
async fn next_sweep(clock: &Clock, at: Duration, last: Option<Instant>) {
    // Ready at the first poll when it is time: a sleep, be it of nothing, never is, and would lose to whatever else is.
    let left = at.saturating_sub(clock.monotonic());
    if !left.is_zero() {
        clock.sleep(left).await;
    }
    let rested = last.map_or(SWEEP_PAUSE, |last| last.elapsed());
    if rested < SWEEP_PAUSE {
        Clock::system().sleep(SWEEP_PAUSE.saturating_sub(rested)).await;
    }
}

async fn until_instant(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

/// A delta in microseconds as a duration; what is past is now.
fn until(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
