//! Keeps starting runs, and remembers which starts are certain.
//!
//! Invariants: a start counts as committed only when the commit was answered, and as withdrawn only when the
//! transaction was rolled back before a commit was ever sent. What lies between (the answer was lost) is settled by the
//! request that was written in the same transaction.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use engine::{Client, Clock};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dice::Dice;
use crate::workload::dormant::Dormant;
use crate::workload::{self, Pace, Workload};

/// The time between two transactions.
const BEAT: Duration = Duration::from_millis(100);
/// So many due runs are enough: more would only wait.
const BACKLOG: i64 = 300;
/// Most runs that a transaction starts.
const BATCH: u64 = 10;
/// How many of a hundred transactions are rolled back.
const WITHDRAWN: u32 = 8;

/// What the starter knows for certain.
#[derive(Clone, Debug, Default)]
pub struct Certain {
    pub started: Vec<Uuid>,
    pub withdrawn: Vec<Uuid>,
    /// Transactions whose end is not known.
    pub unknown: u64,
}

/// The runs whose start is certain, by workflow, the newest last: for those who meddle with them.
#[derive(Clone, Debug, Default)]
pub struct Newest(Arc<Mutex<BTreeMap<&'static str, Vec<Uuid>>>>);

impl Newest {
    /// One of the last `recent` of a workflow.
    pub fn choose(&self, workflow: &str, recent: usize, dice: &mut Dice) -> Option<Uuid> {
        let known = self.0.lock().expect("nothing panics while it holds this lock");
        let known = known.get(workflow)?;
        let recent = &known[known.len().saturating_sub(recent)..];
        (!recent.is_empty()).then(|| recent[dice.place(recent.len())])
    }

    fn add(&self, runs: &[(Uuid, &'static str)]) {
        let mut known = self.0.lock().expect("nothing panics while it holds this lock");
        for (id, workflow) in runs {
            known.entry(workflow).or_default().push(*id);
        }
    }
}

/// Whoever starts runs.
pub struct Starter {
    pool: PgPool,
    client: Client,
    dice: Dice,
    shares: Vec<(usize, u32)>,
    /// Those that come at intervals, and when the next one is due.
    timed: Vec<(usize, Duration, Instant)>,
    workloads: Vec<Box<dyn Workload>>,
    newest: Newest,
    certain: Certain,
}

impl Starter {
    pub fn new(pool: PgPool, seed: u64, newest: Newest) -> Self {
        let workloads = workload::all();
        let (mut shares, mut timed) = (Vec::new(), Vec::new());
        for (index, workload) in workloads.iter().enumerate() {
            match workload.pace() {
                Pace::Share(share) => shares.push((index, share)),
                Pace::Every(interval) => timed.push((index, interval, Instant::now())),
                Pace::Never => {}
            }
        }
        let (client, dice) = (Client::new(pool.clone()), Dice::of(seed, "starts"));
        let certain = Certain::default();
        Self { pool, client, dice, shares, timed, workloads, newest, certain }
    }

    /// Starts runs until `stop`; answers what is certain.
    pub async fn work(mut self, stop: CancellationToken) -> Certain {
        while !stop.is_cancelled() {
            if let Err(error) = self.beat().await {
                tracing::debug!(%error, "no run could be started");
            }
            Clock::system().sleep(BEAT).await;
        }
        self.certain
    }

    async fn beat(&mut self) -> Result<()> {
        let due: i64 = sqlx::query_scalar(
            "select count(*) from engine.runs where state = 'queued' and workflow <> $1",
        )
        .bind(<Dormant as engine::Workflow>::NAME)
        .fetch_one(&self.pool)
        .await?;
        if due < BACKLOG {
            let chosen = self.choose();
            self.start(chosen).await?;
        }
        Ok(())
    }

    /// The workloads of the next transaction.
    fn choose(&mut self) -> Vec<usize> {
        let mut chosen = Vec::new();
        for (index, interval, next) in &mut self.timed {
            if *next <= Instant::now() {
                *next += *interval;
                chosen.push(*index);
            }
        }
        for _ in 0..self.dice.within(1..=BATCH) {
            chosen.push(self.dice.weighted(&self.shares));
        }
        chosen
    }

    /// Starts one run of each of the `chosen`, in one transaction.
    async fn start(&mut self, chosen: Vec<usize>) -> Result<()> {
        let withdraw = self.dice.percent(WITHDRAWN);
        let mut tx = self.pool.begin().await?;
        let mut ids = Vec::new();
        for index in chosen {
            let workload = &self.workloads[index];
            let id = workload.start(&self.client, &mut tx, &mut self.dice).await?;
            sqlx::query("insert into chaos.requests (run_id, workflow) values ($1, $2)")
                .bind(id)
                .bind(workload.name())
                .execute(&mut *tx)
                .await?;
            ids.push((id, workload.name()));
        }
        if withdraw {
            self.certain.withdrawn.extend(ids.iter().map(|(id, _)| *id));
            tx.rollback().await?;
            return Ok(());
        }
        // From here on it may be committed, whatever is answered.
        if let Err(error) = tx.commit().await {
            self.certain.unknown += 1;
            return Err(error.into());
        }
        self.certain.started.extend(ids.iter().map(|(id, _)| *id));
        self.newest.add(&ids);
        Ok(())
    }
}
