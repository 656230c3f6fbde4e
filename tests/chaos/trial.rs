//! One trial: start everything, let the nemesis rage, wait until all is over, and ask the checker.
//!
//! Invariants: the workers whose clocks jumped keep them to the end; everything that was started is ended before this
//! returns; what is still at work at the deadline is a violation, not an error.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::fleet::Fleet;
use crate::nemesis::{Done, Nemesis};
use crate::operator::{Operator, resume_all, retry_all};
use crate::plan::{Scope, plan};
use crate::report::{Deaths, Meddling, Report, counts};
use crate::sender::{Sender, Sends, wake_all};
use crate::starter::{Certain, Newest, Starter};
use crate::workload::dormant;
use crate::{check, schema};

/// How long it may take, after the last fault, until every run is over: a step that kills its worker is tried eleven
/// times, and each time the lease has to lapse first.
const DEADLINE: Duration = Duration::from_mins(4);

/// Longer than a process takes to learn that its clock has jumped.
const SILENCE: Duration = Duration::from_millis(2500);
/// How long the workers may take until all of them have begun.
const START: Duration = Duration::from_mins(1);
/// Further back than any jump of a plan.
const FAR_BACK_S: i64 = -500 * 86400;
/// How soon a run that is due is found without a wake-up; the engine looks each second.
const FOUND: Duration = Duration::from_secs(15);

/// Workers that are connected, and workers that wait for a lock.
const THERE: &str = "select count(distinct application_name) from pg_stat_activity where application_name = any($1)";
const LOOKING: &str = "select count(distinct application_name) from pg_stat_activity
    where wait_event_type = 'Lock' and application_name = any($1)";

/// What happened, before it is judged.
struct Raged {
    faults: Done,
    deaths: Deaths,
    meddling: Meddling,
    certain: Certain,
    sends: Sends,
    drained: Duration,
}

/// Runs a trial; answers its report, and where what was left behind lies if a promise was broken.
pub async fn run(scope: Scope) -> Result<(Report, Option<PathBuf>)> {
    let mut cluster = Cluster::start().await?;
    let owner = PgPoolOptions::new().max_connections(4).connect_lazy_with(cluster.as_owner());
    schema::create(&owner).await?;
    let raged = rage(scope, &mut cluster, &owner).await?;
    note(&owner, &raged.certain, &raged.sends).await?;
    let counts = counts(&owner).await?;
    let (checks, evidence) = check::check(&mut *owner.acquire().await?).await?;
    owner.close().await;
    let found: usize = checks.iter().map(|check| check.violations).sum();
    let hung = usize::try_from(raged.deaths.hung).unwrap_or(usize::MAX);
    let violations = found + hung;
    let report = Report {
        seed: scope.seed,
        seconds: scope.length.as_secs(),
        workers: scope.workers,
        drained_in_seconds: raged.drained.as_secs(),
        faults: raged.faults,
        deaths: raged.deaths,
        meddling: raged.meddling,
        starts_unanswered: raged.certain.unknown,
        counts,
        checks,
        violations,
        holds: violations == 0,
        evidence,
    };
    let left = (violations > 0).then(|| {
        cluster.keep();
        cluster.folder().to_owned()
    });
    Ok((report, left))
}

/// The time of faults, and what follows until nothing moves.
async fn rage(scope: Scope, cluster: &mut Cluster, owner: &PgPool) -> Result<Raged> {
    let mut fleet = Fleet::start(cluster.folder(), &cluster.socket(), scope.workers)?;
    let app = PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(cluster.as_app());
    let (stop, newest) = (CancellationToken::new(), Newest::default());
    let starter = Starter::new(app.clone(), scope.seed, newest.clone());
    let starter = tokio::spawn(starter.work(stop.clone()));
    let crowd = dormant::crowd(scope.length);
    let crowd = tokio::spawn(dormant::gather(app.clone(), crowd, stop.clone()));
    let operator = Operator::new(app.clone(), scope.seed, newest.clone());
    let operator = tokio::spawn(operator.work(stop.clone()));
    let sender = Sender::new(app.clone(), scope.seed, newest);
    let sender = tokio::spawn(sender.work(stop.clone()));
    let began = Instant::now();
    let mut nemesis = Nemesis { cluster, fleet: &mut fleet, done: Done::default() };
    nemesis.rage(&plan(scope), began + scope.length, began).await?;
    nemesis.rest().await?;
    let faults = nemesis.done;
    stop.cancel();
    let (mut certain, meddling, sends) = (starter.await?, operator.await?, sender.await?);
    certain.started.extend(crowd.await?);
    let calm = Instant::now();
    drain(&mut fleet, &app, owner, calm + DEADLINE).await?;
    app.close().await;
    Ok(Raged { faults, deaths: fleet.deaths(), meddling, certain, sends, drained: calm.elapsed() })
}

