//! Servers of a test's own, for tests that stop and start them: a Postgres cluster and a Redis.
//!
//! Both live in a temporary folder and end with the value that stands for them. Postgres is reached through a socket that is
//! closed to other users, Redis on loopback.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::certificate::Certificates;

/// A free TCP port on loopback. Between the answer and its use another process could take it; nobody here does.
///
/// # Panics
/// When loopback has no free port.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A Postgres cluster that a test may restart.
pub struct Postgres {
    dir: TempDir,
    bin: PathBuf,
}

impl Postgres {
    /// Creates and starts a cluster with the durability settings of production.
    ///
    /// # Panics
    /// When the installed Postgres cannot be started.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("driftpack-pg-")
            .tempdir_in("/tmp")
            .expect("/tmp is writable");
        let cluster = Self { dir, bin: postgres_binaries() };
        run(Command::new("chmod").arg("755").arg(cluster.dir.path()));
        Self::make_folder(&cluster.data());
        Self::make_folder(&cluster.backup());
        run(as_owner(&cluster.bin.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-D"])
            .arg(cluster.data()));
        cluster.control("start");
        cluster
    }

    /// The superuser's URL of the maintenance database.
    pub fn url(&self) -> String {
        let folder = self.data().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@localhost/postgres?host={folder}")
    }

    /// Asks these roles for their passwords from now on; all others may still enter as they are.
    ///
    /// # Panics
    /// When the cluster cannot be told.
    pub fn ask_passwords_of(&self, roles: &[&str]) {
        let asked = format!("local all {} scram-sha-256\nlocal all all trust\n", roles.join(","));
        std::fs::write(self.data().join("pg_hba.conf"), asked).expect("the folder is ours");
        crate::sql::query(&self.url(), "select pg_reload_conf()");
    }

