//! A real PgBouncer between here and Postgres: it is noticed in the modes that the engine cannot work with, and only there.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engine::pooler::{Between, probe};
use engine::{Clock, Worker};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// What has to be set so that a PgBouncer lets our connections in at all.
const LENIENT: &str = "ignore_startup_parameters = extra_float_digits,options";
/// How often a pooler must be noticed to be noticed always.
const TIMES: usize = 25;

/// A PgBouncer of the test's own.
struct Bouncer {
    dir: TempDir,
    process: Child,
}

impl Bouncer {
    /// Starts one in front of the server of `options`, with these settings.
    async fn start(options: &PgConnectOptions, settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("chaos-pool-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let host = options
            .get_socket()
            .map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
        let config = format!(
            "[databases]\n* = host={host} port={}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {here}\nauth_type = trust\nauth_file = {here}/users\n{settings}\n",
            options.get_port(),
            here = dir.path().display(),
        );
        let user = options.get_username();
        std::fs::write(dir.path().join("users"), format!("\"{user}\" \"\"\n")).unwrap();
        std::fs::write(dir.path().join("config"), config).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        // PgBouncer refuses to be root.
        if Path::new("/proc/self").metadata().unwrap().uid() == 0 {
            command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
        }
        command.arg("/usr/sbin/pgbouncer").arg(dir.path().join("config")).current_dir("/");
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let bouncer = Self { dir, process };
        bouncer.ready().await;
        bouncer
    }

    async fn ready(&self) {
        let socket = self.dir.path().join(".s.PGSQL.6432");
        let listening = async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                Clock::system().sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), listening).await.expect("PgBouncer listens");
    }

    /// The same database, through it.
    fn through(&self, options: &PgConnectOptions) -> PgConnectOptions {
        options.clone().socket(self.dir.path()).port(6432)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Uses the pooler from other connections until it is stopped, as an application beside the engine would.
fn neighbours(options: &PgConnectOptions, stop: &CancellationToken) -> tokio::task::JoinSet<()> {
    let mut neighbours = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (options, stop) = (options.clone(), stop.clone());
        neighbours.spawn(async move {
            let mut conn = PgConnection::connect_with(&options).await.unwrap();
            while !stop.is_cancelled() {
                sqlx::raw_sql("select pg_sleep(random() / 500)").execute(&mut conn).await.unwrap();
            }
        });
    }
    neighbours
}

/// Whether the pooler with these settings is noticed, every time, also while others use it.
async fn assert_noticed(pool: PgPool, settings: &str) {
    let options = pool.connect_options();
    let bouncer = Bouncer::start(&options, &format!("{LENIENT}\n{settings}")).await;
    let options = bouncer.through(&options);
    for _ in 0..TIMES {
        assert_eq!(probe(&options).await.unwrap(), Between::SharedBackends, "{settings}");
    }
    let stop = CancellationToken::new();
    let neighbours = neighbours(&options, &stop);
    for _ in 0..TIMES {
        assert_eq!(probe(&options).await.unwrap(), Between::SharedBackends, "{settings}, in use");
    }
    stop.cancel();
    neighbours.join_all().await;
}

#[sqlx::test(migrations = false)]
async fn postgres_itself_is_not_taken_for_a_pooler(pool: PgPool) {
    let options = pool.connect_options();
    let stop = CancellationToken::new();
    let neighbours = neighbours(&options, &stop);
    for _ in 0..TIMES {
        assert_eq!(probe(&options).await.unwrap(), Between::Nothing);
    }
    stop.cancel();
    neighbours.join_all().await;
}

#[sqlx::test(migrations = false)]
async fn a_pooler_in_session_mode_is_let_pass(pool: PgPool) {
    let options = pool.connect_options();
    let bouncer = Bouncer::start(&options, &format!("{LENIENT}\npool_mode = session")).await;
    for _ in 0..TIMES {
        let found = probe(&bouncer.through(&options)).await.unwrap();
        assert_eq!(found, Between::Nothing);
    }
}

#[sqlx::test(migrations = false)]
async fn a_pooler_in_transaction_mode_is_noticed(pool: PgPool) {
    assert_noticed(pool, "pool_mode = transaction").await;
}

#[sqlx::test(migrations = false)]
async fn a_pooler_that_goes_round_its_backends_is_noticed(pool: PgPool) {
    // As many backends as there are connections that ask: the same order would give each the same one.
    let settings =
        "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 4\ndefault_pool_size = 4";
    assert_noticed(pool, settings).await;
}

#[sqlx::test(migrations = false)]
async fn a_pooler_with_a_single_backend_is_noticed(pool: PgPool) {
    assert_noticed(pool, "pool_mode = transaction\ndefault_pool_size = 1").await;
}

#[sqlx::test(migrations = false)]
async fn a_pooler_in_statement_mode_is_noticed(pool: PgPool) {
    assert_noticed(pool, "pool_mode = statement").await;
}

#[sqlx::test(migrations = false)]
async fn a_pooler_that_refuses_our_settings_is_told_by_its_words(pool: PgPool) {
    let options = pool.connect_options();
    let bouncer = Bouncer::start(&options, "pool_mode = transaction").await;
    let found = probe(&bouncer.through(&options)).await.unwrap();
    let Between::Refusal(said) = found else { panic!("{found:?}") };
    assert!(said.starts_with("unsupported startup parameter"), "{said}");
}

#[sqlx::test(migrations = false)]
async fn a_migration_and_a_worker_refuse_such_a_pooler_and_say_what_to_do(pool: PgPool) {
    let options = pool.connect_options();
    let settings = format!("{LENIENT}\npool_mode = transaction\ndefault_pool_size = 4");
    let bouncer = Bouncer::start(&options, &settings).await;
    let through = PgPool::connect_lazy_with(bouncer.through(&options));
    let migrated = engine::migrate(&through, options.get_username()).await;
    let worker = Worker::builder(through, std::sync::Arc::new(())).build().unwrap();
    let worked = worker.run(CancellationToken::new()).await;
    for refusal in [migrated, worked] {
        let refusal = refusal.unwrap_err().to_string();
        assert!(refusal.ends_with("a pooler in session mode"), "{refusal}");
    }
}
