//! The pack workflow against a real database and a real folder, through everything the engine can do to it.

mod earlier;
mod keys;
mod sent_back;

use std::sync::Arc;

use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome};
use evidence::pack;
use sqlx::PgPool;
use uuid::Uuid;

use super::{BuildPack, STEPS};
use crate::Ports;
use crate::tests::{World, work_until};

impl Harness for World {
    type Workflow = BuildPack;

    async fn make_input(&self, client: &Client) -> Uuid {
        let org = self.org().await;
        self.request(client, org).await
    }

    fn ports(&self) -> Arc<Ports> {
        self.ports.clone()
    }

    async fn check(&self, end: &End) {
        let pack = self.pack(end.run_id);
        let export = self.export(pack).await;
        let artifacts = self.artifacts(pack.export).await;
        assert!(self.chain_is_ok(pack.org).await);
        let completed = self.recorded(pack, "audit_export.completed").await;
        let failed = self.recorded(pack, "audit_export.failed").await;
        match &end.outcome {
            Outcome::Succeeded(_) => {
                assert_eq!((completed, failed, artifacts.len()), (1, 0, 1));
                assert_eq!(export.object_key.as_deref(), Some(artifacts[0].as_str()));
                assert!(!self.staged().await.contains(&end.run_id), "staged objects are left");
                let report = self.verdict(self.bytes(&artifacts[0]).await);
                assert_eq!(report.exit_code, 0, "{report:#?}");
            }
            // The last step only sweeps: by then the pack is done, whatever becomes of the run.
            _ if completed == 1 => assert_eq!((failed, artifacts.len()), (0, 1)),
            _ => {
                assert_eq!((completed, failed), (0, 1));
                assert_eq!(export.status, db::exports::Status::Failed);
                assert!(export.error_message.is_some() && export.finished_at.is_some());
                assert_eq!(export.object_key, None);
            }
        }
    }
}

#[sqlx::test(migrations = false)]
async fn the_pack_survives_everything_that_can_happen_to_a_run(owner: PgPool) {
    let world = World::new(owner).await;
    let report = exercise(&world, &world.ports.pool, &world.clock).await;
    let steps: Vec<_> = report.steps.iter().map(|step| step.name.clone()).collect();
    assert_eq!(steps, STEPS);
    assert!(report.scenarios > 50, "{report:?}");
}

#[sqlx::test(migrations = false)]
async fn a_pack_says_the_same_over_few_connections_and_over_many(owner: PgPool) {
    let mut world = World::new(owner).await;
    let org = world.org().await;
    let mut answers = Vec::new();
    // Of two, the exceptions get none of their own.
    for connections in 2..=4 {
        world = world.with_connections(connections);
        let client = Client::new(world.ports.pool.clone());
        let run_id = world.request(&client, org).await;
        work_until(&world, async || is_over(&client, run_id).await).await;
        let export = world.export(world.pack(run_id)).await;
        let zip = world.bytes(&export.object_key.unwrap().parse().unwrap()).await;
        answers.push((entry(zip.clone(), pack::EXCEPTIONS), entry(zip.clone(), pack::SCANS)));
        let report = world.verdict(zip);
        assert_eq!(report.exit_code, 0, "{report:#?}");
    }
    assert!(answers[0].0.lines().count() > 1, "there are exceptions");
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

async fn is_over(client: &Client, run_id: Uuid) -> bool {
    client.find(run_id).await.unwrap().unwrap().ended_at.is_some()
}

#[sqlx::test(migrations = false)]
async fn with_chromium_the_pack_has_a_report_and_verifies(owner: PgPool) {
    let chromium =
        render::Chromium::launch(render::Options { sandbox: false, ..Default::default() });
    let world = World::new(owner).await.with_renderer(chromium.await.unwrap());
    let client = Client::new(world.ports.pool.clone());
    let run_id = world.request(&client, world.org().await).await;
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    assert_eq!(export.status, db::exports::Status::Done, "{:?}", client.find(run_id).await);
    assert_eq!(export.pdf_included, Some(true));
    let entries = export.entries.unwrap().0;
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let expected: Vec<_> = pack::ENTRIES.iter().filter(|name| **name != pack::TIME_STAMP).collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), expected);
    let zip = world.bytes(&export.object_key.unwrap().parse().unwrap()).await;
    let report = world.verdict(zip);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    world.ports.renderer.as_ref().unwrap().close().await;
}

