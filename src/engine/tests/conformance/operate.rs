//! What operators do: retries from any step, redrives, the record of it, and the purge of history.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::{
    BoxFuture, Connection, Context, End, Error, Failure, GoOn, Reopened, RetryFrom, RunFilter,
    RunState, RunView, Workflow,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use crate::order::AT_ONCE;
use crate::world::{Running, World, effect};

/// How often each step was called, and whether the second one fails.
#[derive(Default)]
struct Bridge {
    calls: [AtomicU32; 3],
    is_down: AtomicU32,
}

impl Bridge {
    fn calls(&self) -> [u32; 3] {
        [0, 1, 2].map(|step: usize| self.calls[step].load(Ordering::SeqCst))
    }
}

#[derive(Serialize, Deserialize)]
struct Cross {
    name: String,
}

impl Workflow for Cross {
    const NAME: &'static str = "test.cross";
    const RETENTION: Duration = Duration::from_hours(24);
    type Output = ();
    type Ports = Bridge;

    async fn run(self, cx: &mut Context<Bridge>) -> Result<(), Failure> {
        counted(cx, "near", 0).await?;
        cx.wait_for::<u32>("toll", None).await?;
        cx.step("middle", AT_ONCE, |bridge| async move {
            bridge.calls[1].fetch_add(1, Ordering::SeqCst);
            match bridge.is_down.load(Ordering::SeqCst) {
                0 => Ok(()),
                _ => Err(Failure::permanent("the bridge is down").code("bridge_down")),
            }
        })
        .await?;
        counted(cx, "far", 2).await
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(effect(tx, end.run_id, "closed"))
    }

    fn on_reopen<'a>(
        _: Self,
        tx: &'a mut Connection,
        run: &'a Reopened,
    ) -> BoxFuture<'a, Result<GoOn, Failure>> {
        Box::pin(async move {
            effect(tx, run.run_id, "reopened").await?;
            Ok(GoOn::AsAsked)
        })
    }
}

/// A step that is counted, and does nothing else.
async fn counted(
    cx: &mut Context<Bridge>,
    name: &'static str,
    place: usize,
) -> Result<(), Failure> {
    cx.step(name, AT_ONCE, move |bridge| async move {
        bridge.calls[place].fetch_add(1, Ordering::SeqCst);
        Ok(())
    })
    .await
}

/// Goes over the bridge with its permit, which is asked for anew when it is sent back.
#[derive(Serialize, Deserialize)]
struct Escort;

impl Workflow for Escort {
    const NAME: &'static str = "test.escort";
    type Output = ();
    type Ports = Bridge;

    async fn run(self, cx: &mut Context<Bridge>) -> Result<(), Failure> {
        counted(cx, "near", 0).await?;
        counted(cx, "permit", 1).await?;
        let wagon = cx.spawn_all("wagon", [Wagon], 1).await?;
        for over in cx.join_all(wagon).await? {
            over?;
        }
        Ok(())
    }

    fn on_reopen<'a>(
        _: Self,
        _: &'a mut Connection,
        _: &'a Reopened,
    ) -> BoxFuture<'a, Result<GoOn, Failure>> {
        Box::pin(std::future::ready(Ok(GoOn::FromStep("permit"))))
    }
}

/// Goes over the bridge, which may be down.
#[derive(Serialize, Deserialize)]
struct Wagon;

impl Workflow for Wagon {
    const NAME: &'static str = "test.wagon";
    type Output = u32;
    type Ports = Bridge;

    async fn run(self, cx: &mut Context<Bridge>) -> Result<u32, Failure> {
        cx.step("go over", AT_ONCE, |bridge| async move {
            match bridge.is_down.load(Ordering::SeqCst) {
                0 => Ok(1),
                _ => Err(Failure::permanent("the bridge is down")),
            }
        })
        .await
    }
}

#[derive(Serialize, Deserialize)]
struct Convoy;

impl Workflow for Convoy {
    const NAME: &'static str = "test.convoy";
    type Output = u32;
    type Ports = Bridge;

