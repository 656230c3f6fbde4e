//! Generated data obeys the rules of real data.

use std::time::Instant;

use db::generate::{Generated, Profile, generate};
use db::section::{self, Snapshot};
use evidence::metrics::Tally;
use evidence::time::Period;
use futures_util::TryStreamExt;
use sqlx::PgPool;

use crate::support::{World, cause, period};

async fn fill(world: &World, findings: u64, seed: u64, period: Period) -> Generated {
    let mut tx = world.tx().await;
    let profile = Profile { findings, seed, period, state_sources: 5 };
    let made = generate(&mut tx, world.org, &profile, &cause(5000)).await.unwrap();
    tx.commit().await.unwrap();
    made
}

/// Reads the findings of the period and compares them with the reported roll-forward.
async fn tie_out(world: &World, period: Period) -> u64 {
    let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
    let mut tally = Tally::default();
    {
        let mut rows = std::pin::pin!(section::findings(&mut snapshot, world.org, period));
        while let Some(row) = rows.try_next().await.unwrap() {
            let row = row.read().unwrap();
            tally.add(row.number, row.risk_level, row.roll_forward()).unwrap();
        }
    }
    let sla = section::remediation(&mut snapshot, world.org, period).await.unwrap().levels;
    let reported = sla.iter().map(|level| (level.risk_level, level.roll_forward)).collect();
    tally.check(&reported).unwrap();
    tally.findings()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn generated_findings_tie_out_in_every_part_of_their_period(pool: PgPool) {
    let world = World::new(pool).await;
    let made = fill(&world, 2000, 7, period(0, 2160)).await;
    assert_eq!((made.findings, made.state_sources), (2000, 5));
    assert_eq!(tie_out(&world, period(0, 2161)).await, 2000);
    for part in [period(0, 700), period(700, 1400), period(1400, 2160), period(24, 25)] {
        assert!(tie_out(&world, part).await > 0);
    }
    assert_eq!(tie_out(&world, period(-100, 0)).await, 0);
    let mut tx = world.tx().await;
    let sequence = section::sequence(&mut tx, world.org).await.unwrap();
    assert_eq!((sequence.given, sequence.present), (2000, 2000));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn generated_intervals_are_consecutive_and_agree_with_their_findings(pool: PgPool) {
    let world = World::new(pool).await;
    fill(&world, 2000, 1, period(0, 2160)).await;
    fill(&world, 500, 1, period(0, 200)).await;
    let wrong: i64 = sqlx::query_scalar(
        "select count(*) from (
           select e.*, lead(occurred_at) over w as next_at, lead(seq) over w as next_seq
             from finding_events e
           window w as (partition by number order by seq)) e
           join findings f on f.org_id = e.org_id and f.number = e.number
          where e.until is distinct from e.next_at
             or e.next_seq <> e.seq + 1
             or (e.until is null and (f.event_seq, f.status, f.open_since, f.state_since)
                 is distinct from (e.seq, e.status, e.open_since, e.occurred_at))",
    )
    .fetch_one(&world.owner)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
    assert_eq!(world.verify().await.verdict.status, evidence::chain::Status::Ok);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
#[ignore = "takes minutes: run it by name to measure"]
async fn a_million_findings_are_read_in_seconds(pool: PgPool) {
    let world = World::new(pool).await;
    for findings in [100_000, 900_000] {
        let begun = Instant::now();
        let made = fill(&world, findings, 1, period(0, 2160)).await;
        let generated = begun.elapsed();
        sqlx::query("analyze").execute(&world.owner).await.unwrap();
        let begun = Instant::now();
        let read = tie_out(&world, period(0, 2160)).await;
        let read_and_tied = begun.elapsed();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let memory = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        let mut snapshot = Snapshot::begin(&world.app, world.org).await.unwrap();
        let begun = Instant::now();
        section::remediation(&mut snapshot, world.org, period(0, 2160)).await.unwrap();
        let sla = begun.elapsed();
        let begun = Instant::now();
        section::coverage_monthly(&mut snapshot, world.org, period(0, 2160)).await.unwrap();
        section::gaps(&mut snapshot, world.org, period(0, 2160)).await.unwrap();
        let coverage = begun.elapsed();
        let begun = Instant::now();
        section::top_risks(&mut snapshot, world.org, period(0, 2160)).await.unwrap();
        let top = begun.elapsed();
        let begun = Instant::now();
        let counted =
            section::exceptions_in_numbers(&mut snapshot, world.org, period(0, 2160)).await;
        let exceptions = begun.elapsed();
        counted.unwrap();
        let report = format!(
            "{made:?} in {generated:?}; {read} read and tied in {read_and_tied:?}, {memory}; \
             of that sla {sla:?}; coverage {coverage:?}, top risks {top:?}, exceptions {exceptions:?}\n"
        );
        std::io::Write::write_all(&mut std::io::stderr(), report.as_bytes()).unwrap();
    }
}
