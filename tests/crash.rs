//! The process dies at any moment: the pack is finished all the same, once.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tests::app::{App, Options, Person, note};
use tests::browser::Browser;
use tests::hold::Hold;
use tests::{sql, wait};

/// So many that a pack of them can be hit.
const MANY: &str = "6000";
/// So many that whoever looks now and then sees them being collected, on a machine that does other things as well.
const VERY_MANY: &str = "30000";
/// Enough that no section is empty.
const FEW: &str = "300";

/// When the generated findings happen, and what the packs are of.
pub(crate) const PERIOD: (&str, &str) = ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");

/// The steps of a pack, in order.
const STEPS: [&str; 9] =
    ["begin", "collect", "attest", "render", "stamp", "seal", "publish_object", "publish", "sweep"];

/// An engine takes eleven deaths of one step for the step's own fault; a run that is to succeed gets fewer.
const KILLS_PER_RUN: u32 = 8;

/// As many as an organisation may ask for. On a fast machine most of them are there before they can be hit.
const PACKS_A_DAY: usize = 5;

const LIMIT: Duration = Duration::from_mins(2);

/// As short as the configuration allows, so that a killed worker's run is taken up again soon.
pub(crate) fn short_lease() -> Vec<(&'static str, String)> {
    vec![("DRIFTWISE_WORKER_LEASE_MS", "1000".to_owned())]
}

async fn app_with_findings(findings: &str, pdf: bool) -> App {
    let app = App::start_with(Options { pdf, settings: short_lease(), ..Options::default() }).await;
    app.generate(findings, PERIOD);
    app
}

async fn request(app: &App) -> String {
    app.request_pack(PERIOD.0, PERIOD.1).await
}

/// What must hold after packs were built, whatever happened on the way.
pub(crate) async fn assert_built_once(app: &App, ids: &[String]) {
    for id in ids {
        app.finished_pack(id).await;
    }
    let stored = wait::until("an empty staging folder", Duration::from_secs(20), async || {
        let files = app.stored_files();
        (files.len() == ids.len()).then_some(files)
    })
    .await;
    for file in &stored {
        assert!(file.starts_with("artifacts/") && is_zip(file), "{stored:?}");
    }
    let verdict =
        app.http.get(&app.path("audit-log/verify"), &app.token(Person::Owner)).await.expect(200);
    assert_eq!(verdict["status"], "ok", "{verdict}");
    for id in ids {
        let completed = format!(
            "select count(*) from admin_audit_log where action = 'audit_export.completed' and detail::text like '%{id}%'"
        );
        assert_eq!(sql::number(&app.database, &completed), 1);
        let row = app.finished_pack(id).await;
        let zip = app.download(id).await;
        assert_eq!(std::fs::metadata(&zip).unwrap().len(), row["size_bytes"].as_u64().unwrap());
        let (code, said) = app.exit(&["verify", zip.to_str().unwrap()]);
        assert_eq!(code, 0, "{said}");
    }
}

fn is_zip(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|extension| extension == "zip")
}

/// The run that builds a pack: `select {column} from engine.runs` of it.
pub(crate) fn of_run(app: &App, id: &str, column: &str) -> String {
    let statement = format!(
        "select {column} from engine.runs
          where id = (select workflow_run_id from audit_exports where id = '{id}')"
    );
    sql::query(&app.database, &statement)
}

/// Waits until the run that builds a pack fulfils a condition in SQL.
pub(crate) async fn until_run(app: &App, id: &str, condition: &str) {
    wait::until(&format!("a run with {condition}"), LIMIT, async || {
        (of_run(app, id, condition) == "t").then_some(())
    })
    .await;
}

/// Ends the program without warning, makes sure that it was at `step` and had not finished it, and starts it again.
async fn kill_in(app: &mut App, id: &str, step: &str) {
    app.kill();
    let at = of_run(app, id, "state, progress_step");
    assert_eq!(at, format!("running|{step}"), "the kill did not hit the step");
    let recorded = format!(
        "select count(*) from engine.steps where name = '{step}' and state = 'done'
            and run_id = (select workflow_run_id from audit_exports where id = '{id}')"
    );
    assert_eq!(sql::number(&app.database, &recorded), 0, "{step} was over");
    app.spawn().await;
}

#[tokio::test]
async fn a_kill_between_the_work_and_the_checkpoint_of_a_step_up_to_render_still_gives_one_pack() {
    kill_at_checkpoints(true, &STEPS[..4]).await;
}

#[tokio::test]
async fn a_kill_between_the_work_and_the_checkpoint_of_a_step_from_seal_on_still_gives_one_pack() {
    kill_at_checkpoints(false, &STEPS[4..]).await;
}

