//! Findings in bulk, with the history that scans and people would have given them: for benchmarks
//! and demonstrations.
//!
//! Invariants: the generated history obeys the same rules as a real one (numbers without gaps,
//! consecutive intervals, roll-forwards that tie, scans that count what they saw), and the same
//! profile gives the same stories.

use std::time::Duration;

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use evidence::scan::SourceKind;
use evidence::time::{Period, Time};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::column::bigint;
use crate::state_sources::{self, Settings};
use crate::{Cause, Error, Result, chain};

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub findings: u64,
    /// The same seed gives the same stories.
    pub seed: u64,
    /// When it all happens; at least an hour.
    pub period: Period,
    /// At least one.
    pub state_sources: u32,
}

/// What was generated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generated {
    pub state_sources: u64,
    pub scans: u64,
    pub findings: u64,
    pub events: u64,
}

/// How many findings one statement makes: enough that round trips do not count, few enough that the
/// server's queue of foreign key checks stays small.
const CHUNK: i64 = 50_000;

/// Fills an organisation with sources, scans, findings and their history. The transaction must work
/// for the organisation.
pub async fn generate(
    conn: &mut PgConnection,
    org: OrgId,
    profile: &Profile,
    cause: &Cause,
) -> Result<Generated> {
    let plan = Plan::new(profile)?;
    let first = reserve(conn, org, plan.findings).await?;
    let sources = make_sources(conn, org, profile, &plan, (first, cause)).await?;
    let mut made = Generated { state_sources: sources.len() as u64, ..Generated::default() };
    let last = first + plan.findings;
    let mut from = first;
    while from < last {
        let to = (from + CHUNK).min(last);
        made.events += stories(conn, org, &plan, &sources, (from, to, cause)).await?;
        from = to;
    }
    made.findings = profile.findings;
    made.scans = scans(conn, org, &plan, &sources, (first, cause)).await?;
    // So much at once would mislead the planner until the server looks by itself. Only the owner of
    // the tables may; for anybody else this is a warning.
    sqlx::query("analyze findings, finding_events, scans").execute(&mut *conn).await?;
    record(conn, org, &made, cause).await?;
    Ok(made)
}

/// The calendar of the generated scans: one every `step`, `count` of them, inside the period.
struct Plan {
    findings: i64,
    seed: i64,
    start: Time,
    step: Duration,
    count: i64,
}

impl Plan {
    fn new(profile: &Profile) -> Result<Self> {
        let refuse = |field, fault| Err(Error::Invalid { field, fault });
        let length = (profile.period.end - profile.period.start).to_std().unwrap_or_default();
        if length < Duration::from_hours(1) {
            return refuse("period", "must be at least an hour");
        }
        if profile.state_sources == 0 {
            return refuse("state_sources", "must be at least 1");
        }
        // One a day, but never so few that nothing can happen in between, nor more than a year's.
        let days = u32::try_from(length.as_secs() / 86_400).unwrap_or(u32::MAX);
        let count = days.clamp(8, 366);
        Ok(Self {
            findings: bigint(profile.findings),
            seed: profile.seed.cast_signed(),
            start: profile.period.start,
            step: Duration::from_micros(
                u64::try_from((length / (count + 1)).as_micros()).unwrap_or(1),
            ),
            count: i64::from(count),
        })
    }

    fn step_micros(&self) -> i64 {
        bigint(u64::try_from(self.step.as_micros()).unwrap_or(u64::MAX))
    }
}

async fn reserve(conn: &mut PgConnection, org: OrgId, findings: i64) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"
        update orgs set finding_seq = finding_seq + $2
         where id = $1
     returning finding_seq - $2 + 1 as "first!"
        "#,
        org.0,
        findings,
    )
    .fetch_one(conn)
    .await?)
}

async fn make_sources(
    conn: &mut PgConnection,
    org: OrgId,
    profile: &Profile,
    plan: &Plan,
    (first, cause): (i64, &Cause),
) -> Result<Vec<Uuid>> {
    let hours = plan.step.as_secs().div_ceil(3600);
    let mut ids = Vec::new();
    for index in 0..profile.state_sources {
        let settings = Settings {
            name: format!("generated-{first}-{index}"),
            kind: SourceKind::S3,
            location: format!("s3://generated/{first}/{index}.tfstate"),
            expected_scan_interval_hours: i32::try_from(hours).ok(),
            active: true,
        };
        ids.push(state_sources::create(conn, org, &settings, cause).await?.id.0);
    }
    Ok(ids)
}

async fn stories(
    conn: &mut PgConnection,
    org: OrgId,
    plan: &Plan,
    sources: &[Uuid],
    (from, to, cause): (i64, i64, &Cause),
) -> Result<u64> {
    let events = sqlx::query_file_scalar!(
        "sql/generate_findings.sql",
        org.0,
        sources,
        plan.seed,
        plan.start,
        plan.step_micros(),
        plan.count,
        from,
        to,
        cause.now,
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(events).unwrap_or(0))
}

async fn scans(
    conn: &mut PgConnection,
    org: OrgId,
    plan: &Plan,
    sources: &[Uuid],
    (first, cause): (i64, &Cause),
) -> Result<u64> {
    let made = sqlx::query_file!(
        "sql/generate_scans.sql",
        org.0,
        sources,
        plan.seed,
        plan.start,
        plan.step_micros(),
        plan.count,
        first,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "
        update state_sources s
           set first_observed_at = c.first
          from (select state_source_id, min(observed_at) as first
                  from scans
                 where org_id = $1 and state_source_id = any($2)
                 group by state_source_id) c
         where s.org_id = $1 and s.id = c.state_source_id
        ",
        org.0,
        sources,
    )
    .execute(conn)
    .await?;
    Ok(made.rows_affected())
}

async fn record(
    conn: &mut PgConnection,
    org: OrgId,
    made: &Generated,
    cause: &Cause,
) -> Result<()> {
    let detail = [
        ("generated", true.into()),
        ("scans", made.scans.into()),
        ("opened", made.findings.into()),
        ("events", made.events.into()),
    ];
    chain::append(conn, ChainId::Org(org), cause.draft(Action::ScanIngested, detail)).await?;
    Ok(())
}
