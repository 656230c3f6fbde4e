//! A worker process: every workload that its build knows, until it is told to stop, or dies.
//!
//! Invariant: it ends with whoever started it, however that one ends; the kernel sees to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use engine::Worker;
use rustix::process::{Signal, set_parent_process_death_signal};
use sqlx::postgres::PgPoolOptions;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cluster;
use crate::plan::LEASE;
use crate::ports::Ports;
use crate::workload::{self, tick};

/// How long steps in flight may go on after SIGTERM. Some take longer than that, and are given back.
const GRACE: Duration = Duration::from_millis(400);
/// Runs at a time.
const CONCURRENCY: usize = 12;

/// What a worker is told.
#[derive(Args, Clone, Debug)]
pub struct Orders {
    /// The folder of Postgres' socket
    #[arg(long)]
    pub socket: PathBuf,
    /// Its name in the table of effects
    #[arg(long)]
    pub name: String,
    /// The build that it stands for: 1 or 2
    #[arg(long)]
    pub build: i32,
    /// Do not fire schedules
    #[arg(long)]
    pub no_schedule: bool,
}

/// Works until SIGTERM.
pub async fn run(orders: Orders) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        terminate.recv().await;
        told.cancel();
    });
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(cluster::as_app(&orders.socket).application_name(&orders.name));
    let ports = Ports { pool: pool.clone(), worker: orders.name, build: orders.build };
    let mut worker =
        Worker::builder(pool, Arc::new(ports)).lease(LEASE).grace(GRACE).concurrency(CONCURRENCY);
    for workload in workload::all() {
        worker = workload.register(worker, orders.build);
    }
    if !orders.no_schedule {
        worker = tick::schedule(worker);
    }
    worker.build()?.run(shutdown).await?;
    Ok(())
}
