//! A small workflow that fails when it is told to, a worker that runs it, and a platform administrator who looks on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{Clock, Context, DEFAULT, Failure, RunState, RunView, Schedule, Worker, Workflow};
use evidence::org::{Plan, Role};
use poem::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::harness::{Answer, Server, send};

/// Two steps; the second fails for good while the switch is on. Then, if asked to, it waits for a signal.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) waits: bool,
}

impl Workflow for Errand {
    const NAME: &'static str = "test.errand";
    type Output = Value;
    type Ports = AtomicBool;

    async fn run(self, cx: &mut Context<AtomicBool>) -> Result<Value, Failure> {
        cx.step("first", DEFAULT, |_| async { Ok(1) }).await?;
        cx.step("second", DEFAULT, |is_broken| async move {
            if is_broken.load(Ordering::Relaxed) {
                let cause = std::io::Error::other("No space left on device");
                return Err(Failure::permanent(cause).code("storage"));
            }
            Ok(2)
        })
        .await?;
        if self.waits {
            return Ok(cx.wait_for::<Value>("approved", None).await?.unwrap_or_default());
        }
        Ok(json!("done"))
    }
}

/// A server, its administrator, and what a worker of errands needs.
pub(super) struct Office {
    pub(super) server: Server,
    pub(super) admin: String,
    pub(super) is_broken: Arc<AtomicBool>,
    pub(super) owner: PgPool,
}

impl Office {
    pub(super) async fn open(owner: PgPool) -> Self {
        let server = Server::start(owner.clone(), Plan::Team).await;
        let admin = server.member(Role::Owner).await;
        sqlx::query("update users set is_platform_admin = true").execute(&owner).await.unwrap();
        Self { server, admin, is_broken: Arc::default(), owner }
    }

    pub(super) async fn start(&self, errand: Errand, key: &str) -> Uuid {
        let mut conn = self.server.pool.acquire().await.unwrap();
        self.server.state.engine.start(&mut conn, errand).key(key).await.unwrap().run_id
    }

    /// An errand of `key` that has failed in its second step.
    pub(super) async fn failed(&self, key: &str) -> Uuid {
        let run_id = self.start(Errand::default(), key).await;
        self.is_broken.store(true, Ordering::Relaxed);
        self.work(async || self.find(run_id).await.state == RunState::Failed).await;
        self.is_broken.store(false, Ordering::Relaxed);
        run_id
    }

    pub(super) async fn find(&self, run_id: Uuid) -> RunView {
        self.server.state.engine.find(run_id).await.unwrap().unwrap()
    }

    /// Runs a worker until `done`.
    pub(super) async fn work(&self, mut done: impl AsyncFnMut() -> bool) {
        let stop = CancellationToken::new();
        let worker = Worker::builder(self.server.pool.clone(), Arc::clone(&self.is_broken))
            .program("errands 1.0")
            .register::<Errand>()
            .schedule(Schedule::new("errand.yearly", "0 0 1 1 *", "UTC", |_| Errand::default()))
            .build()
            .unwrap();
        let working = tokio::spawn(worker.run(stop.clone()));
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            while !done().await {
                // Between two looks, so that looking does not keep the worker from its work.
                Clock::System.sleep(Duration::from_millis(10)).await;
            }
        });
        let waited = waited.await;
        stop.cancel();
        working.await.unwrap().unwrap();
        waited.expect("it comes to that within half a minute");
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        let path = format!("/api/v2/admin/{path}");
        send(self.server.request(Method::GET, &path).bearer_auth(&self.admin)).await
    }

    /// Posts below `workflows`; null: no body.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        let path = format!("/api/v2/admin/workflows/{path}");
        let request = self.server.request(Method::POST, &path).bearer_auth(&self.admin);
        send(if body.is_null() { request } else { request.json(body) }).await
    }

    pub(super) async fn act(&self, run_id: Uuid, action: &str, body: &Value) -> Answer {
        self.post(&format!("runs/{run_id}/{action}"), body).await
    }

    /// The entries about workflows in the platform's log: action and detail, in order.
    pub(super) async fn platform(&self) -> Vec<(String, Value)> {
        let log = self.get("audit-log?limit=1000").await.json();
        let entries = log["entries"].as_array().unwrap().iter();
        let told = entries
            .map(|entry| (entry["action"].as_str().unwrap().to_owned(), entry["detail"].clone()));
        told.filter(|(action, _)| action.starts_with("workflow_")).collect()
    }

    /// The same of the log of `acme`.
    pub(super) async fn acme(&self) -> Vec<(String, Value)> {
        let entries = self.server.entries().await.into_iter();
        let told = entries.map(|entry| {
            (entry.action, serde_json::from_str(&entry.detail).expect("a detail is JSON"))
        });
        told.filter(|(action, _)| action.starts_with("workflow_")).collect()
    }

    /// Both logs are whole.
    pub(super) async fn assert_logs_are_whole(&self) {
        assert_eq!(self.get("audit-log/verify").await.json()["status"], "ok");
        let acme = self.server.get("audit-log/verify", &self.admin).await.json();
        assert_eq!(acme["status"], "ok");
    }
}
