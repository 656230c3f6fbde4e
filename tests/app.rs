//! One running driftpack: its database, its folder, its processes.
//!
//! `App::start` gives the program as `driftpack all` runs it; a test may end it without warning and start it again.
//! Everything a test makes is gone when the value is dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::free_port;
use crate::http::Client;
use crate::{setting, sql, wait};

/// How long a pack of a small org may take, Chromium's start on a busy machine included.
const PACK_LIMIT: Duration = Duration::from_mins(2);

/// What differs between tests.
pub struct Options {
    /// The superuser's URL of the cluster that gets the database.
    pub postgres: String,
    pub redis: String,
    /// Whether Chromium renders `summary.pdf`. It is what takes most of a small pack's time.
    pub pdf: bool,
    /// Settings on top, by environment variable.
    pub settings: Vec<(&'static str, String)>,
    /// The port of the API, where somebody must know it before the start.
    pub port: Option<u16>,
    /// What stands as password in the URLs of the database. The tests' server asks nobody for one.
    pub password: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            postgres: setting::postgres_url(),
            redis: setting::redis_url(),
            pdf: false,
            settings: Vec::new(),
            port: None,
            password: None,
        }
    }
}

/// A driftpack of its own.
pub struct App {
    pub dir: TempDir,
    pub base: String,
    pub http: Client,
    /// The organisation `acme`, plan enterprise, with a user of each role.
    pub org: String,
    /// The superuser's URL of the app's database: sees every row, row-level security or not.
    pub database: String,
    environment: Vec<(String, String)>,
    process: Option<Child>,
    maintenance: String,
}

/// A person of the dev issuer, or nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Person {
    Owner,
    Admin,
    Member,
    Viewer,
}

impl Person {
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }
}

