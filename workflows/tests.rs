//! A world to run workflows in: a database, a folder, a clock, and an organisation with a story.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use bundle::keyring::Keyring;
use bundle::keys::{PublicKeys, SigningKey};
use chrono::Duration;
use db::state_sources::Settings;
use db::{Cause, OrgTx};
use engine::testing::VirtualClock;
use engine::{Client, Time, Worker};
use evidence::action::Actor;
use evidence::chain::{ChainId, Status as ChainStatus};
use evidence::ids::{ExportId, OrgId, StateSourceId, UserId};
use evidence::org::{Plan, Role};
use evidence::scan::{Drift, DriftType, Format, Observation, ScanStatus, SourceKind, Standing};
use evidence::time::Period;
use futures_util::TryStreamExt as _;
use sqlx::PgPool;
use storage::{Key, Options, Storage};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::compliance_pack::BuildPack;
use crate::{Keys, Ports, Product, Proof};

pub(crate) struct World {
    pub(crate) ports: Arc<Ports>,
    pub(crate) clock: VirtualClock,
    pub(crate) folder: tempfile::TempDir,
    /// The exports by their runs.
    pub(crate) requested: Mutex<HashMap<Uuid, BuildPack>>,
}

impl World {
    /// On a fresh database, as the server's role.
    pub(crate) async fn new(owner: PgPool) -> Self {
        let owner = db::testing::migrated(owner).await;
        engine::migrate(&owner, db::APP_ROLE).await.unwrap();
        let pool = db::testing::as_app(&owner).await;
        let now: Time = sqlx::query_scalar("select now()").fetch_one(&pool).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = VirtualClock::starting_at(now);
        let ring = Keyring::new(vec![SigningKey::generate([7; 32])], PublicKeys::default());
        let ring = ring.unwrap();
        let ports = Ports {
            pool,
            storage: Storage::open(&Options::Fs { root: folder.path().into() }).unwrap(),
            renderer: None,
            proof: Proof { keys: Keys::new(ring), authority: None },
            clock: clock.clone().into(),
            product: Product {
                name: "driftpack".into(),
                version: "0.1.0".into(),
                build: "test".into(),
                base_url: "https://drift.example".into(),
                environment: "development".into(),
            },
        };
        Self { ports: Arc::new(ports), clock, folder, requested: Mutex::default() }
    }

    pub(crate) fn with_renderer(mut self, renderer: render::Chromium) -> Self {
        let ports = Ports { renderer: Some(renderer), ..(*self.ports).clone() };
        self.ports = Arc::new(ports);
        self
    }

    /// The application's steps have so many connections.
    pub(crate) fn with_connections(mut self, connections: u32) -> Self {
        let pool = &self.ports.pool;
        let options = pool.options().clone().max_connections(connections);
        let pool = options.connect_lazy_with((*pool.connect_options()).clone());
        self.ports = Arc::new(Ports { pool, ..(*self.ports).clone() });
        self
    }

    fn cause(&self, ago: Duration) -> Cause {
        Cause::new(Actor::system("test"), "test", self.clock.now() - ago)
    }

    /// An organisation with forty days of scans: drift comes, goes, comes back; one scan is partial.
    pub(crate) async fn org(&self) -> (OrgId, UserId) {
        let cause = self.cause(Duration::days(40));
        let mut tx = self.ports.pool.begin().await.unwrap();
        let slug = format!("acme-{:x}", rand::random::<u64>());
        let org = db::orgs::create(&mut tx, &slug, "Acme", Plan::Enterprise, &cause).await.unwrap();
        let profile = db::users::Profile {
            iss: "https://issuer.example",
            sub: &slug,
            email: Some("olivia@acme.example"),
        };
        let user = db::users::upsert(&mut tx, profile, cause.now).await.unwrap();
        db::members::set_role(&mut tx, org.id, user.id, Role::Owner, &cause).await.unwrap();
        let settings = Settings {
            name: "prod".into(),
            kind: SourceKind::S3,
            location: "s3://state/prod".into(),
            expected_scan_interval_hours: Some(24),
            active: true,
        };
        let source = db::state_sources::create(&mut tx, org.id, &settings, &cause).await.unwrap();
        tx.commit().await.unwrap();
        let story: [(i64, ScanStatus, &[&str]); 5] = [
            (38, ScanStatus::Done, &["aws_iam_role.deploy", "aws_s3_bucket.logs"]),
            (30, ScanStatus::Partial, &["aws_iam_role.deploy"]),
            (20, ScanStatus::Done, &["aws_iam_role.deploy"]),
            (10, ScanStatus::Done, &["aws_s3_bucket.logs", "=HYPERLINK(\"http://evil\")"]),
            (2, ScanStatus::Done, &["aws_s3_bucket.logs"]),
        ];
        for (days_ago, status, addresses) in story {
            self.scan(org.id, source.id, (days_ago, status, addresses)).await;
        }
        self.rules(org.id).await;
        self.retired_source(org.id).await;
        (org.id, user.id)
    }

