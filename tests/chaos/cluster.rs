//! A private Postgres that may be stopped at any moment.
//!
//! Invariants: it lives in a temporary folder and is reached through a socket that is closed to other users; it ends with
//! this process, however that ends (the kernel tells it). It commits as in production but for `fsync`: no fault here takes
//! the machine away, so what the kernel was given is not lost, and recovery spends no seconds on syncing a folder.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use engine::Clock;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long Postgres may take to start, recovery included.
const START: Duration = Duration::from_mins(1);
/// The owner of the tables.
const SUPERUSER: &str = "postgres";
/// The role that workers run as.
pub const APP_ROLE: &str = "chaos_app";
/// The database that everything happens in.
const DATABASE: &str = "chaos";

/// A Postgres cluster of one's own.
#[derive(Debug)]
pub struct Cluster {
    dir: TempDir,
    bin: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    /// Creates a cluster, starts it, and makes the database and the role.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("chaos-").tempdir_in("/tmp")?;
        // Passable for the account that Postgres runs as; what is inside is closed.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711))?;
        let mut cluster = Self { dir, bin: binaries()?, server: None };
        cluster.make_data_folder().await?;
        cluster.resume().await?;
        let mut conn =
            PgConnection::connect_with(&cluster.connection(SUPERUSER, "postgres")).await?;
        sqlx::raw_sql("create role chaos_app login").execute(&mut conn).await?;
        sqlx::raw_sql("create database chaos").execute(&mut conn).await?;
        Ok(cluster)
    }

    /// How its superuser connects.
    pub fn as_owner(&self) -> PgConnectOptions {
        self.connection(SUPERUSER, DATABASE)
    }

    /// How workers and clients connect.
    pub fn as_app(&self) -> PgConnectOptions {
        as_app(&self.socket())
    }

    /// The folder of its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A folder for whatever else belongs to the trial.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves the folder behind and says where it is.
    pub fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Stops it at once, as a power cut would.
    pub async fn crash(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        signal(server.id(), Signal::QUIT);
        server.wait().await?;
        Ok(())
    }

    /// Starts it, and waits until it has recovered.
    pub async fn resume(&mut self) -> Result<()> {
        if self.server.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.log())?;
        let data = self.socket();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if is_root()? {
            command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
        }
        command
            .arg(self.bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"])
            .args(["-c", "max_connections=300", "-c", "timezone=UTC", "-c", "shared_buffers=256MB"])
            .args(["-c", "fsync=off"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.server = Some(command.spawn().context("setpriv of util-linux starts Postgres")?);
        self.ready().await
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + START;
        let options = self.connection(SUPERUSER, "postgres");
        loop {
            if let Ok(conn) = PgConnection::connect_with(&options).await {
                let _ = conn.close().await;
                return Ok(());
            }
            let gone =
                self.server.as_mut().is_none_or(|server| !matches!(server.try_wait(), Ok(None)));
            ensure!(
                !gone && Instant::now() < end,
                "Postgres did not start; see {}",
                self.log().display()
            );
            Clock::system().sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("postgres.log")
    }

    fn connection(&self, role: &str, database: &str) -> PgConnectOptions {
        connection(&self.socket(), role, database)
    }

    async fn make_data_folder(&self) -> Result<()> {
        let mut install = Command::new("install");
        install.args(["-d", "-m", "700"]);
        let mut initdb = if is_root()? {
            install.args(["-o", "postgres"]);
            let mut initdb = Command::new("setpriv");
            initdb.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
            initdb.arg(self.bin.join("initdb"));
            initdb
        } else {
            Command::new(self.bin.join("initdb"))
        };
        run(install.arg(self.socket())).await?;
        initdb.args(["-N", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", SUPERUSER, "-D"]);
        run(initdb.arg(self.socket()).current_dir("/")).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // A fast shutdown: unlike an immediate one it leaves nothing behind in shared memory.
        signal(server.id(), Signal::INT);
        // Its folder goes next: nobody may write there any more.
        while matches!(server.try_wait(), Ok(None)) {
            std::thread::yield_now();
        }
    }
}

/// How workers connect to the Postgres whose socket lies in `folder`.
pub fn as_app(folder: &Path) -> PgConnectOptions {
    connection(folder, APP_ROLE, DATABASE)
}

fn connection(folder: &Path, role: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(folder)
        .port(5432)
        .username(role)
        .database(database)
}

/// Sends `signal` to a process of one's own that has not been waited for.
pub(crate) fn signal(pid: Option<u32>, signal: Signal) {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself a moment ago.
        let _ = kill_process(pid, signal);
    }
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// The newest Postgres on the machine.
fn binaries() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("Postgres is not installed")?;
    let folders = versions.flatten().map(|version| version.path().join("bin"));
    let mut found: Vec<_> = folders.filter(|bin| bin.join("postgres").exists()).collect();
    found.sort();
    found.pop().context("no Postgres below /usr/lib/postgresql")
}

async fn run(command: &mut Command) -> Result<()> {
    let out = command.stdin(Stdio::null()).output().await?;
    if !out.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(())
}