impl App {
    /// Starts with the default options.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Makes a database, migrates it, starts the program and creates the organisation `acme`.
    ///
    /// # Panics
    /// When any of it fails; the program's own words are in the panic.
    pub async fn start_with(options: Options) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("driftpack-it-")
            .tempdir()
            .expect("the temporary folder is writable");
        let name = format!("it_{:016x}", rand::random::<u64>());
        sql::query(&options.postgres, &ROLES.replace('\n', " "));
        sql::query(&options.postgres, &format!("create database {name} owner driftpack_owner"));
        let database = sql::with_database(&options.postgres, &name);
        let port = options.port.unwrap_or_else(free_port);
        let mut app = Self {
            base: format!("http://127.0.0.1:{port}"),
            http: Client::new(&format!("http://127.0.0.1:{port}/api/v2")),
            org: String::new(),
            environment: environment(dir.path(), port, &database, &options),
            process: None,
            maintenance: options.postgres,
            database,
            dir,
        };
        app.run(&["migrate"]);
        app.spawn().await;
        app.org = app.create_org("acme", "enterprise");
        app
    }

    /// Creates an organisation with a user of each role; returns its id.
    pub fn create_org(&self, slug: &str, plan: &str) -> String {
        let made = self.run_json(&[
            "admin", "org", "create", "--slug", slug, "--name", slug, "--plan", plan, "--json",
        ]);
        for person in Person::ALL {
            self.add_member(slug, &email(slug, person), person);
        }
        made["id"].as_str().expect("the program prints the id").to_owned()
    }

    /// Makes the person whose subject and address are both `who` a member.
    pub fn add_member(&self, slug: &str, who: &str, role: Person) {
        let person = ["--email", who, "--sub", who, "--role", role.name()];
        self.run(&[&["admin", "member", "add", "--org", slug][..], &person].concat());
    }

    /// A bearer token of a person of `acme`.
    pub fn token(&self, person: Person) -> String {
        self.token_of("acme", person)
    }

    /// A bearer token of a person of another organisation.
    pub fn token_of(&self, slug: &str, person: Person) -> String {
        self.run(&["dev", "token", "--email", &email(slug, person)]).trim().to_owned()
    }

    /// An API key of `acme` with the given scopes, comma-separated.
    pub fn api_key(&self, scopes: &str) -> String {
        self.api_key_of("acme", scopes).1
    }

    /// An API key of an organisation with the given scopes; its id and the key.
    pub fn api_key_of(&self, slug: &str, scopes: &str) -> (String, String) {
        let made = self.run_json(&[
            "admin", "api-key", "create", "--org", slug, "--name", scopes, "--scopes", scopes,
            "--json",
        ]);
        let text = |name: &str| made[name].as_str().expect("the program prints it once").to_owned();
        (text("id"), text("key"))
    }

    /// A token of a person who administers the platform and is a member nowhere.
    pub fn platform_admin(&self) -> String {
        let email = "ops@platform.example";
        self.run(&["admin", "member", "platform-admin", "--email", email]);
        self.run(&["dev", "token", "--email", email]).trim().to_owned()
    }

    /// The same program with other settings, by environment variable; gives its exit code with what it printed.
    pub fn exit_with(&self, settings: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
        exit(self.command(arguments).envs(settings.iter().copied()))
    }

    /// The path of an endpoint of `acme`.
    pub fn path(&self, rest: &str) -> String {
        format!("/orgs/{}/{rest}", self.org)
    }

    /// Uploads a scan as the owner; gives the answer's body.
    pub async fn ingest(&self, source: &str, plan: &Value) -> Value {
        let path = self.path(&format!("scans?state_source={source}"));
        self.http.upload(&path, &self.token(Person::Owner), plan.to_string()).await.expect(201)
    }

    /// Requests a pack as the owner; gives its id.
    pub async fn request_pack(&self, start: &str, end: &str) -> String {
        let body = json!({"period_start": start, "period_end": end});
        let row = self
            .http
            .post(&self.path("audit-exports"), &self.token(Person::Owner), &body)
            .await
            .expect(202);
        row["id"].as_str().expect("a row has an id").to_owned()
    }

    /// Fills `acme` with generated findings of a time, always the same ones.
    pub fn generate(&self, findings: &str, (from, to): (&str, &str)) {
        self.run(&[
            "dev",
            "generate",
            "--findings",
            findings,
            "--seed",
            "7",
            "--from",
            from,
            "--to",
            to,
        ]);
    }

    /// Waits until a pack is done; gives its row.
    pub async fn finished_pack(&self, id: &str) -> Value {
        let (path, token) = (self.path(&format!("audit-exports/{id}")), self.token(Person::Owner));
        wait::until("the pack", PACK_LIMIT, async || {
            let row = self.http.get(&path, &token).await.expect(200);
            assert!(row["status"] != "failed", "the pack failed: {row}");
            (row["status"] == "done").then_some(row)
        })
        .await
    }

    /// Downloads a pack into the test's folder.
    pub async fn download(&self, id: &str) -> PathBuf {
        let path = self.path(&format!("audit-exports/{id}/download"));
        let answer = self.http.get(&path, &self.token(Person::Owner)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let file = self.dir.path().join(format!("{id}.zip"));
        std::fs::write(&file, &answer.body).expect("the test's folder is writable");
        file
    }

    /// Ends the program as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child can be ended");
            process.wait().expect("our own child can be waited for");
        }
    }

    /// Stops the program without ending it.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen program go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Asks the program to finish.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the program runs");
    }

    /// Waits until the program, asked to end, has ended; it must do so without an error.
    pub async fn ended(&mut self) {
        let mut process = self.process.take().expect("the program runs");
        let status = wait::until("the program's end", Duration::from_secs(40), async || {
            process.try_wait().expect("our own child can be waited for")
        })
        .await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// The id of the running program.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the program runs").id()
    }

    /// Starts the program and waits until it answers.
    pub async fn spawn(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("the log can be written");
        let child = self
            .command(&["all"])
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        self.process = Some(child.expect("the program was built"));
        let client = self.http.clone();
        let base = Client::new(&self.base);
        wait::until(
            &format!("an answer ({})", self.log_file().display()),
            Duration::from_mins(1),
            async || {
                let alive = base.request(reqwest::Method::GET, "/healthz", "").send().await;
                alive.ok().filter(|a| a.status().is_success())
            },
        )
        .await;
        self.http = client;
        let log = self.log();
        assert!(
            !log.contains("is no setting"),
            "a test sets what the program does not know: {log}"
        );
    }

    /// What the program has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("driftpack.log")
    }

    /// The folder that holds the packs.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// Every file in storage, as paths relative to it.
    pub fn stored_files(&self) -> Vec<String> {
        let mut found = files(&self.storage());
        found.retain(|file| file != ".driftpack-storage");
        found
    }

    /// Runs the program to its end and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let out = self.command(arguments).output().expect("the program was built");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "driftpack {}: {said}", arguments.join(" "));
        String::from_utf8(out.stdout).expect("the program speaks UTF-8")
    }

    /// Runs the program and gives its exit code with what it printed on both streams.
    pub fn exit(&self, arguments: &[&str]) -> (i32, String) {
        exit(&mut self.command(arguments))
    }

    fn run_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).expect("--json prints JSON")
    }

    /// The settings of the program, by environment variable.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(setting::program());
        command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(self.dir.path());
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }
}

