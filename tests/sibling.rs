//! Further servers and workers of a running driftpack: the same database, Redis, storage and issuer, another port.

use std::path::PathBuf;
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
    log: PathBuf,
    process: Child,
}

impl Sibling {
    /// Starts `driftpack serve` beside `app` and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn of(app: &App) -> Self {
        Self::with(app, &[]).await
    }

    /// The same with other settings, by environment variable.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn with(app: &App, settings: &[(&str, &str)]) -> Self {
        Self::start(app, ("serve", "DRIFTWISE_LISTEN"), settings).await
    }

    /// Starts `driftpack worker` beside `app` and waits until it shows that it lives.
    ///
    /// # Panics
    /// When it does not.
    pub async fn worker(app: &App) -> Self {
        Self::worker_with(app, &[]).await
    }

    /// The same with other settings, by environment variable.
    ///
    /// # Panics
    /// When it does not show that it lives.
    pub async fn worker_with(app: &App, settings: &[(&str, &str)]) -> Self {
        Self::start(app, ("worker", "DRIFTWISE_WORKER_LISTEN"), settings).await
    }

    async fn start(app: &App, (command, listen): (&str, &str), settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let path = app.dir.path().join(format!("{command}-{port}.log"));
        let log = std::fs::File::create(&path).expect("the test's folder is writable");
        let mut program = Command::new(setting::program());
        program.arg(command).env_clear().envs(app.environment().iter().cloned());
        program
            .env(listen, format!("127.0.0.1:{port}"))
            .env("DRIFTWISE_DATABASE_CONNECTIONS", "10");
        if !app.environment().iter().any(|(name, _)| name == "DRIFTWISE_OIDC_ISSUER") {
            let issuer = std::fs::read_to_string(app.dir.path().join("dev-issuer.address"));
            let issuer = issuer.expect("the embedded issuer has written down where it is");
            program.env("DRIFTWISE_OIDC_ISSUER", format!("http://{}", issuer.trim()));
        }
        let process = program
            .envs(settings.iter().copied())
            .current_dir(app.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the program was built");
        let base = format!("http://127.0.0.1:{port}");
        let root = Client::new(&base);
        wait::until("an answer of a further process", Duration::from_mins(1), async || {
            let alive = root.request(reqwest::Method::GET, "/healthz", "").send().await;
            alive.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        Self { http: Client::new(&format!("{base}/api/v2")), base, log: path, process }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