    /// Stops the cluster at once, as a power cut would, and starts it again with crash recovery.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn crash_and_recover(&self) {
        self.control("stop");
        self.control("start");
    }

    /// Copies the whole cluster while it works; what is under way at the end of the copy is in it as far as it was committed.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn back_up(&self) {
        let user = ["-U", "postgres", "-h"];
        run(as_owner(&self.bin.join("pg_basebackup"))
            .args(user)
            .arg(self.data())
            .args(["-X", "stream", "-c", "fast", "-D"])
            .arg(self.backup()));
    }

    /// Takes the cluster away without warning, as a disk that breaks would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn destroy(&self) {
        self.control("stop");
        std::fs::remove_dir_all(self.data()).expect("the folder is ours");
    }

    /// Puts the copy in the place of a destroyed cluster.
    ///
    /// # Panics
    /// When there is none, or it does not start.
    pub fn restore(&self) {
        std::fs::rename(self.backup(), self.data())
            .expect("there is a backup and nothing in its way");
        // The sockets lie in the data folder here, so their lock was copied, too; it names a process that is no more.
        let _ = std::fs::remove_file(self.data().join(".s.PGSQL.5432.lock"));
        self.control("start");
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    /// A folder that the cluster's account may write to.
    fn make_folder(folder: &Path) {
        let mut command = Command::new("install");
        command.args(["-d", "-m", "700"]);
        if is_root() {
            command.args(["-o", "postgres"]);
        }
        run(command.arg(folder));
    }

    fn control(&self, action: &str) {
        let options = format!(
            "-c listen_addresses= -k {} -c unix_socket_permissions=0700 -c max_connections=100",
            self.data().display()
        );
        let mut command = as_owner(&self.bin.join("pg_ctl"));
        command
            .arg("-D")
            .arg(self.data())
            .args(["-w", "-t", "60", "-m", "immediate"])
            .arg("-l")
            .arg(self.data().join("log"));
        if action == "start" {
            command.arg("-o").arg(options);
        }
        let done = command.arg(action).stdin(Stdio::null()).stdout(Stdio::null()).status();
        let said = || std::fs::read_to_string(self.data().join("log")).unwrap_or_default();
        assert!(done.is_ok_and(|status| status.success()), "{action}: {}", said());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = as_owner(&self.bin.join("pg_ctl"))
            .arg("-D")
            .arg(self.data())
            .args(["-m", "immediate", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// A Redis that a test may stop.
pub struct Redis {
    dir: TempDir,
    certificates: Option<Certificates>,
    port: u16,
    process: Option<Child>,
}

impl Redis {
    /// Starts a Redis that writes each change to disk.
    ///
    /// # Panics
    /// When the installed Redis cannot be started.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("driftpack-redis-")
            .tempdir()
            .expect("the temporary folder is writable");
        let mut redis = Self { dir, certificates: None, port: free_port(), process: None };
        redis.resume();
        redis
    }

    /// Starts a Redis that speaks nothing but TLS, with a certificate of an authority that nobody knows but who asks
    /// [`Self::authorities`].
    ///
    /// # Panics
    /// When the installed Redis or `openssl` cannot be started.
    pub fn start_with_tls() -> Self {
        let mut redis = Self::start();
        redis.stop();
        redis.certificates = Some(Certificates::lasting(2));
        redis.resume();
        redis
    }

    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The file with the certificate of the authority.
    ///
    /// # Panics
    /// When it speaks no TLS.
    pub fn authorities(&self) -> PathBuf {
        self.certificates.as_ref().expect("it speaks TLS").file("authority.pem")
    }

    /// What the server answers to a command of an operator who knows this password; empty where there is none yet.
    ///
    /// # Panics
    /// When it refuses.
    pub fn command(&self, password: &str, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-e", "-p", &self.port.to_string()]).args(words);
        if !password.is_empty() {
            command.env("REDISCLI_AUTH", password);
        }
        let out = command.output().expect("redis-cli comes with redis-server");
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(out.status.success(), "{words:?}: {said}");
        said
    }

    /// Where to reach it as a client that has this password.
    pub fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}", self.port)
    }

    /// Ends the server; what it acknowledged is on disk.
    ///
    /// # Panics
    /// When it is not running.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("a running Redis is stopped");
        process.kill().expect("our own child can be ended");
        process.wait().expect("our own child can be waited for");
    }

    /// Takes its data away, as a disk that is replaced by an empty one would.
    ///
    /// # Panics
    /// When it runs, or its folder cannot be emptied.
    pub fn lose_data(&mut self) {
        assert!(self.process.is_none(), "a stopped Redis loses its data");
        for entry in std::fs::read_dir(self.dir.path()).expect("the folder is there").flatten() {
            let path = entry.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.expect("the folder is ours");
        }
    }

    /// Starts the server again on the same port with the same data.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn resume(&mut self) {
        let child = Command::new("redis-server")
            .args(self.listening())
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--dir",
            ])
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed by the project's set-up");
        self.process = Some(child);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::yield_now();
        }
    }
}

impl Redis {
    /// What says where, and how, it listens.
    fn listening(&self) -> Vec<OsString> {
        let port = self.port.to_string();
        let Some(certificates) = &self.certificates else {
            return vec!["--port".into(), port.into()];
        };
        let mut words: Vec<OsString> =
            ["--port", "0", "--tls-auth-clients", "no", "--tls-port"].map(OsString::from).into();
        words.push(port.into());
        for (word, file) in [
            ("--tls-ca-cert-file", "authority.pem"),
            ("--tls-cert-file", "server.pem"),
            ("--tls-key-file", "server.key"),
        ] {
            words.extend([word.into(), certificates.file(file).into_os_string()]);
        }
        words
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
    }
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// Postgres refuses to run as root: where the test does, the cluster runs as its own account.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn postgres_binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("Postgres is installed by the project's set-up");
    let mut found: Vec<_> = versions
        .flatten()
        .map(|v| v.path().join("bin"))
        .filter(|b| b.join("pg_ctl").exists())
        .collect();
    found.sort();
    found.pop().expect("an installed Postgres has pg_ctl")
}

fn run(command: &mut Command) {
    let out = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command exists");
    let out = out.wait_with_output().expect("the command ends");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
}