async fn kill_at_checkpoints(pdf: bool, steps: &[&'static str]) {
    let mut app = app_with_findings(FEW, pdf).await;
    let mut hold = Hold::on(&app.database, steps).await;
    let id = request(&app).await;
    for step in steps {
        hold.reached(step).await;
        app.kill();
        hold.end_sessions().await;
        hold.let_go(step).await;
        kill_in(&mut app, &id, step).await;
    }
    assert_built_once(&app, &[id]).await;
}

#[tokio::test]
async fn a_kill_in_the_middle_of_collect_of_render_and_of_seal_still_gives_one_pack() {
    let mut app = app_with_findings(VERY_MANY, true).await;
    let mut hold = Hold::on(&app.database, &["render"]).await;
    let id = request(&app).await;
    until_run(&app, &id, "progress_step = 'collect' and progress_done between 500 and 25000").await;
    kill_in(&mut app, &id, "collect").await;

    let browser = Browser::of(app.pid());
    wait::until("a page", LIMIT, async || browser.is_ready().then_some(())).await;
    browser.freeze();
    until_run(&app, &id, "progress_step = 'render'").await;
    kill_in(&mut app, &id, "render").await;

    hold.reached("render").await;
    app.freeze();
    hold.let_go("render").await;
    run_in_slices(&app, || app.stored_files().iter().any(|file| is_zip(file)));
    kill_in(&mut app, &id, "seal").await;
    assert_built_once(&app, &[id]).await;
}

/// Lets a frozen program run in slices too short for a step to begin and end in one, until `seen`. It is left frozen.
fn run_in_slices(app: &App, seen: impl Fn() -> bool) {
    let end = std::time::Instant::now() + LIMIT;
    while !seen() {
        assert!(std::time::Instant::now() < end, "it is not seen within {LIMIT:?}");
        app.thaw();
        app.freeze();
    }
}

#[tokio::test]
async fn twenty_kills_at_random_moments_of_runs_under_way_still_give_one_pack_each() {
    let seed: u64 = rand::random();
    note(&format!("the kills' seed: {seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let mut kills = 0;
    while kills < 20 {
        let mut app = app_with_findings(MANY, false).await;
        let mut ids = Vec::new();
        while kills < 20 && ids.len() < PACKS_A_DAY {
            let id = request(&app).await;
            kills += kill_at_random(&mut app, &id, &mut random, 20 - kills).await;
            app.finished_pack(&id).await;
            ids.push(id);
        }
        assert_built_once(&app, &ids).await;
    }
}

/// Ends the program again and again while it drives the run of a pack, each time under another claim; says how often.
async fn kill_at_random(app: &mut App, id: &str, random: &mut StdRng, most: u32) -> u32 {
    let (mut kills, mut epoch) = (0, "0".to_owned());
    while kills < KILLS_PER_RUN.min(most) {
        let claimed = format!("(state = 'running' and epoch > {epoch}) or state = 'succeeded'");
        until_run(app, id, &claimed).await;
        let pause = Duration::from_millis(random.random_range(0..500));
        let paused = tokio::time::timeout(pause, std::future::pending::<()>()).await;
        paused.expect_err("nothing ends the pause but its limit");
        app.kill();
        let state = of_run(app, id, "state");
        epoch = of_run(app, id, "epoch");
        app.spawn().await;
        if state == "succeeded" {
            break;
        }
        assert_eq!(state, "running", "killed under a claim");
        kills += 1;
    }
    kills
}

#[tokio::test]
async fn an_end_on_request_lets_another_process_go_on_at_once() {
    let mut app = app_with_findings(MANY, false).await;
    let id = request(&app).await;
    until_run(&app, &id, "state = 'running'").await;
    app.terminate();
    app.ended().await;
    app.spawn().await;
    assert_built_once(&app, &[id]).await;
}

#[tokio::test]
async fn deleting_a_pack_that_is_being_built_leaves_nothing_in_storage() {
    let app = app_with_findings(MANY, false).await;
    let id = request(&app).await;
    let path = app.path(&format!("audit-exports/{id}"));
    let token = app.token(Person::Owner);
    wait::until("work on the pack", Duration::from_mins(1), async || {
        let row: Value = app.http.get(&path, &token).await.expect(200);
        (row["status"] == "running").then_some(())
    })
    .await;
    app.http.delete(&path, &token).await.expect(204);
    wait::until("the end of the run", Duration::from_mins(1), async || {
        let live =
            "select count(*) from engine.runs where state in ('queued', 'running', 'waiting')";
        (sql::number(&app.database, live) == 0).then_some(())
    })
    .await;
    assert_eq!(app.http.get(&path, &token).await.expect(200)["status"], "deleted");
    wait::until("an empty storage", Duration::from_mins(1), async || {
        app.stored_files().is_empty().then_some(())
    })
    .await;
}
