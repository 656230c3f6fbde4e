//! The shipped alert rules in a real Prometheus that scrapes a real driftpack: quiet while all is well, firing when it is not.
//!
//! The rules are those of `monitoring/alerts.yaml`; only how long a thing must last before it is told is shortened here.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use serde_yaml::Value as Yaml;
use tempfile::TempDir;
use tests::app::{App, Options};
use tests::certificate::Certificates;
use tests::cluster::{Redis, free_port};
use tests::{sql, wait};

use crate::crash::PERIOD;
use crate::operator::{edit_the_log, until};

const LIMIT: Duration = Duration::from_mins(1);

/// A Prometheus of the test's own; it ends with the value.
struct Prometheus {
    process: Child,
    url: String,
    _dir: TempDir,
}

impl Prometheus {
    /// Scrapes `target` (`host:port`) twice a second.
    fn start(target: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let work = root.join(".dev");
        std::fs::create_dir_all(&work).unwrap();
        let dir = tempfile::Builder::new().prefix("prometheus-").tempdir_in(work).unwrap();
        let rules = std::fs::read_to_string(root.join("monitoring/alerts.yaml")).unwrap();
        std::fs::write(dir.path().join("alerts.yaml"), hasty(&rules)).unwrap();
        let config = json!({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "scrape_configs": [{"job_name": "driftpack", "static_configs": [{"targets": [target]}]}],
            "rule_files": ["alerts.yaml"],
        });
        std::fs::write(dir.path().join("prometheus.yaml"), config.to_string()).unwrap();
        let port = free_port();
        let log = File::create(dir.path().join("log")).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.path().join("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Debian's package prometheus is installed by `./dev test`");
        Self { process, url: format!("http://127.0.0.1:{port}/api/v1"), _dir: dir }
    }

    async fn ask(&self, path: &str) -> Option<Value> {
        let answer = reqwest::get(format!("{}/{path}", self.url)).await.ok()?;
        let body: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        (body["status"] == "success").then(|| body["data"].clone())
    }

    /// The alerts that fire, by name, each with a label.
    async fn firing(&self) -> Option<Vec<(String, Value)>> {
        let data = self.ask("alerts").await?;
        let alerts = data["alerts"].as_array()?.iter().filter(|alert| alert["state"] == "firing");
        let named = |alert: &Value| {
            (alert["labels"]["alertname"].as_str().unwrap().to_owned(), alert["labels"].clone())
        };
        Some(alerts.map(named).collect())
    }

    /// Waits until this alert fires; its labels.
    async fn fires(&self, name: &str) -> Value {
        wait::until(name, LIMIT, async || {
            let firing = self.firing().await?;
            firing.into_iter().find(|(alert, _)| alert == name).map(|(_, labels)| labels)
        })
        .await
    }

