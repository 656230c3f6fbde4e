//! Carries out the plan of faults, and keeps the workers going meanwhile.
//!
//! Invariant: it does what the plan says, in its order, and never earlier; what cannot be done at that moment (Postgres is
//! away) is counted as such and not made up for.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use crate::cluster::{APP_ROLE, Cluster, signal};
use crate::fleet::Fleet;
use crate::plan::{Act, Event};

/// How often the workers are looked after.
const TEND: Duration = Duration::from_millis(50);

/// How often each kind of fault was done.
pub type Done = BTreeMap<&'static str, u64>;

/// Whoever makes things fail.
#[derive(Debug)]
pub struct Nemesis<'a> {
    pub cluster: &'a mut Cluster,
    pub fleet: &'a mut Fleet,
    pub done: Done,
}

impl Nemesis<'_> {
    /// Carries out `plan`, and then looks after the workers until `end`.
    pub async fn rage(&mut self, plan: &[Event], end: Instant, began: Instant) -> Result<()> {
        for event in plan {
            self.tend_until(began + Duration::from_millis(event.at_ms)).await?;
            tracing::debug!(?event, "fault");
            let name = match self.act(event.act).await {
                Ok(true) => event.act.name(),
                Ok(false) => "void",
                Err(error) => {
                    tracing::debug!(%error, "a fault could not be done");
                    "void"
                }
            };
            *self.done.entry(name).or_default() += 1;
        }
        self.tend_until(end).await
    }

    /// Undoes whatever still stands.
    pub async fn rest(&mut self) -> Result<()> {
        self.cluster.resume().await
    }

    async fn tend_until(&mut self, until: Instant) -> Result<()> {
        loop {
            self.fleet.tend()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            engine::Clock::system().sleep(left.min(TEND)).await;
        }
    }

    /// False: there was nothing to do it to.
    async fn act(&mut self, act: Act) -> Result<bool> {
        match act {
            Act::Kill { slot, down_ms } => self.fleet.kill(slot, Duration::from_millis(down_ms)),
            Act::Freeze { slot } => self.fleet.freeze(slot),
            Act::Thaw { slot } => self.fleet.thaw(slot),
            Act::Terminate { slot } => self.fleet.terminate(slot),
            Act::Swap { slot } => return Ok(self.fleet.swap(slot)),
            Act::Jump { slot, offset_s } => self.fleet.set_clock(slot, offset_s)?,
            Act::DropBackends { count, salt } => return self.drop_backends(count, salt).await,
            Act::CrashBackend { salt } => return self.crash_backend(salt).await,
            Act::StopPostgres => self.cluster.crash().await?,
            Act::StartPostgres => self.cluster.resume().await?,
        }
        Ok(true)
    }

    async fn drop_backends(&self, count: u32, salt: u32) -> Result<bool> {
        let mut conn = PgConnection::connect_with(&self.cluster.as_owner()).await?;
        let dropped = sqlx::query(
            "select pg_terminate_backend(pid)
               from (select pid from pg_stat_activity where usename = $1
                      order by hashint8extended(pid, $2) limit $3) as chosen",
        )
        .bind(APP_ROLE)
        .bind(i64::from(salt))
        .bind(i64::from(count))
        .execute(&mut conn)
        .await?;
        conn.close().await?;
        Ok(dropped.rows_affected() > 0)
    }

    async fn crash_backend(&self, salt: u32) -> Result<bool> {
        let mut conn = PgConnection::connect_with(&self.cluster.as_owner()).await?;
        let pid: Option<i32> = sqlx::query_scalar(
            "select pid from pg_stat_activity where usename = $1
              order by hashint8extended(pid, $2) limit 1",
        )
        .bind(APP_ROLE)
        .bind(i64::from(salt))
        .fetch_optional(&mut conn)
        .await?;
        signal(pid.map(i32::unsigned_abs), Signal::KILL);
        Ok(pid.is_some())
    }
}