    async fn run(self, cx: &mut Context<Bridge>) -> Result<u32, Failure> {
        let wagons = cx.spawn_all("wagons", [Wagon, Wagon, Wagon], 2).await?;
        let mut over = 0;
        for wagon in cx.join_all(wagons).await? {
            over += wagon?;
        }
        Ok(over)
    }
}

struct Scene {
    world: World,
    bridge: Arc<Bridge>,
    worker: Running,
}

impl Scene {
    async fn new(pool: PgPool) -> Self {
        let world = World::new(pool).await;
        let bridge = Arc::new(Bridge::default());
        let worker = Running::spawn(
            world
                .worker(bridge.clone())
                .register::<Cross>()
                .register::<Convoy>()
                .register::<Wagon>()
                .register::<Escort>(),
        );
        Self { world, bridge, worker }
    }

    /// A run that has failed in its middle.
    async fn failed(&self, name: &str) -> Uuid {
        self.bridge.is_down.store(1, Ordering::SeqCst);
        let run_id = self.world.start(Cross { name: name.to_owned() }).await;
        let mut conn = self.world.app.acquire().await.unwrap();
        self.world.client.signal(&mut conn, run_id, "toll", &5, None).await.unwrap();
        assert_eq!(self.world.ended(run_id).await.state, RunState::Failed);
        self.bridge.is_down.store(0, Ordering::SeqCst);
        run_id
    }

    async fn retry(&self, run_id: Uuid, from: RetryFrom) -> Result<bool, Error> {
        let mut tx = self.world.app.begin().await.unwrap();
        let operator = self.world.client.operator("kim@example.com");
        let retried = operator.retry(&mut tx, run_id, &from, None).await;
        tx.commit().await.unwrap();
        retried
    }
}

