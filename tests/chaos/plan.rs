//! The plan of faults: what is done to whom and when, made from the seed before anything starts.
//!
//! Invariants: the same seed, length and number of workers give the same plan; in every plan each kind of fault comes
//! at least once, as far as its length allows; whatever is frozen is thawed and whatever is stopped is started again,
//! by an event of the plan itself. Carrying it out is `nemesis`' business.

use std::time::Duration;

use serde::Serialize;

use crate::dice::Dice;

/// The length of a worker's lease; faults are measured against it.
pub const LEASE: Duration = Duration::from_secs(2);
/// The time between two faults.
const GAP_MS: std::ops::RangeInclusive<u64> = 400..=2000;
/// The least time between two crashes of Postgres.
const POSTGRES_GAP_MS: u64 = 5000;
/// Nothing is done to the workers until they have begun.
const WARM_UP_MS: u64 = 1500;

/// Something that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// `kill -9` of a worker, which is started again after a while.
    Kill { slot: usize, down_ms: u64 },
    /// A worker stops where it stands (SIGSTOP), for longer than its lease.
    Freeze { slot: usize },
    /// It goes on (SIGCONT) as if nothing had happened.
    Thaw { slot: usize },
    /// A worker is asked to stop (SIGTERM), and started again when it has.
    Terminate { slot: usize },
    /// As `Terminate`, but what starts again is the other build.
    Swap { slot: usize },
    /// A worker's wall clock jumps to this many seconds beside the true time.
    Jump { slot: usize, offset_s: i64 },
    /// Postgres ends this many of the workers' connections.
    DropBackends { count: u32, salt: u32 },
    /// A Postgres backend dies of SIGKILL: every connection is lost, and Postgres recovers by itself.
    CrashBackend { salt: u32 },
    /// Postgres stops at once, as in a power cut.
    StopPostgres,
    /// Postgres starts again, and recovers.
    StartPostgres,
}

/// An act and its time, counted from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    pub at_ms: u64,
    #[serde(flatten)]
    pub act: Act,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    pub seed: u64,
    pub length: Duration,
    pub workers: usize,
}

/// The kinds of faults, and how often they come in relation to each other.
const WEIGHTS: [(Kind, u32); 8] = [
    (Kind::Kill, 42),
    (Kind::Freeze, 12),
    (Kind::Terminate, 10),
    (Kind::Swap, 6),
    (Kind::Jump, 9),
    (Kind::DropBackends, 14),
    (Kind::CrashBackend, 3),
    (Kind::Restart, 4),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Kill,
    Freeze,
    Terminate,
    Swap,
    Jump,
    DropBackends,
    CrashBackend,
    Restart,
}

impl Act {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Freeze { .. } => "freeze",
            Self::Thaw { .. } => "thaw",
            Self::Terminate { .. } => "terminate",
            Self::Swap { .. } => "swap",
            Self::Jump { .. } => "jump",
            Self::DropBackends { .. } => "drop_backends",
            Self::CrashBackend { .. } => "crash_backend",
            Self::StopPostgres => "stop_postgres",
            Self::StartPostgres => "start_postgres",
        }
    }
}

/// The plan of `scope`, in order of time.
pub fn plan(scope: Scope) -> Vec<Event> {
    let mut dice = Dice::of(scope.seed, "plan");
    let end = u64::try_from(scope.length.as_millis()).unwrap_or(u64::MAX);
    // Each kind once first, so that a short plan is no poor one.
    let mut first = WEIGHTS.map(|(kind, _)| kind);
    dice.shuffle(&mut first);
    let mut first = first.into_iter();
    let mut events = Vec::new();
    let (mut at, mut postgres_from) = (WARM_UP_MS, 0);
    while at < end {
        let kind = first.next().unwrap_or_else(|| dice.weighted(&WEIGHTS));
        let after = acts(kind, scope, &mut dice);
        let mut from = at;
        if matches!(kind, Kind::Restart | Kind::CrashBackend) {
            // Two at a time would stop what is not running.
            from = at.max(postgres_from);
            postgres_from = from + POSTGRES_GAP_MS;
        }
        events.extend(after.iter().map(|(delay, act)| Event { at_ms: from + delay, act: *act }));
        at += dice.within(GAP_MS);
    }
    // Stable: what was drawn first stays first.
    events.sort_by_key(|event| event.at_ms);
    events
}

/// A fault as acts, each with its delay.
fn acts(kind: Kind, scope: Scope, dice: &mut Dice) -> Vec<(u64, Act)> {
    let slot = dice.place(scope.workers);
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    match kind {
        Kind::Kill => vec![(0, Act::Kill { slot, down_ms: dice.within(0..=1500) })],
        Kind::Freeze => {
            let length = dice.within(lease + lease / 4..=lease * 3);
            vec![(0, Act::Freeze { slot }), (length, Act::Thaw { slot })]
        }
        Kind::Terminate => vec![(0, Act::Terminate { slot })],
        Kind::Swap => vec![(0, Act::Swap { slot })],
        Kind::Jump => vec![(0, Act::Jump { slot, offset_s: offset(dice) })],
        Kind::DropBackends => {
            let (count, salt) = (dice.count(1..=12), dice.count(0..=u32::MAX));
            vec![(0, Act::DropBackends { count, salt })]
        }
        Kind::CrashBackend => vec![(0, Act::CrashBackend { salt: dice.count(0..=u32::MAX) })],
        Kind::Restart => {
            let length = dice.within(200..=2500);
            vec![(0, Act::StopPostgres), (length, Act::StartPostgres)]
        }
    }
}

/// Where a clock jumps to: a little or far, either way, or back to the truth.
fn offset(dice: &mut Dice) -> i64 {
    dice.weighted(&[
        (0, 1),
        (-2, 2),
        (3, 2),
        (-90, 2),
        (90, 2),
        (-7200, 2),
        (7200, 2),
        (-400 * 86400, 1),
    ])
}
