//! An organisation to play with, and scans to feed it.

use chrono::{DateTime, Duration, Utc};
use db::section::{self, Finding, Snapshot};
use db::{Cause, OrgTx};
use evidence::action::Actor;
use evidence::ids::{OrgId, StateSourceId, UserId};
use evidence::org::Plan;
use evidence::risk::CustomLevel;
use evidence::scan::{
    Drift, DriftType, Format, Move, Observation, ScanStatus, SourceKind, Standing,
};
use evidence::time::{Period, Time};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

/// Hours after the beginning of 2026.
pub(crate) fn at(hours: i64) -> Time {
    DateTime::<Utc>::from_timestamp(1_767_225_600, 0).unwrap() + Duration::hours(hours)
}

pub(crate) fn period(from: i64, to: i64) -> Period {
    Period::new(at(from), at(to)).unwrap()
}

pub(crate) struct World {
    pub(crate) owner: PgPool,
    pub(crate) app: PgPool,
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    pub(crate) source: StateSourceId,
}

pub(crate) fn cause(hours: i64) -> Cause {
    Cause::new(Actor::system("test"), "test", at(hours))
}

impl World {
    pub(crate) async fn new(owner: PgPool) -> Self {
        let app = db::testing::as_app(&owner).await;
        let (org, user, source) = Self::org(&app, "acme").await;
        Self { owner, app, org, user, source }
    }

    /// An organisation with a user and a state source `prod`.
    pub(crate) async fn org(app: &PgPool, slug: &str) -> (OrgId, UserId, StateSourceId) {
        let mut tx = app.begin().await.unwrap();
        let org = db::orgs::create(&mut tx, slug, slug, Plan::Enterprise, &cause(0)).await.unwrap();
        let profile = db::users::Profile { iss: "https://issuer", sub: slug, email: None };
        let user = db::users::upsert(&mut tx, profile, at(0)).await.unwrap();
        let source =
            db::state_sources::ensure(&mut tx, org.id, "prod", SourceKind::Upload, &cause(0))
                .await
                .unwrap();
        tx.commit().await.unwrap();
        (org.id, user.id, source.id)
    }

    /// The findings of a period, which live as long as the test.
    pub(crate) async fn findings(&self, period: Period) -> Vec<Finding<'static>> {
        let mut snapshot = Snapshot::begin(&self.app, self.org).await.unwrap();
        let rows = section::findings(&mut snapshot, self.org, period);
        let rows: Vec<_> = rows.try_collect().await.unwrap();
        Vec::leak(rows).iter().map(|row| row.read().unwrap()).collect()
    }

    pub(crate) async fn tx(&self) -> OrgTx {
        OrgTx::begin(&self.app, self.org).await.unwrap()
    }

    pub(crate) fn person(&self, hours: i64) -> Cause {
        Cause::new(Actor::user(self.user), "test", at(hours))
    }

    /// Takes in a scan of `prod`.
    pub(crate) async fn scan(&self, hours: i64, seen: Observation) -> db::scans::Ingested {
        self.scan_of(self.source, hours, seen).await
    }

    pub(crate) async fn scan_of(
        &self,
        source: StateSourceId,
        hours: i64,
        seen: Observation,
    ) -> db::scans::Ingested {
        let mut tx = self.tx().await;
        let done = db::scans::ingest(&mut tx, ingest(source, hours, seen)).await.unwrap();
        tx.commit().await.unwrap();
        done
    }

    /// The finding at an address.
    pub(crate) async fn finding(&self, address: &str) -> db::findings::Finding {
        let mut tx = self.tx().await;
        let filter = db::findings::Filter { limit: 1000, ..Default::default() };
        let all = db::findings::list(&mut tx, self.org, &filter).await.unwrap();
        all.into_iter().find(|finding| finding.address == address).unwrap()
    }

    pub(crate) async fn verify(&self) -> db::chain::Verified {
        let mut tx = self.tx().await;
        let chain = evidence::chain::ChainId::Org(self.org);
        db::chain::verify(&mut tx, chain, &db::chain::Options::default()).await.unwrap()
    }
}

pub(crate) fn ingest(source: StateSourceId, hours: i64, seen: Observation) -> db::scans::Ingest {
    let content = format!("{source} {hours} {seen:?}");
    db::scans::Ingest {
        state_source: source,
        observed_at: at(hours),
        content_sha256: Sha256::digest(content.as_bytes()).into(),
        bytes: content.len() as u64,
        triggered_by: "system:test".to_owned(),
        ci: serde_json::Map::new(),
        actor: Actor::system("test"),
        origin: "test".to_owned(),
        now: at(hours),
        observation: seen,
    }
}

/// A complete scan that shows changed tags at each address.
pub(crate) fn showing(addresses: &[&str]) -> Observation {
    Observation {
        format: Format::Plan,
        tool: "terraform",
        tool_version: Some("1.9.0".to_owned()),
        observed_at: None,
        status: ScanStatus::Done,
        error: None,
        drift_reported: true,
        resources_total: Some(10),
        resources_managed: Some(10),
        drifts: addresses.iter().map(|address| drift(address, &["tags"])).collect(),
        moves: Vec::new(),
        noise: Vec::new(),
        warnings: Vec::new(),
        serial: None,
        lineage: None,
        standing: Standing::default(),
    }
}

pub(crate) fn drift(address: &str, attributes: &[&str]) -> Drift {
    Drift {
        address: address.to_owned(),
        resource_type: "aws_instance".to_owned(),
        resource_name: "r".to_owned(),
        provider: None,
        drift_type: DriftType::Changed,
        changed_attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// A rule about `resource_pattern`, asked first.
pub(crate) fn rule(resource_pattern: &str, risk_level: CustomLevel) -> db::rules::Settings {
    db::rules::Settings {
        name: format!("{risk_level} {resource_pattern}"),
        position: 1,
        resource_pattern: resource_pattern.to_owned(),
        attribute_pattern: None,
        drift_type: None,
        risk_level,
        reason: "nobody minds".to_owned(),
        enabled: true,
    }
}

pub(crate) fn moved(from: &str, to: &str) -> Move {
    Move { from: from.to_owned(), to: to.to_owned() }
}
