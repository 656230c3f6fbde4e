//! A prepared database, the two roles, and a worker that lasts as long as its test.

use std::sync::Arc;
use std::time::Duration;

use engine::testing::VirtualClock;
use engine::{Builder, Client, Clock, RunView, Worker, Workflow};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The role that workers and clients run as. Roles belong to the server, not to one database.
const APP_ROLE: &str = "engine_test_app";
/// Longest time a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    /// The owner of the tables.
    pub(crate) owner: PgPool,
    /// The role that works: owns nothing.
    pub(crate) app: PgPool,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
}

/// A worker in the background.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    task: JoinHandle<Result<(), engine::Error>>,
}

impl World {
    /// A world on the machine's clock.
    pub(crate) async fn new(owner: PgPool) -> Self {
        Self::with_clock(owner, Clock::system()).await
    }

    /// A world whose clock stands still.
    pub(crate) async fn frozen(owner: PgPool) -> (Self, VirtualClock) {
        let start = "2026-03-01T00:00:00Z".parse().expect("a time");
        let clock = VirtualClock::starting_at(start);
        (Self::with_clock(owner, clock.clone().into()).await, clock)
    }

    async fn with_clock(owner: PgPool, clock: Clock) -> Self {
        let create = format!(
            "do $$ begin create role {APP_ROLE} login; exception when duplicate_object or unique_violation then null; end $$"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&owner).await.expect("the app's role");
        engine::migrate(&owner, APP_ROLE).await.expect("the engine's schema");
        sqlx::raw_sql(
            "create table effects (id bigserial primary key, run_id uuid, what text);
             grant all on effects to public; grant all on effects_id_seq to public",
        )
        .execute(&owner)
        .await
        .expect("a table for effects");
        let options = owner.connect_options().as_ref().clone().username(APP_ROLE);
        // Not with the options of the test's own pool, which share a small number of connections with every other test.
        let app = PgPoolOptions::new().max_connections(8).connect_lazy_with(options);
        let client = Client::new(app.clone()).with_clock(clock.clone());
        Self { owner, app, client, clock }
    }

    /// Starts a run in a transaction of its own.
    pub(crate) async fn start<W: Workflow>(&self, workflow: W) -> Uuid {
        let mut tx = self.app.begin().await.expect("a transaction");
        let started = self.client.start(&mut tx, workflow).await.expect("a start");
        tx.commit().await.expect("a commit");
        started.run_id
    }

    pub(crate) async fn cancel(&self, run_id: Uuid) -> bool {
        let mut conn = self.app.acquire().await.expect("a connection");
        self.client.cancel(&mut conn, run_id).await.expect("a request to cancel")
    }

    pub(crate) fn worker<P: Send + Sync + 'static>(&self, ports: Arc<P>) -> Builder<P> {
        Worker::builder(self.app.clone(), ports).clock(self.clock.clone())
    }

    pub(crate) async fn find(&self, run_id: Uuid) -> RunView {
        self.client.find(run_id).await.expect("a look").expect("the run is there")
    }

    /// Waits until the run is as `ready` wants it.
    pub(crate) async fn until(&self, run_id: Uuid, ready: impl Fn(&RunView) -> bool) -> RunView {
        let waiting = async {
            loop {
                let run = self.find(run_id).await;
                if ready(&run) {
                    return run;
                }
                Clock::system().sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await.ok();
        let Some(run) = in_time else { panic!("waited in vain: {:?}", self.find(run_id).await) };
        run
    }

    /// Waits until the run is over.
    pub(crate) async fn ended(&self, run_id: Uuid) -> RunView {
        self.until(run_id, |run| run.state.is_final()).await
    }

    /// How often the run has had the effect `what`.
    pub(crate) async fn effects(&self, run_id: Uuid, what: &str) -> i64 {
        sqlx::query_scalar("select count(*) from effects where run_id = $1 and what = $2")
            .bind(run_id)
            .bind(what)
            .fetch_one(&self.app)
            .await
            .expect("a count")
    }

    /// Ends every connection of the application's role, as a restart of the database does.
    pub(crate) async fn drop_connections(&self) {
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where usename = $1 and datname = current_database()",
        )
        .bind(APP_ROLE)
        .execute(&self.owner)
        .await
        .expect("the superuser may");
    }

    /// A number from the database, as the owner.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.owner).await.expect("a number")
    }
}

impl Running {
    pub(crate) fn spawn<P: Send + Sync + 'static>(builder: Builder<P>) -> Self {
        let stop = CancellationToken::new();
        let worker = builder.build().expect("a worker");
        let task = tokio::spawn(worker.run(stop.clone()));
        Self { stop, task }
    }

    /// A worker that was sent off already.
    pub(crate) fn of(stop: CancellationToken, task: JoinHandle<Result<(), engine::Error>>) -> Self {
        Self { stop, task }
    }

    /// Asks the worker to stop and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the worker does not panic").expect("the worker ends well");
    }

    /// Ends the worker like `kill -9`: nothing of it runs after this.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// Records an effect, through whatever the step has.
pub(crate) async fn effect(
    db: impl sqlx::PgExecutor<'_>,
    run_id: Uuid,
    what: &str,
) -> Result<(), engine::Failure> {
    sqlx::query("insert into effects (run_id, what) values ($1, $2)")
        .bind(run_id)
        .bind(what)
        .execute(db)
        .await
        .map(drop)
        .map_err(engine::Failure::transient)
}
