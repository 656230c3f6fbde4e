//! Further servers and workers of a running driftpack: the same database, Redis, storage and issuer, another port.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::app::App;
use crate::cluster::free_port;
use crate::http::Client;
use crate::{setting, wait};

/// One more process; it ends with the value.
pub struct Sibling {
    pub http: Client,
    /// Where it answers, without a path.
    pub base: String,
    process: Child,
}

impl Sibling {
    /// Starts `driftpack serve` beside `app` and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn of(app: &App) -> Self {
        Self::start(app, "serve", "DRIFTWISE_LISTEN").await
    }

    /// Starts `driftpack worker` beside `app` and waits until it shows that it lives.
    ///
    /// # Panics
    /// When it does not.
    pub async fn worker(app: &App) -> Self {
        Self::start(app, "worker", "DRIFTWISE_WORKER_LISTEN").await
    }

    async fn start(app: &App, command: &str, listen: &str) -> Self {
        let port = free_port();
        let issuer = std::fs::read_to_string(app.dir.path().join("dev-issuer.address"));
        let issuer = issuer.expect("the embedded issuer has written down where it is");
        let log = std::fs::File::create(app.dir.path().join(format!("{command}-{port}.log")));
        let mut program = Command::new(setting::program());
        program.arg(command).env_clear().envs(app.environment().iter().cloned());
        program
            .env(listen, format!("127.0.0.1:{port}"))
            .env("DRIFTWISE_DATABASE_CONNECTIONS", "10")
            .env("DRIFTWISE_OIDC_ISSUER", format!("http://{}", issuer.trim()));
        let process = program
            .current_dir(app.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the test's folder is writable"))
            .spawn()
            .expect("the program was built");
        let base = format!("http://127.0.0.1:{port}");
        let root = Client::new(&base);
        wait::until("an answer of a further process", Duration::from_mins(1), async || {
            let alive = root.request(reqwest::Method::GET, "/healthz", "").send().await;
            alive.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        Self { http: Client::new(&format!("{base}/api/v2")), base, process }
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