#[sqlx::test(migrations = false)]
async fn a_retry_from_the_failed_step_keeps_what_came_before(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let run_id = scene.failed("one").await;
    assert!(scene.retry(run_id, RetryFrom::Failed).await.unwrap());
    let run = scene.world.until(run_id, |run| run.state == RunState::Succeeded).await;
    assert_eq!((run.generation, run.error), (1, None));
    assert_eq!(scene.bridge.calls(), [1, 2, 1]);
    assert_eq!(scene.world.effects(run_id, "closed").await, 1);
    assert_eq!(scene.world.effects(run_id, "reopened").await, 1);
    let past = scene.world.client.past_steps(run_id).await.unwrap();
    assert_eq!((past.len(), past[0].name.as_str(), past[0].taken_back_in), (1, "middle", Some(0)));
    assert_eq!(past[0].error.as_ref().unwrap().code.as_deref(), Some("bridge_down"));
    let attempts = scene.world.client.attempts(run_id).await.unwrap();
    let middle: Vec<_> = attempts.iter().filter(|attempt| attempt.step == "middle").collect();
    assert_eq!(middle.iter().map(|one| one.generation).collect::<Vec<_>>(), [0, 1]);
    let actions = scene.world.client.actions(run_id).await.unwrap();
    assert_eq!(
        (actions[0].actor.as_str(), actions[0].action.as_str()),
        ("kim@example.com", "retry")
    );
    assert!(!scene.retry(run_id, RetryFrom::Failed).await.unwrap(), "it has not failed any more");
    assert_eq!(scene.world.client.actions(run_id).await.unwrap().len(), 1);
    scene.worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_retry_from_an_earlier_step_takes_back_all_since_and_gives_signals_again(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let run_id = scene.failed("one").await;
    assert!(scene.retry(run_id, RetryFrom::Step(2)).await.unwrap());
    scene.world.until(run_id, |run| run.state == RunState::Succeeded).await;
    assert_eq!(scene.bridge.calls(), [1, 2, 1], "the toll that was paid is paid again");
    let run_id = scene.failed("two").await;
    assert!(scene.retry(run_id, RetryFrom::Start).await.unwrap());
    scene.world.until(run_id, |run| run.state == RunState::Succeeded).await;
    assert_eq!(scene.bridge.calls(), [3, 4, 2]);
    scene.worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_workflow_may_send_a_run_further_back_than_it_was_asked_and_not_less_far(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let ended = async |run_id, generation| {
        let is_over = |run: &RunView| run.generation == generation && run.ended_at.is_some();
        scene.world.until(run_id, is_over).await.state
    };
    scene.bridge.is_down.store(1, Ordering::SeqCst);
    let run_id = scene.world.start(Escort).await;
    assert_eq!(ended(run_id, 0).await, RunState::Failed);
    assert_eq!(scene.bridge.calls(), [1, 1, 0]);
    assert!(scene.retry(run_id, RetryFrom::Failed).await.unwrap());
    assert_eq!(ended(run_id, 1).await, RunState::Failed);
    assert_eq!(scene.bridge.calls(), [1, 2, 0], "a new permit for each try");
    scene.bridge.is_down.store(0, Ordering::SeqCst);
    assert!(scene.retry(run_id, RetryFrom::Start).await.unwrap());
    assert_eq!(ended(run_id, 2).await, RunState::Succeeded);
    assert_eq!(scene.bridge.calls(), [2, 3, 0]);
    let past = scene.world.client.past_steps(run_id).await.unwrap();
    let of = |generation| {
        let steps = past.iter().filter(|step| step.taken_back_in == Some(generation));
        steps.map(|step| (step.seq, step.name.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(of(0), [(2, "permit"), (3, "wagon"), (4, "wagon")]);
    assert_eq!(of(1), [(1, "near"), (2, "permit"), (3, "wagon"), (4, "wagon")]);
    // Each try had a wagon of its own; the earlier ones are nobody's, and over. The first was sent back with its parent: it was asked to stop
    // when its parent took it back, and may have met the bridge once more before that.
    let wagons: Vec<(Uuid, bool)> = sqlx::query_as(
        "select id, parent_seq > 0 from engine.runs where workflow = 'test.wagon' order by id",
    )
    .fetch_all(&scene.world.owner)
    .await
    .unwrap();
    let mut went_over = Vec::new();
    for (wagon, is_owned) in wagons {
        went_over.push((scene.world.ended(wagon).await.state == RunState::Succeeded, is_owned));
    }
    assert_eq!(went_over, [(false, false), (false, false), (true, true)]);
    scene.worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_cannot_be_retried_is_refused_in_plain_words(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let run_id = scene.failed("one").await;
    let error = scene.retry(run_id, RetryFrom::Step(9)).await.unwrap_err().to_string();
    assert!(error.contains("has no step at place 9"), "{error}");
    let unknown = Uuid::nil();
    let error = scene.retry(unknown, RetryFrom::Failed).await.unwrap_err();
    assert!(matches!(error, Error::UnknownRun(_)));
    scene.worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_redrive_sends_back_what_fits_the_filter_and_nothing_else(pool: PgPool) {
    let scene = Scene::new(pool).await;
    let mut failed = Vec::new();
    for name in ["one", "two", "three"] {
        failed.push(scene.failed(name).await);
    }
    let mut conn = scene.world.app.acquire().await.unwrap();
    let operator = scene.world.client.operator("kim");
    let none = RunFilter { error_contains: Some("100%".to_owned()), ..RunFilter::default() };
    assert_eq!(operator.matching(&mut conn, &none).await.unwrap().0, 0);
    let filter = RunFilter { error_contains: Some("BRIDGE is".to_owned()), ..RunFilter::default() };
    assert_eq!(operator.matching(&mut conn, &filter).await.unwrap(), (3, failed.clone()));
    let redriven = operator.redrive(&mut conn, &filter, 2).await.unwrap();
    assert_eq!((redriven.run_ids, redriven.more), (failed[..2].to_vec(), true));
    for run_id in &failed[..2] {
        scene.world.until(*run_id, |run| run.state == RunState::Succeeded).await;
    }
    assert_eq!(scene.world.find(failed[2]).await.state, RunState::Failed);
    scene.worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn runs_are_listed_newest_first_page_by_page(pool: PgPool) {
    let world = World::new(pool).await;
    let mut tx = world.app.begin().await.unwrap();
    let many = (0..5).map(|n| Cross { name: n.to_string() });
    let mut ids = world.client.start_many(&mut tx, many).key("acme").await.unwrap();
    tx.commit().await.unwrap();
    ids.reverse();
    let filter = RunFilter {
        workflow: Some("test.cross".to_owned()),
        states: vec![RunState::Queued, RunState::Waiting],
        key: Some("acme".to_owned()),
        created_from: Some(world.clock.now() - chrono::TimeDelta::hours(1)),
        created_before: Some(world.clock.now() + chrono::TimeDelta::hours(1)),
        ..RunFilter::default()
    };
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = world.client.list(&filter, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        pages.extend(page.iter().map(|run| run.id));
    }
    assert_eq!(pages, ids);
}

#[sqlx::test(migrations = false)]
async fn a_purge_deletes_ended_runs_after_their_retention_with_all_that_hangs_on_them(
    pool: PgPool,
) {
    let scene = Scene::new(pool).await;
    let old = scene.failed("old").await;
    let open = scene.world.start(Cross { name: "open".to_owned() }).await;
    let aged: Uuid = sqlx::query_scalar("select engine.first_id_at(now() - interval '2 days')")
        .fetch_one(&scene.world.owner)
        .await
        .unwrap();
    for (table, column) in
        [("runs", "id"), ("steps", "run_id"), ("attempts", "run_id"), ("signals", "run_id")]
    {
        let update = format!("update engine.{table} set {column} = $2 where {column} = $1");
        let update = sqlx::query(sqlx::AssertSqlSafe(update)).bind(old).bind(aged);
        update.execute(&scene.world.owner).await.unwrap();
    }
    sqlx::query("update engine.runs set ended_at = ended_at - interval '2 days' where id = $1")
        .bind(aged)
        .execute(&scene.world.owner)
        .await
        .unwrap();
    let recent = scene.failed("recent").await;
    assert_eq!(scene.world.client.purge(100).await.unwrap(), 1);
    assert_eq!(scene.world.client.purge(100).await.unwrap(), 0);
    assert_eq!(scene.world.find(recent).await.state, RunState::Failed);
    assert!(scene.world.client.find(open).await.unwrap().is_some());
    let left = scene.world.number(
        "select (select count(*) from engine.steps as step where not exists
                  (select from engine.runs where id = step.run_id))
              + (select count(*) from engine.attempts as attempt where not exists
                  (select from engine.runs where id = attempt.run_id))",
    );
    assert_eq!(left.await, 0);
    scene.worker.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_retried_parent_takes_its_failed_children_along_or_starts_new_ones(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.bridge.is_down.store(1, Ordering::SeqCst);
    let (one, other) = (scene.world.start(Convoy).await, scene.world.start(Convoy).await);
    for run_id in [one, other] {
        let run = scene.world.ended(run_id).await;
        assert_eq!(run.state, RunState::Failed);
        assert_eq!(run.error.unwrap().step.as_deref(), Some("wagons"));
    }
    scene.bridge.is_down.store(0, Ordering::SeqCst);
    assert!(scene.retry(one, RetryFrom::Failed).await.unwrap());
    assert!(scene.retry(other, RetryFrom::Start).await.unwrap());
    for (run_id, children) in [(one, 3), (other, 6)] {
        let run = scene.world.until(run_id, |run| run.state == RunState::Succeeded).await;
        assert_eq!(run.output, Some(3.into()));
        let filter = RunFilter { parent_id: Some(run_id), ..RunFilter::default() };
        let family = scene.world.client.list(&filter, None, 10).await.unwrap();
        assert_eq!(family.len(), children);
    }
    scene.worker.stop().await;
}
