//! What was answered is on disk, though the audit chain is let go before it is: see the README of `db`, "The flush is shared".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tests::app::{App, Options, Person};
use tests::cluster::Postgres;
use tests::plan::plan;
use tests::{sql, wait};

const LIMIT: Duration = Duration::from_mins(1);
const WRITERS: usize = 8;
/// Answers to wait for before each crash, so that all writers are at it.
const ANSWERS: usize = 60;

/// Where a commit that nobody waits for stays in memory for seconds.
fn slow_to_flush() -> Postgres {
    let cluster = Postgres::start();
    set(&cluster, "wal_writer_delay", "10s");
    cluster
}

fn set(cluster: &Postgres, setting: &str, value: &str) {
    sql::query(&cluster.url(), &format!("alter system set {setting} = '{value}'"));
    sql::query(&cluster.url(), "select pg_reload_conf()");
}

async fn start(cluster: &Postgres) -> App {
    let settings = vec![("DRIFTWISE_WRITES_PER_MINUTE", "1000000".to_owned())];
    App::start_with(Options { postgres: cluster.url(), settings, ..Options::default() }).await
}

/// A writer with a state source of its own.
#[derive(Clone)]
struct Writer {
    app: tests::http::Client,
    path: String,
    token: String,
}

impl Writer {
    fn of(app: &App, source: &str) -> Self {
        let path = app.path(&format!("scans?state_source={source}"));
        Self { app: app.http.clone(), path, token: app.token(Person::Owner) }
    }

    /// Hands a scan in; its id, if there was an answer that says so.
    async fn hand_in(&self, minute: usize) -> Option<String> {
        let at = format!(
            "2026-01-{:02}T{:02}:{:02}:00Z",
            1 + minute / 1440,
            minute / 60 % 24,
            minute % 60
        );
        let request = self.app.request(Method::POST, &self.path, &self.token);
        let body = plan(&at, &[]).to_string();
        let answer =
            request.header("content-type", "application/json").body(body).send().await.ok()?;
        if answer.status() != 201 {
            return None;
        }
        let scan: Value = answer.json().await.ok()?;
        Some(scan["id"].as_str().expect("a scan has an id").to_owned())
    }
}

/// Hands scans in from many sides until the database is gone; gives the ids of those that were answered.
async fn hand_in_until_it_crashes(app: &App, cluster: &Postgres, round: usize) -> Vec<String> {
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let is_over = Arc::new(AtomicBool::new(false));
    for writer in 0..WRITERS {
        let (told, writer) = (told.clone(), Writer::of(app, &format!("state-{writer}")));
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let mut minute = round * 10_000;
            while !is_over.load(Ordering::Relaxed)
                && let Some(id) = writer.hand_in(minute).await
            {
                told.send(id).expect("the test waits for all writers");
                minute += 1;
            }
        });
    }
    drop(told);
    let mut ids = Vec::new();
    while ids.len() < ANSWERS {
        ids.push(answers.recv().await.expect("scans are taken in"));
    }
    cluster.crash_and_recover();
    is_over.store(true, Ordering::Relaxed);
    while let Some(id) = answers.recv().await {
        ids.push(id);
    }
    ids
}

/// How many of these scans are not there, or not in the audit log exactly once.
fn missing(app: &App, ids: &[String]) -> i64 {
    let ids = ids.join("','");
    let query = format!(
        "select count(*) from unnest(array['{ids}']) told (id)
          where not exists (select from scans where scans.id::text = told.id)
             or 1 <> (select count(*) from admin_audit_log entry
                       where action = 'scan.ingested' and entry.detail::jsonb ->> 'scan_id' = told.id)"
    );
    sql::number(&app.database, &query.replace('\n', " "))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash_of_postgres_under_many_writers_and_the_chain_has_no_fork()
 {
    let cluster = slow_to_flush();
    let app = start(&cluster).await;
    let mut ids = Vec::new();
    for round in 0..3 {
        ids.extend(hand_in_until_it_crashes(&app, &cluster, round).await);
        wait::until("readiness", LIMIT, async || {
            (app.http.get_root(&app.base, "/readyz").await == 200).then_some(())
        })
        .await;
        assert_eq!(missing(&app, &ids), 0, "of {} answered scans", ids.len());
        let verify = app.path("audit-log/verify");
        let verdict = app.http.get(&verify, &app.token(Person::Owner)).await.expect(200);
        assert_eq!(verdict["status"], "ok", "{verdict}");
    }
    let query =
        format!("select count(*) - max(seq) from admin_audit_log where chain = '{}'", app.org);
    assert_eq!(sql::number(&app.database, &query), 0, "positions are 1, 2, 3 and so on");
}

#[tokio::test]
async fn the_chain_is_free_while_a_writer_waits_and_nobody_is_answered_before_the_wait_is_over() {
    let cluster = Postgres::start();
    let app = start(&cluster).await;
    let writers = [Writer::of(&app, "one"), Writer::of(&app, "two")];
    for writer in &writers {
        writer.hand_in(0).await.expect("an answer");
    }
    let entries = format!(
        "select count(*) from admin_audit_log where chain = '{}' and action = 'scan.ingested'",
        app.org
    );
    // A commit that waits now waits for a replica that is not there.
    set(&cluster, "synchronous_standby_names", "nobody");
    let waiting = writers.map(|writer| tokio::spawn(async move { writer.hand_in(1).await }));
    wait::until("the entries of both", LIMIT, async || {
        (sql::number(&app.database, &entries) == 4).then_some(())
    })
    .await;
    // To lock a row is to write, and that must not wait.
    let head = format!(
        "set synchronous_commit = off; select seq from audit_chain_heads where chain = '{}' for update nowait",
        app.org
    );
    sql::number(&app.database, &head);
    assert!(
        waiting.iter().all(|writer| !writer.is_finished()),
        "an answer came before the wait was over"
    );
    set(&cluster, "synchronous_standby_names", "");
    for writer in waiting {
        writer.await.expect("a writer").expect("an answer");
    }
}