#[sqlx::test(migrations = false)]
async fn the_index_states_the_hash_of_every_entry_that_comes_before_it(owner: PgPool) {
    let world = World::new(owner).await;
    let client = Client::new(world.ports.pool.clone());
    let run_id = world.request(&client, world.org().await).await;
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    let zip = world.bytes(&export.object_key.unwrap().parse().unwrap()).await;
    let index = entry(zip, pack::INDEX_HTML);
    for entry in export.entries.unwrap().0 {
        assert!(index.contains(&format!("href=\"{}\"", entry.name)), "{}", entry.name);
        let is_later = [pack::INDEX_HTML, pack::CHAIN_ATTESTATION, pack::MANIFEST]
            .contains(&entry.name.as_str());
        assert_eq!(index.contains(&entry.sha256), !is_later, "{}", entry.name);
    }
    for table in bundle::section::ALL {
        for column in table.columns {
            assert!(index.contains(&format!("<code>{}</code>", column.name)), "{}", column.name);
        }
    }
}

/// Holds a run before `publish_object` (its target folder cannot be made), rewinds it to each checkpoint, and compares.
#[sqlx::test(migrations = false)]
async fn a_run_that_goes_on_from_any_checkpoint_seals_the_same_bytes(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let barrier = world.folder.path().join("artifacts");
    std::os::unix::fs::symlink("/sys/kernel", &barrier).unwrap();
    let run_id = world.request(&client, world.org().await).await;
    let mut seen = Vec::new();
    for kept in (2..=6).rev() {
        let stuck = async || {
            let steps = client.steps(run_id).await.unwrap();
            steps.iter().any(|step| step.name == "publish_object" && step.attempts > 0)
        };
        work_until(&world, stuck).await;
        let steps = client.steps(run_id).await.unwrap();
        let seal = steps.iter().find(|step| step.name == "seal").unwrap();
        seen.push(seal.output.as_ref().unwrap()["sha256"].clone());
        rewind(&owner, run_id, kept).await;
    }
    std::fs::remove_file(&barrier).unwrap();
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    seen.push(hex::encode(export.sha256.unwrap()).into());
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|sha256| *sha256 == seen[0]), "{seen:?}");
}

