//! A worker: the workflows it knows, its limits, and the life of it in one process.
//!
//! Invariant: a worker that cannot be put together says so in [`Builder::build`], before it has
//! touched the database. What it does is in `dispatch`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dispatch::Dispatcher;
use crate::drive::{Driver, Join};
use crate::kept::Kept;
use crate::local::{Door, LocalClient};
use crate::presence::Presence;
use crate::queue::{Apalis, Transport};
use crate::registry::Registry;
use crate::schedule::{self, Schedule};
use crate::session::Surroundings;
use crate::store::writer::{Database, LOCK_LIMIT, Writer};
use crate::{Client, Clock, Error, Workflow, limits, pooler};

/// Runs at a time.
const CONCURRENCY: usize = 8;
/// How long a worker may be silent before its runs are taken over.
const LEASE: Duration = Duration::from_secs(10);
/// How long steps in flight may go on after a shutdown was asked for.
const GRACE: Duration = Duration::from_secs(20);
/// Longer waits suspend the run instead of holding a slot.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections for sweeps and wake-ups (one of them listens), beside the caller's pool and the one that claims.
const CONTROL_CONNECTIONS: usize = 4;
/// Most connections for the journal beside those of the writers; its statements take a moment each.
const JOURNAL_CONNECTIONS: usize = 5;
/// The longest that a statement of the engine's own may take: a longer one waits for a lock that somebody forgot, and is
/// tried again.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// Puts a [`Worker`] together.
pub struct Builder<P> {
    pool: PgPool,
    ports: Arc<P>,
    registry: Registry<P>,
    schedules: Vec<Schedule<P>>,
    concurrency: usize,
    lease: Duration,
    grace: Duration,
    program: String,
    clock: Clock,
    join: Join,
    transport: Arc<dyn Transport>,
    faults: Vec<String>,
}

impl<P: Send + Sync + 'static> Builder<P> {
    /// Adds a workflow in its current version. Old versions may be added beside it as types of
    /// their own.
    #[must_use]
    pub fn register<W: Workflow<Ports = P>>(mut self) -> Self {
        if !self.registry.add::<W>() {
            self.faults.push(format!("{} version {} is registered twice", W::NAME, W::VERSION));
        }
        self
    }

    /// Adds a schedule; its workflow must be registered.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule<P>) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// How many runs are driven at a time; 8 by default.
    #[must_use]
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.concurrency = runs;
        self
    }

    /// How long this worker may be silent before its runs are taken over; 10 s by default.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long steps in flight may go on after a shutdown was asked for; 20 s by default.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The name and version of the program, for operators who look at its workers.
    #[must_use]
    pub fn program(mut self, program: impl Into<String>) -> Self {
        self.program = program.into();
        self
    }

    /// How the span of a run becomes part of the trace that its `traceparent` names; called before the span is entered.
    /// By default not at all: this crate knows no exporter.
    #[must_use]
    pub fn join(mut self, join: impl Fn(&tracing::Span, &str) + Send + Sync + 'static) -> Self {
        self.join = Arc::new(join);
        self
    }

    /// The clock; the machine's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Without wake-ups: the sweep has to find everything.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn without_wake_ups(mut self) -> Self {
        self.transport = Arc::new(crate::testing::Deaf);
        self
    }

    /// The worker, or everything that is wrong with it.
    pub fn build(mut self) -> Result<Worker<P>, Error> {
        if self.concurrency == 0 {
            self.faults.push("concurrency is 0".to_owned());
        }
        if self.lease < Duration::from_millis(100) {
            self.faults.push("a lease under 100 ms cannot be renewed in time".to_owned());
        }
        for schedule in &self.schedules {
            schedule.check()?;
            if self.registry.find(schedule.workflow, schedule.version).is_none() {
                self.faults.push(format!(
                    "schedule {} starts {}, which is not registered",
                    schedule.name, schedule.workflow
                ));
            }
        }
        if self.faults.is_empty() {
            Ok(Worker { parts: self, door: Arc::default() })
        } else {
            Err(Error::Worker(self.faults.join("; ")))
        }
    }
}

/// Claims and drives runs.
pub struct Worker<P> {
    parts: Builder<P>,
    door: Arc<Door>,
}

