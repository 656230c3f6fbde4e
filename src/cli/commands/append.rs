//! `driftpack dev append`: many writers at once on one audit log, as `./dev bench pack` measures it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use db::OrgTx;
use db::chain::Options;
use engine::Clock;
use evidence::action::{Action, Actor, Outcome};
use evidence::chain::{ChainId, Draft};
use evidence::ids::{self, OrgId};
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::{compose, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Append {
    /// The organisation, by slug
    #[arg(long)]
    org: String,
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=128))]
    writers: u32,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Appends for so long, each entry in a transaction of its own, then verifies the chain; says both as JSON.
pub(crate) async fn run(config: &Config, args: Append) -> Result<()> {
    let pool = compose::pool(&config.database_url, args.writers + 1)?;
    let mut conn = pool.acquire().await.context("the database cannot be reached")?;
    let org = db::orgs::find_by_slug(&mut conn, &args.org).await?;
    let org = org.with_context(|| format!("there is no organisation `{}`", args.org))?.id;
    drop(conn);
    let (began, appended) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let until = began + Duration::from_secs(args.seconds);
    let mut writers = JoinSet::new();
    for _ in 0..args.writers {
        writers.spawn(write(pool.clone(), org, until, Arc::clone(&appended)));
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut tx = OrgTx::begin_reading(&pool, org).await?;
    let verified = db::chain::verify(&mut tx, ChainId::Org(org), &Options::default()).await?;
    tx.rollback().await?;
    let (appended, chain) = (appended.load(Ordering::Relaxed), verified.verdict.status);
    say::out(serde_json::json!({ "appended": appended, "seconds": seconds, "chain": chain }));
    Ok(())
}

async fn write(pool: PgPool, org: OrgId, until: Instant, appended: Arc<AtomicU64>) -> Result<()> {
    while Instant::now() < until {
        let mut tx = OrgTx::begin(&pool, org).await?;
        let draft = Draft {
            id: ids::v7(Clock::System.now(), rand::random()),
            actor: Actor::operator("command line"),
            action: Action::ScanIngested,
            detail: [("generated".to_owned(), true.into())].into_iter().collect(),
            origin: "driftpack dev append".to_owned(),
            outcome: Outcome::Success,
        };
        db::chain::append(&mut tx, ChainId::Org(org), draft).await?;
        tx.commit_sharing_flush().await?;
        appended.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
