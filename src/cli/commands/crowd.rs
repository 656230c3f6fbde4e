//! `driftpack dev crowd`: many organisations with generated findings, as `./dev bench scale` measures them.

use anyhow::Result;
use engine::Clock;
use evidence::org::{Plan, Role};
use evidence::time::Period;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::admin::{Office, org};
use super::export;
use crate::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Crowd {
    /// How many organisations; they are called crowd-1, crowd-2 and so on, and their plan is enterprise
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orgs: u32,
    /// Findings of each
    #[arg(long)]
    findings: u64,
    #[arg(long, default_value_t = 1)]
    state_sources: u32,
    /// Start and end of the time in which it happens
    #[arg(long, value_parser = export::moment)]
    from: chrono::DateTime<chrono::Utc>,
    #[arg(long, value_parser = export::moment)]
    to: chrono::DateTime<chrono::Utc>,
    /// The owner of all of them
    #[arg(long)]
    email: String,
}

/// Organisations that are made at once: a connection for each.
const AT_ONCE: usize = 2;

/// Makes them; says as JSON how many there are.
pub(crate) async fn run(office: &Office, args: Crowd) -> Result<()> {
    let period = Period::new(args.from, args.to)?;
    let made = stream::iter(1..=args.orgs).map(|number| one(office, &args, period, number));
    let made: Vec<_> = made.buffer_unordered(AT_ONCE).try_collect().await?;
    let sum = |of: fn(&db::generate::Generated) -> u64| made.iter().map(of).sum::<u64>();
    let (findings, events) = (sum(|made| made.findings), sum(|made| made.events));
    let scans = sum(|made| made.scans);
    say::out(serde_json::json!({
        "orgs": made.len(), "findings": findings, "events": events, "scans": scans,
    }));
    Ok(())
}

async fn one(
    office: &Office,
    args: &Crowd,
    period: Period,
    number: u32,
) -> Result<db::generate::Generated> {
    let (slug, now) = (format!("crowd-{number}"), Clock::System.now());
    org::create(office, &slug, &slug, Plan::Enterprise, now).await?;
    let mut tx = office.begin(&slug).await?;
    let owner = org::Who { email: args.email.clone(), sub: None };
    org::add(office, &mut tx, &owner, Role::Owner, now).await?;
    let (findings, state_sources) = (args.findings, args.state_sources);
    let profile = db::generate::Profile { findings, seed: number.into(), period, state_sources };
    let org = tx.org();
    let made = db::generate::generate(&mut tx, org, &profile, &Office::cause(now)).await?;
    tx.commit().await?;
    Ok(made)
}