impl<P: Send + Sync + 'static> Worker<P> {
    /// Begins a worker on `pool`, whose role needs what [`crate::migrate`] granted. It opens up to
    /// fifteen connections of its own beside the pool, with the pool's options.
    pub fn builder(pool: PgPool, ports: Arc<P>) -> Builder<P> {
        Builder {
            pool,
            ports,
            registry: Registry::new(),
            schedules: Vec::new(),
            concurrency: CONCURRENCY,
            lease: LEASE,
            grace: GRACE,
            program: String::new(),
            clock: Clock::system(),
            join: Arc::new(|_, _| {}),
            transport: Arc::new(Apalis::default()),
            faults: Vec::new(),
        }
    }

    /// Starts runs in this process, for this worker if it has room: their first step begins as soon as the start has
    /// committed.
    #[must_use]
    pub fn local_client(&self) -> LocalClient {
        let Builder { pool, clock, transport, .. } = &self.parts;
        let client = Client { transport: transport.clone(), ..Client::new(pool.clone()) };
        LocalClient { client: client.with_clock(clock.clone()), door: self.door.clone() }
    }

    /// Works until `shutdown` fires; then claims nothing more, lets steps in flight finish within the
    /// grace period, gives its runs back and wakes another worker for them.
    ///
    /// Fails only when the database cannot be reached at the start (or only through a pooler that the engine cannot work
    /// through), or no thread can be had. Dropping the future is like
    /// killing the process: other workers take over when the leases lapse.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let parts = self.parts;
        pooler::refuse(parts.pool.connect_options().as_ref()).await?;
        let control = own_pool(&parts.pool, CONTROL_CONNECTIONS, STATEMENT_LIMIT);
        limits::declare(&control, &parts.clock, &parts.registry.declared()).await?;
        for schedule in &parts.schedules {
            schedule::declare(&control, &parts.clock, schedule).await?;
        }
        let kinds = parts.registry.kinds();
        let connections = parts.concurrency.clamp(2, JOURNAL_CONNECTIONS);
        let journal = own_pool(&parts.pool, connections, STATEMENT_LIMIT);
        let batches = own_pool(&parts.pool, 1, LOCK_LIMIT);
        let surroundings = Surroundings {
            pool: parts.pool,
            writer: Writer::start(
                &batches,
                Database {
                    alone: Kept::new(&journal),
                    transport: parts.transport.clone(),
                    clock: parts.clock.clone(),
                },
            ),
            journal: journal.clone(),
            transport: parts.transport,
            clock: parts.clock,
            patience: PATIENCE,
            faults: None,
        };
        let Builder { ports, registry, join, .. } = parts;
        let driver = Driver { ports, registry, surroundings, join };
        let dispatcher = Dispatcher {
            driver: Arc::new(driver),
            control: control.clone(),
            claims: Kept::new(&control),
            door: self.door,
            busy: Arc::default(),
            presence: Presence {
                id: Uuid::from_bytes(rand::random()).to_string(),
                program: parts.program,
                concurrency: parts.concurrency,
                lease: parts.lease,
                kinds: kinds.clone(),
            },
            served: Mutex::default(),
            grace: parts.grace,
            schedules: parts.schedules,
            ailing: Mutex::default(),
            kinds,
            held: Arc::default(),
            slots: Arc::new(Semaphore::new(parts.concurrency)),
            nudge: Arc::new(Notify::new()),
        };
        let worked = dispatcher.run(shutdown).await;
        for pool in [control, journal, batches] {
            // A connection that hangs must not keep the process.
            let _ = tokio::time::timeout(STATEMENT_LIMIT, pool.close()).await;
        }
        worked
    }
}

/// Plans that go through indexes, whatever the statistics say: they are old after a rush, and a plan that reads all of a
/// table that was small a minute ago is one that stops the engine. Such plans are the same for all arguments, so they are made
/// once; and where an index is no use, their made-up costs must not have anything compiled.
const PLANS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// Connections of the engine's own, made as the application makes its own.
fn own_pool(pool: &PgPool, connections: usize, locks: Duration) -> PgPool {
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    let limits = [("statement_timeout", STATEMENT_LIMIT), ("lock_timeout", locks)];
    let limits = limits.map(|(name, limit)| (name, milliseconds(limit)));
    let connect = pool.connect_options().as_ref().clone().options(limits).options(PLANS);
    pool.options()
        .clone()
        .min_connections(0)
        .max_connections(u32::try_from(connections).unwrap_or(u32::MAX))
        .connect_lazy_with(connect)
}