    /// Waits until it has evaluated its rules on what it has scraped.
    async fn has_looked(&self) {
        let found = async |query: &str| {
            let data = self.ask(&format!("query?query={query}")).await?;
            (!data["result"].as_array()?.is_empty()).then_some(())
        };
        wait::until("a scrape", LIMIT, async || found("engine_workers%3E0").await).await;
        wait::until("rules that were looked at since", LIMIT, async || {
            let data = self.ask("rules").await?;
            let rules = data["groups"][0]["rules"].as_array()?;
            rules.iter().all(|rule| rule["health"] == "ok").then_some(())
        })
        .await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The rules, each with a `for` of a second at most.
fn hasty(rules: &str) -> String {
    let mut yaml: Yaml = serde_yaml::from_str(rules).unwrap();
    let groups = yaml["groups"].as_sequence_mut().unwrap();
    for rule in groups.iter_mut().flat_map(|group| group["rules"].as_sequence_mut().unwrap()) {
        if let Some(time) = rule.get_mut("for") {
            *time = "1s".into();
        }
    }
    serde_yaml::to_string(&yaml).unwrap()
}

/// Has a schedule run at once, and waits until its run has ended well.
async fn runs_now(app: &App, operator: &str, (schedule, workflow): (&str, &str)) {
    let ended = format!(
        "select count(*) from engine.runs where workflow = '{workflow}' and state = 'succeeded'"
    );
    let before = sql::number(&app.database, &ended);
    let path = format!("/admin/workflows/schedules/{schedule}/run");
    app.http.post(&path, operator, &json!({})).await.expect(200);
    wait::until(schedule, LIMIT, async || {
        (sql::number(&app.database, &ended) > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn alerts_fire_for_real_when_something_breaks_and_keep_quiet_before() {
    let mut redis = Redis::start();
    let mut app = App::start_with(Options { redis: redis.url(), ..Options::default() }).await;
    let operator = app.platform_admin();
    app.generate("100", PERIOD);
    runs_now(&app, &operator, ("chain_check.nightly", "chain_check.verify")).await;
    let prometheus = Prometheus::start(app.base.trim_start_matches("http://"));
    prometheus.has_looked().await;
    // What was missing before the first scrape is there now, and nothing else is wrong.
    wait::until("all is well", LIMIT, async || {
        prometheus.firing().await.filter(Vec::is_empty).map(drop)
    })
    .await;

    // A chain is edited: the pack that needs it fails, and the check finds it.
    edit_the_log(&app, "actor_id || '!'");
    let pack = app.request_pack(PERIOD.0, PERIOD.1).await;
    until(&app, &pack, "failed").await;
    runs_now(&app, &operator, ("chain_check.weekly", "chain_check.verify")).await;
    assert_eq!(prometheus.fires("DriftpackAuditChainBroken").await["status"], "broken");
    assert_eq!(prometheus.fires("DriftpackRunsFailing").await["workflow"], "compliance_pack.build");

    // A run that no worker can take has waited since long ago.
    let run = "insert into engine.runs (id, workflow, version, state, input, wake_at, created_at)
               values (gen_random_uuid(), 'compliance_pack.build', 99, 'queued', '{}', now() - interval '1 hour', now() - interval '1 hour')";
    sql::query(&app.database, run);
    let stuck = prometheus.fires("DriftpackQueueStuck").await;
    assert_eq!(stuck["workflow"], "compliance_pack.build");

    // Redis goes away, and whoever asks for readiness hears of it.
    redis.stop();
    let fires = prometheus.fires("DriftpackNotReady");
    let asks = async {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            app.http.root(&app.base, "/readyz").await;
        }
    };
    tokio::select! { _ = fires => {}, () = asks => {} }

    // The whole service goes away.
    app.kill();
    prometheus.fires("DriftpackFiguresMissing").await;
}

/// A small file system of its own; it goes with the value.
struct Disk(TempDir);

impl Disk {
    /// # Panics
    /// Where it cannot be mounted: that is for root.
    fn mount(size: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("driftpack-disk-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        assert!(mount.status().unwrap().success(), "mounting a file system is for root");
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", "--"]).arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn alerts_fire_before_the_disk_is_full_and_before_there_is_no_key_to_sign_with() {
    let disk = Disk::mount("16m");
    let settings = vec![("DRIFTWISE_STORAGE_ROOT", disk.0.path().display().to_string())];
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    let prometheus = Prometheus::start(app.base.trim_start_matches("http://"));
    prometheus.has_looked().await;
    app.generate("50", PERIOD);
    let pack = app.request_pack(PERIOD.0, PERIOD.1).await;
    app.finished_pack(&pack).await;
    let ours = ["DriftpackStorageFull", "DriftpackSigningKeyEnds"];
    let firing = prometheus.firing().await.unwrap();
    assert!(firing.iter().all(|(name, _)| !ours.contains(&name.as_str())), "{firing:?}");

    // Somebody else fills the disk, but for a megabyte.
    let filler = disk.0.path().join("somebody-elses");
    std::fs::write(&filler, vec![7; 15 << 20]).unwrap();
    prometheus.fires("DriftpackStorageFull").await;
    std::fs::remove_file(&filler).unwrap();
    wait::until("room again", LIMIT, async || {
        let firing = prometheus.firing().await?;
        firing.iter().all(|(name, _)| name != "DriftpackStorageFull").then_some(())
    })
    .await;

    // The key gets an end that is near; the next one takes it away again.
    let file = app.dir.path().join("signing-key.pem");
    let pem = std::fs::read_to_string(&file).unwrap();
    let soon = sql::query(
        &app.database,
        "select to_char(now() at time zone 'UTC' + interval '3 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    );
    std::fs::write(&file, format!("not_after: {soon}\n{pem}")).unwrap();
    prometheus.fires("DriftpackSigningKeyEnds").await;
    app.run(&["admin", "signing-key", "create", "--days", "365"]);
    wait::until("a key for a year", LIMIT, async || {
        let firing = prometheus.firing().await?;
        firing.iter().all(|(name, _)| name != "DriftpackSigningKeyEnds").then_some(())
    })
    .await;
}

#[tokio::test]
async fn alerts_fire_when_what_removes_old_packs_fails() {
    let app = App::start().await;
    let operator = app.platform_admin();
    app.generate("20", PERIOD);
    let pack = app.request_pack(PERIOD.0, PERIOD.1).await;
    app.finished_pack(&pack).await;
    let prometheus = Prometheus::start(app.base.trim_start_matches("http://"));
    prometheus.has_looked().await;
    // A pack whose time is over, in an installation whose database does not let it be noted.
    sql::query(&app.database, "update audit_exports set expires_at = now() - interval '1 day'");
    sql::query(&app.database, "revoke update on audit_exports from driftpack_app");
    let run = "/admin/workflows/schedules/retention.daily/run";
    app.http.post(run, &operator, &json!({})).await.expect(200);
    let labels = prometheus.fires("DriftpackRunsFailing").await;
    assert_eq!(labels["workflow"], "retention.expire");
}

/// An identity provider as far as the handshake goes; it ends with the value.
struct Handshake(Child);

impl Handshake {
    fn start(port: u16, certificates: &Certificates) -> Self {
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
            .arg(certificates.file("server.pem"))
            .arg("-key")
            .arg(certificates.file("server.key"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Self(process)
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn an_alert_fires_when_the_certificate_of_the_issuer_has_ended_and_the_log_says_that_it_has()
{
    let (port, certificates) = (free_port(), Certificates::lasting(-1));
    let _issuer = Handshake::start(port, &certificates);
    let settings = vec![
        ("DRIFTWISE_OIDC_ISSUER", format!("https://127.0.0.1:{port}")),
        ("DRIFTWISE_OIDC_CLIENT_ID", "driftpack".to_owned()),
        ("DRIFTWISE_OIDC_CLIENT_SECRET", "a secret of this test".to_owned()),
        ("SSL_CERT_FILE", certificates.file("authority.pem").display().to_string()),
    ];
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    let prometheus = Prometheus::start(app.base.trim_start_matches("http://"));
    // As whatever stands before it asks, all the time.
    let ready = format!("{}/readyz", app.base);
    let asking = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            let _ = reqwest::get(&ready).await;
        }
    });
    prometheus.fires("DriftpackNotReady").await;
    asking.abort();
    let log = app.log();
    assert!(log.contains("invalid peer certificate: Expired"), "{log}");
}
