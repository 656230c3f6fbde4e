//! The workflows that are measured, and what they leave in this process for whoever waits.
//!
//! Invariant: their steps do nothing, so that what is measured is the engine. The counters are the process's own, because a
//! workflow reaches its ports only inside a step, and one more step would be one more commit.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine::{CancellationToken, Context, DEFAULT, Error, Failure, LocalClient, Worker, Workflow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::protocol::{now, say};

/// When the first run began, in the protocol's nanoseconds; 0 before that.
static FIRST: AtomicI64 = AtomicI64::new(0);
/// Runs that have ended, as far as their own code goes.
static ENDED: AtomicUsize = AtomicUsize::new(0);
static PROGRESS: Notify = Notify::const_new();
/// How long the ten steps of the last run took, in nanoseconds.
static LENGTH: Mutex<i64> = Mutex::new(0);

pub(crate) fn begun() {
    let _ = FIRST.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
}

pub(crate) fn ended(runs: usize) {
    ENDED.fetch_add(runs, Ordering::SeqCst);
    PROGRESS.notify_one();
}

/// When the first run began.
pub(crate) fn first() -> i64 {
    FIRST.load(Ordering::Relaxed)
}

/// Waits until so many runs have come to the end of their code.
pub(crate) async fn all(runs: usize) {
    while ENDED.load(Ordering::SeqCst) < runs {
        PROGRESS.notified().await;
    }
}

/// How long the ten steps of the last run took, in nanoseconds.
pub(crate) fn length() -> i64 {
    *LENGTH.lock().expect("nothing panics while it holds this lock")
}

/// One step.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct One {
    pub(crate) number: i64,
}

impl Workflow for One {
    const NAME: &'static str = "bench.one";
    type Output = i64;
    type Ports = ();

    async fn run(self, cx: &mut Context<()>) -> Result<i64, Failure> {
        begun();
        let number = self.number;
        let value = cx.step("noop", DEFAULT, |_| async move { Ok(number) }).await?;
        ended(1);
        Ok(value)
    }
}

/// Ten steps in a row.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ten {
    pub(crate) number: i64,
}

impl Workflow for Ten {
    const NAME: &'static str = "bench.ten";
    type Output = i64;
    type Ports = ();

    async fn run(self, cx: &mut Context<()>) -> Result<i64, Failure> {
        begun();
        let from = now();
        for value in 0..10 {
            cx.step("noop", DEFAULT, |_| async move { Ok(value) }).await?;
        }
        *LENGTH.lock().expect("nothing panics while it holds this lock") = now() - from;
        ended(1);
        Ok(self.number)
    }
}

/// One step that says when its first line was reached.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Timed {
    pub(crate) number: i64,
}

impl Workflow for Timed {
    const NAME: &'static str = "bench.timed";
    type Output = i64;
    type Ports = ();

    async fn run(self, cx: &mut Context<()>) -> Result<i64, Failure> {
        let number = self.number;
        let said = cx.step("say", DEFAULT, |_| async move {
            let at = now();
            say(&json!({"started": number, "at": at}));
            Ok(number)
        });
        said.await
    }
}

/// A worker that knows all of them, at work until the token is cancelled, and what starts runs right in it.
pub(crate) fn work(
    pool: &PgPool,
    concurrency: usize,
    stop: CancellationToken,
) -> Result<(JoinHandle<Result<(), Error>>, LocalClient), Error> {
    let worker = Worker::builder(pool.clone(), Arc::new(()))
        .register::<One>()
        .register::<Ten>()
        .register::<Timed>()
        .concurrency(concurrency)
        .build()?;
    let local = worker.local_client();
    Ok((tokio::spawn(worker.run(stop)), local))
}