fn exit(command: &mut Command) -> (i32, String) {
    let out = command.output().expect("the program was built");
    let said = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(40).collect::<Vec<_>>();
            let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            note(&format!("the program's last words:\n{tail}"));
        }
        let name = sql::database(&self.database);
        sql::query(&self.maintenance, &format!("drop database if exists {name} with (force)"));
    }
}

/// Says something that is shown when the test fails.
#[expect(clippy::print_stderr, reason = "the runner keeps it for failed tests")]
pub fn note(text: &str) {
    eprintln!("{text}");
}

/// Every file below a folder, as sorted paths relative to it.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

/// The two roles of an installation: one owns the tables, one serves. Safe when several tests start at once.
const ROLES: &str = "do $$ begin
    perform pg_advisory_xact_lock(7301);
    if not exists (select from pg_roles where rolname = 'driftpack_owner') then
        create role driftpack_owner login createrole; end if;
    if not exists (select from pg_roles where rolname = 'driftpack_app') then
        create role driftpack_app login; end if;
    alter role driftpack_app login;
end $$";

fn email(slug: &str, person: Person) -> String {
    format!("{}@{slug}.example", person.name())
}

fn environment(dir: &Path, port: u16, database: &str, options: &Options) -> Vec<(String, String)> {
    let text = |path: &str| dir.join(path).display().to_string();
    let role = |name: &str| match options.password {
        None => sql::with_role(database, name),
        Some(password) => sql::with_role(database, &format!("{name}:{password}")),
    };
    let mut all = vec![
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME", text("")),
        ("DRIFTWISE_ENV", "development".to_owned()),
        ("DRIFTWISE_LISTEN", format!("127.0.0.1:{port}")),
        ("DRIFTWISE_BASE_URL", format!("http://127.0.0.1:{port}")),
        ("DRIFTWISE_DATABASE_URL", role("driftpack_app")),
        ("DRIFTWISE_MIGRATION_DATABASE_URL", role("driftpack_owner")),
        ("DRIFTWISE_REDIS_URL", options.redis.clone()),
        ("DRIFTWISE_API_KEY_PEPPER", "0123456789abcdef0123456789abcdef".to_owned()),
        ("DRIFTWISE_STORAGE_ROOT", text("storage")),
        ("DRIFTWISE_SIGNING_KEY_FILE", text("signing-key.pem")),
        ("DRIFTWISE_PDF_ENABLED", options.pdf.to_string()),
        ("DRIFTWISE_CHROMIUM_SANDBOX", "false".to_owned()),
        ("DRIFTWISE_LOG_FORMAT", "json".to_owned()),
    ];
    all.extend(options.settings.iter().map(|(name, value)| (*name, value.clone())));
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push(
                path.strip_prefix(root).expect("a file below the root").display().to_string(),
            );
        }
    }
}