/// Forgets what came after the first `kept` steps.
async fn rewind(owner: &PgPool, run_id: Uuid, kept: i32) {
    let forget = "delete from engine.steps where run_id = $1 and seq > $2";
    sqlx::query(forget).bind(run_id).bind(kept).execute(owner).await.unwrap();
    let due = "update engine.runs
                  set state = 'queued', wake_at = created_at, owner = null, lease_until = null
                where id = $1";
    sqlx::query(due).bind(run_id).execute(owner).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_tampered_audit_log_makes_no_pack_and_says_so(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let run_id = world.request(&client, org).await;
    tamper(&owner, org.0.0, "nobody").await;
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    assert_eq!(export.error_code.as_deref(), Some("chain_broken"));
    let message = export.error_message.unwrap();
    assert!(message.contains("audit log does not verify"), "{message}");
    assert_eq!(export.object_key, None);
}

#[sqlx::test(migrations = false)]
async fn a_period_that_is_not_over_by_the_database_s_clock_is_waited_for(owner: PgPool) {
    let world = World::new(owner).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let run_id = world.request_until(&client, org, chrono::Duration::hours(1)).await;
    let failed = async || client.attempts(run_id).await.unwrap().iter().any(|a| a.error.is_some());
    work_until(&world, failed).await;
    let attempts = client.attempts(run_id).await.unwrap();
    let error = attempts.iter().find_map(|attempt| attempt.error.clone()).unwrap();
    assert_eq!(error.code.as_deref(), Some("database_clock"), "{error:?}");
    assert!(!is_over(&client, run_id).await);
}

#[sqlx::test(migrations = false)]
async fn every_stated_query_gives_the_stated_rows_when_it_is_asked_again(owner: PgPool) {
    let world = World::new(owner.clone()).await;
    let client = Client::new(world.ports.pool.clone());
    let run_id = world.request(&client, world.org().await).await;
    work_until(&world, async || is_over(&client, run_id).await).await;
    let export = world.export(world.pack(run_id)).await;
    let zip = world.bytes(&export.object_key.unwrap().parse().unwrap()).await;
    let provenance = provenance(zip);
    let mut asked = 0;
    for section in &provenance.sections {
        for query in &section.queries {
            let rows = ask(&owner, query).await;
            asked += 1;
            // An entry that has rows has one query, and its rows are those.
            if let Some(stated) = section.rows {
                assert_eq!((section.queries.len(), rows), (1, stated), "{}", section.entry);
            }
        }
    }
    for query in &provenance.sequence_gaps.queries {
        // Nothing was taken away here, so that retention has nothing to tell.
        let rows = u64::from(query.name != "retention");
        assert_eq!(ask(&owner, query).await, rows, "{}", query.name);
    }
    let changes = &provenance.changes;
    assert_eq!(ask(&owner, &changes.queries[0]).await, changes.actions.len() as u64);
    assert!(asked > 15, "{asked}");
}

pub(crate) fn provenance(zip: Vec<u8>) -> bundle::provenance::Provenance {
    bundle::provenance::Provenance::parse(entry(zip, pack::PROVENANCE).as_bytes()).unwrap()
}

/// An entry of a pack, as text.
fn entry(zip: Vec<u8>, name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack.zip");
    std::fs::write(&path, zip).unwrap();
    let mut unzip = std::process::Command::new("unzip");
    let unzipped = unzip.arg("-p").arg(&path).arg(name).output().unwrap();
    String::from_utf8(unzipped.stdout).unwrap()
}

/// How many rows a statement gives with the parameters that stand beside it, asked as anybody could with `psql`.
async fn ask(owner: &PgPool, query: &bundle::provenance::Query) -> u64 {
    let mut conn = owner.acquire().await.unwrap();
    let values: Vec<String> = (1..=query.parameters.len())
        .map(|at| format!("'{}'", query.parameters[&format!("${at}")]))
        .collect();
    let prepare = format!("prepare asked as {}", query.sql);
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut *conn).await.unwrap();
    let execute = format!("execute asked({})", values.join(", "));
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(execute)).fetch_all(&mut *conn).await.unwrap();
    sqlx::raw_sql("deallocate asked").execute(&mut *conn).await.unwrap();
    rows.len() as u64
}

/// What only the owner of the tables can do.
async fn tamper(owner: &PgPool, chain: Uuid, actor_id: &str) {
    let mut tx = owner.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    let edit = "update admin_audit_log set actor_id = $2 where chain = $1 and seq = 2";
    let edited = sqlx::query(edit).bind(chain).bind(actor_id).execute(&mut *tx).await.unwrap();
    assert_eq!(edited.rows_affected(), 1);
    tx.commit().await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn the_second_pack_names_the_first_one(owner: PgPool) {
    let world = World::new(owner).await;
    let client = Client::new(world.ports.pool.clone());
    let org = world.org().await;
    let mut reports = Vec::new();
    for _ in 0..2 {
        let run_id = world.request(&client, org).await;
        work_until(&world, async || is_over(&client, run_id).await).await;
        let export = world.export(world.pack(run_id)).await;
        let zip = world.bytes(&export.object_key.unwrap().parse().unwrap()).await;
        reports.push((zip.clone(), world.verdict(zip)));
    }
    let older = bundle::verify::Older { name: "first.zip".into(), report: reports[0].1.clone() };
    let options = bundle::verify::Options {
        keys: world.ports.proof.keys.public(),
        against: vec![older],
        ..bundle::verify::Options::default()
    };
    let report = bundle::verify::verify(std::io::Cursor::new(reports[1].0.clone()), &options);
    assert_eq!(report.exit_code, 0, "{report:#?}");
}