    /// One rule is switched off and on again, another one is left switched off.
    async fn rules(&self, org: OrgId) {
        let mut tx = OrgTx::begin(&self.ports.pool, org).await.unwrap();
        for (name, changes) in
            [("sandbox", vec![(25, false), (15, true)]), ("tags", vec![(12, false)])]
        {
            let mut settings = db::rules::Settings {
                name: name.into(),
                position: 1,
                resource_pattern: format!("{name}.*"),
                attribute_pattern: None,
                drift_type: None,
                risk_level: evidence::risk::CustomLevel::Ignore,
                reason: "nobody minds".into(),
                enabled: true,
            };
            let cause = self.cause(Duration::days(35));
            let rule = db::rules::create(&mut tx, org, &settings, &cause).await.unwrap();
            for (days_ago, enabled) in changes {
                settings.enabled = enabled;
                let cause = self.cause(Duration::days(days_ago));
                db::rules::update(&mut tx, org, rule.id, &settings, &cause).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
    }

    /// A source that is scanned once more after it was taken out of scope.
    async fn retired_source(&self, org: OrgId) {
        let mut tx = OrgTx::begin(&self.ports.pool, org).await.unwrap();
        let mut settings = Settings {
            name: "old".into(),
            kind: SourceKind::Local,
            location: "/srv/old".into(),
            expected_scan_interval_hours: None,
            active: true,
        };
        let cause = self.cause(Duration::days(40));
        let source = db::state_sources::create(&mut tx, org, &settings, &cause).await.unwrap();
        settings.active = false;
        let cause = self.cause(Duration::days(18));
        db::state_sources::update(&mut tx, org, source.id, &settings, &cause).await.unwrap();
        tx.commit().await.unwrap();
        for days_ago in [22, 12] {
            self.scan(org, source.id, (days_ago, ScanStatus::Done, &["aws_instance.old"])).await;
        }
    }

    pub(crate) async fn scan(
        &self,
        org: OrgId,
        state_source: StateSourceId,
        (days_ago, status, addresses): (i64, ScanStatus, &[&str]),
    ) {
        let observed_at = self.clock.now() - Duration::days(days_ago);
        let observation = Observation {
            format: Format::Plan,
            tool: "terraform",
            tool_version: "1.9.0".to_owned().into(),
            observed_at: Some(observed_at),
            status,
            error: None,
            drift_reported: true,
            resources_total: Some(100),
            resources_managed: Some(90),
            drifts: addresses.iter().map(|address| drift(address)).collect(),
            moves: Vec::new(),
            noise: Vec::new(),
            warnings: Vec::new(),
            serial: None,
            lineage: None,
            standing: Standing::default(),
        };
        let ingest = db::scans::Ingest {
            state_source,
            observation,
            observed_at,
            content_sha256: rand::random(),
            bytes: 1_000,
            triggered_by: "user:test".into(),
            ci: serde_json::Map::new(),
            actor: Actor::system("test"),
            origin: "test".into(),
            now: observed_at,
        };
        let mut tx = OrgTx::begin(&self.ports.pool, org).await.unwrap();
        db::scans::ingest(&mut tx, ingest).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Requests a pack of everything so far, as the server does: row, audit entry and run in one transaction.
    pub(crate) async fn request(&self, client: &Client, org: (OrgId, UserId)) -> Uuid {
        self.request_until(client, org, Duration::zero()).await
    }

    /// The same, up to `later` than the database's clock.
    pub(crate) async fn request_until(
        &self,
        client: &Client,
        (org, user): (OrgId, UserId),
        later: Duration,
    ) -> Uuid {
        let cause = self.cause(Duration::zero());
        let mut tx = OrgTx::begin(&self.ports.pool, org).await.unwrap();
        let end: Time =
            sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *tx).await.unwrap();
        let pack = BuildPack { org, export: ExportId(Uuid::from_u128(rand::random())) };
        let started = client.start(&mut tx, pack).key(org).await.unwrap();
        let request = db::exports::Request {
            id: pack.export,
            period: Period::new(cause.now - Duration::days(35), end + later).unwrap(),
            requested_by: user,
            role: Role::Owner,
            workflow_run_id: started.run_id,
        };
        db::exports::request(&mut tx, org, &request, &cause).await.unwrap();
        tx.commit().await.unwrap();
        self.requested.lock().unwrap().insert(started.run_id, pack);
        started.run_id
    }

    pub(crate) fn pack(&self, run_id: Uuid) -> BuildPack {
        self.requested.lock().unwrap()[&run_id]
    }

    pub(crate) async fn export(&self, pack: BuildPack) -> db::exports::Export {
        let mut tx = OrgTx::begin(&self.ports.pool, pack.org).await.unwrap();
        db::exports::get(&mut tx, pack.org, pack.export).await.unwrap()
    }

    /// How often the audit log says `action` of this export.
    pub(crate) async fn recorded(&self, pack: BuildPack, action: &str) -> usize {
        let mut tx = OrgTx::begin(&self.ports.pool, pack.org).await.unwrap();
        let filter = db::chain::Filter {
            limit: 1_000,
            action: Some(action.to_owned()),
            ..db::chain::Filter::default()
        };
        let entries = db::chain::list(&mut tx, ChainId::Org(pack.org), &filter).await.unwrap();
        let of_export = |entry: &&db::chain::Entry| entry.detail.contains(&pack.export.to_string());
        entries.iter().filter(of_export).count()
    }

    pub(crate) async fn chain_is_ok(&self, org: OrgId) -> bool {
        let mut tx = OrgTx::begin(&self.ports.pool, org).await.unwrap();
        let options = db::chain::Options::default();
        let verified = db::chain::verify(&mut tx, ChainId::Org(org), &options).await.unwrap();
        verified.verdict.status == ChainStatus::Ok
    }

    pub(crate) async fn artifacts(&self, export: ExportId) -> Vec<Key> {
        let found = self.ports.storage.artifacts().await.unwrap();
        let found: Vec<storage::Artifact> = found.try_collect().await.unwrap();
        let of_export = found.into_iter().filter(|artifact| artifact.export == export.0);
        of_export.map(|artifact| artifact.key).collect()
    }

    pub(crate) async fn staged(&self) -> Vec<Uuid> {
        self.ports.storage.staged_runs().await.unwrap().try_collect().await.unwrap()
    }

    pub(crate) async fn bytes(&self, key: &Key) -> Vec<u8> {
        let chunks = self.ports.storage.read(key).await.unwrap();
        let chunks: Vec<bytes::Bytes> = chunks.try_collect().await.unwrap();
        chunks.concat()
    }

    /// What the auditor's verifier says of a pack.
    pub(crate) fn verdict(&self, zip: Vec<u8>) -> bundle::verify::Report {
        let options = bundle::verify::Options {
            keys: self.ports.proof.keys.public(),
            ..bundle::verify::Options::default()
        };
        bundle::verify::verify(Cursor::new(zip), &options)
    }
}

/// Runs a worker until `done` says so.
pub(crate) async fn work_until<F>(world: &World, mut done: F)
where
    F: AsyncFnMut() -> bool,
{
    let stop = CancellationToken::new();
    let worker = Worker::builder(world.ports.pool.clone(), world.ports.clone())
        .register::<BuildPack>()
        .register::<crate::chain_check::ChainCheck>()
        .register::<crate::pruning::Pruning>()
        .build()
        .unwrap();
    let working = tokio::spawn(worker.run(stop.clone()));
    let waited = tokio::time::timeout(std::time::Duration::from_mins(1), async {
        while !done().await {
            // Between two looks, so that looking does not keep the worker from its work.
            engine::Clock::System.sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    let waited = waited.await;
    stop.cancel();
    working.await.unwrap().unwrap();
    waited.expect("the run gets there within a minute");
}

fn drift(address: &str) -> Drift {
    Drift {
        address: address.to_owned(),
        resource_type: address.split('.').next().unwrap_or_default().to_owned(),
        resource_name: "x".into(),
        provider: None,
        drift_type: DriftType::Changed,
        changed_attributes: vec!["policy".into()],
    }
}

#[test]
fn names_of_workflows_and_steps_never_change() {
    use engine::Workflow as _;
    insta::assert_debug_snapshot!([
        (BuildPack::NAME, BuildPack::VERSION, &crate::compliance_pack::STEPS[..]),
        (
            crate::DiscardPack::NAME,
            crate::DiscardPack::VERSION,
            &crate::compliance_pack::discard::STEPS[..]
        ),
        (
            crate::chain_check::ChainCheck::NAME,
            crate::chain_check::ChainCheck::VERSION,
            &crate::chain_check::STEPS[..]
        ),
        (
            crate::history::History::NAME,
            crate::history::History::VERSION,
            &crate::history::STEPS[..]
        ),
        (
            crate::org_deletion::DeleteOrg::NAME,
            crate::org_deletion::DeleteOrg::VERSION,
            &crate::org_deletion::STEPS[..]
        ),
        (
            crate::pruning::Pruning::NAME,
            crate::pruning::Pruning::VERSION,
            &crate::pruning::STEPS[..]
        ),
        (
            crate::retention::Retention::NAME,
            crate::retention::Retention::VERSION,
            &crate::retention::STEPS[..]
        ),
    ]);
}