/// Waits until every run is over: first the ones that were asked for, then, with the schedule at rest, its own.
async fn drain(fleet: &mut Fleet, app: &PgPool, owner: &PgPool, deadline: Instant) -> Result<()> {
    // One that failed and is to be sent back is not over.
    const ASKED_FOR: &str = "select count(*) from engine.runs
        where workflow <> 'chaos.tick'
          and (ended_at is null or workflow = 'chaos.retried' and state = 'failed')";
    const ALL: &str =
        "select count(*) from engine.runs where state not in ('succeeded', 'failed', 'cancelled')";
    settle(fleet, app, owner, (ASKED_FOR, deadline)).await?;
    fleet.stop().await?;
    fleet.restart()?;
    settle(fleet, app, owner, (ALL, deadline)).await?;
    jump_in_silence(fleet, owner).await?;
    settle(fleet, app, owner, (ALL, Instant::now() + FOUND)).await?;
    fleet.stop().await
}

/// Every clock jumps back while its worker looks for what is due, which the locked table makes long enough to be hit;
/// then runs are due, and no wake-up comes. Whoever plans by such a clock when to look again finds them hours later.
async fn jump_in_silence(fleet: &mut Fleet, owner: &PgPool) -> Result<()> {
    all_are(fleet, owner, THERE).await?;
    // What woke them up to now has been seen to after this.
    engine::Clock::system().sleep(SILENCE).await;
    let mut tx = owner.begin().await?;
    sqlx::raw_sql(
        "lock table engine.runs in access exclusive mode;
         -- Every wake-up that is still on its way is lost, as any may be.
         do $$ begin
             if to_regclass('apalis.jobs') is not null then delete from apalis.jobs; end if;
         end $$",
    )
    .execute(&mut *tx)
    .await?;
    // They look once a second, and now wait for the lock.
    all_are(fleet, owner, LOOKING).await?;
    fleet.set_every_clock(FAR_BACK_S)?;
    engine::Clock::system().sleep(SILENCE).await;
    tx.commit().await?;
    engine::Clock::system().sleep(SILENCE).await;
    sqlx::query(
        r#"
        with due as (
            insert into engine.runs (id, workflow, version, state, input, wake_at, created_at)
            select gen_random_uuid(), 'chaos.plain', 1, 'queued', '{"steps": 1, "busy_ms": 0}', now(), now()
              from generate_series(1, 5)
            returning id, workflow
        )
        insert into chaos.requests (run_id, workflow) select id, workflow from due
        "#,
    )
    .execute(owner)
    .await?;
    Ok(())
}

/// Waits until every worker has a connection of a kind. Asked outside of the transaction that holds the lock: inside, the
/// answer would stay the first one.
async fn all_are(fleet: &mut Fleet, owner: &PgPool, kind: &'static str) -> Result<()> {
    let end = Instant::now() + START;
    loop {
        fleet.tend()?;
        let found: i64 = sqlx::query_scalar(kind).bind(fleet.names()).fetch_one(owner).await?;
        if usize::try_from(found)? == fleet.names().len() {
            return Ok(());
        }
        ensure!(Instant::now() < end, "only {found} workers are ready for the last jump of clocks");
        engine::Clock::system().sleep(Duration::from_millis(20)).await;
    }
}

async fn settle(
    fleet: &mut Fleet,
    app: &PgPool,
    owner: &PgPool,
    (left, deadline): (&'static str, Instant),
) -> Result<()> {
    while Instant::now() < deadline {
        fleet.tend()?;
        if let Err(error) = push_on(app).await {
            tracing::debug!(%error, "not every run could be pushed on yet");
        }
        if sqlx::query_scalar::<_, i64>(left).fetch_one(owner).await? == 0 {
            return Ok(());
        }
        engine::Clock::system().sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Does for every run what it waits for: resumes it, signals it, sends it back.
async fn push_on(app: &PgPool) -> Result<()> {
    resume_all(app).await?;
    retry_all(app).await?;
    wake_all(app).await
}

/// Writes down what the starter and the sender know for certain.
async fn note(owner: &PgPool, certain: &Certain, sends: &Sends) -> Result<()> {
    let tables: [(&'static str, &Vec<Uuid>); 2] = [
        ("insert into chaos.started select unnest($1::uuid[])", &certain.started),
        ("insert into chaos.withdrawn select unnest($1::uuid[])", &certain.withdrawn),
    ];
    for (insert, ids) in tables {
        sqlx::query(insert).bind(ids).execute(owner).await?;
    }
    let (tokens, times): (Vec<_>, Vec<_>) = sends.answered.iter().copied().unzip();
    sqlx::query("insert into chaos.answered select * from unnest($1::bigint[], $2::timestamptz[])")
        .bind(tokens)
        .bind(times)
        .execute(owner)
        .await?;
    sqlx::query("insert into chaos.unsent select unnest($1::bigint[])")
        .bind(&sends.withdrawn)
        .execute(owner)
        .await?;
    sqlx::raw_sql("analyze").execute(owner).await?;
    Ok(())
}
