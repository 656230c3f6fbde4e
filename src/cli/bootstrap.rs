//! The organisation of the development set-up: `acme`, plan enterprise, a person of each role, two API keys.
//!
//! Invariant: it can be run again; what is there stays, what is missing is made. API keys are the exception: nobody can read
//! one back, so a pair that is no longer known is revoked when the next is made.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use evidence::ids::OrgId;
use evidence::org::{Plan, Role, Scope};
use evidence::risk::CustomLevel;
use url::Url;

use crate::commands::admin::{Office, org, setting};
use crate::compose;
use crate::issuer::Embedded;
use crate::story::{self, Story};
use crate::up::{ApiKeys, Tokens, Up};

pub(crate) const SLUG: &str = "acme";

/// Development tokens outlive a working year.
const LIFETIME_DAYS: i64 = 365;

/// The names of the two keys. Keys with other names are a person's own and stay.
const KEYS: [(&str, Scope); 2] = [("up-read", Scope::Read), ("up-write", Scope::Write)];

/// What was made or found, before there are API keys for it.
pub(crate) struct Made {
    base_url: Url,
    pub(crate) org_id: OrgId,
    tokens: Tokens,
}

/// Makes the organisation and everything a person needs to work with it, API keys excepted.
///
/// State sources and the rule are dated to the story's beginning, as if the company had set them up then.
pub(crate) async fn run(
    office: &Office,
    base_url: Url,
    now: DateTime<Utc>,
    story: &Story,
) -> Result<Made> {
    let org_id = find_or_create(office, story.start).await?;
    let mut tx = office.begin(SLUG).await?;
    for role in [Role::Owner, Role::Admin, Role::Member, Role::Viewer] {
        org::add(office, &mut tx, &who(role.as_str()), role, now).await?;
    }
    for source in story::SOURCES {
        set_source(&mut tx, source, story.start).await?;
    }
    if db::rules::list(&mut tx, org_id).await?.is_empty() {
        setting::add_rule(&mut tx, scaling_rule(), story.start).await?;
    }
    tx.commit().await?;
    org::platform_admin(office, &who("platform-admin")).await?;
    Ok(Made { base_url, org_id, tokens: tokens(office, now)? })
}

impl Made {
    /// Completed with the `known` keys while both are in force, else with new ones.
    pub(crate) async fn with_keys(
        self,
        office: &Office,
        known: Option<ApiKeys>,
        now: DateTime<Utc>,
    ) -> Result<Up> {
        let api_keys = match known {
            Some(known) if are_in_force(office, self.org_id, &known, now).await? => known,
            _ => new_keys(office, now).await?,
        };
        let Self { base_url, org_id, tokens } = self;
        Ok(Up { base_url, org_id: org_id.0, tokens, api_keys })
    }
}

async fn are_in_force(
    office: &Office,
    org: OrgId,
    keys: &ApiKeys,
    now: DateTime<Utc>,
) -> Result<bool> {
    let pepper = compose::pepper(&office.config)?;
    let mut tx = office.pool.begin().await?;
    for key in [&keys.read, &keys.write] {
        let found = db::api_keys::find_by_hmac(&mut tx, &pepper.hmacs(key), now).await?;
        if found.is_none_or(|found| found.org_id != org) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn new_keys(office: &Office, now: DateTime<Utc>) -> Result<ApiKeys> {
    let mut tx = office.begin(SLUG).await?;
    let org = tx.org();
    for old in db::api_keys::list(&mut tx, org).await? {
        if old.revoked_at.is_none() && KEYS.iter().any(|(name, _)| *name == old.name) {
            db::api_keys::revoke(&mut tx, org, old.id, &Office::cause(now)).await?;
        }
    }
    let mut made = Vec::new();
    for (name, scope) in KEYS {
        let new = setting::NewKey { name, scopes: &[scope], expires_at: None };
        made.push(setting::create_api_key(office, &mut tx, new, now).await?.1);
    }
    tx.commit().await?;
    let [read, write] = <[String; 2]>::try_from(made).expect("one key for each name");
    Ok(ApiKeys { read, write })
}

async fn find_or_create(office: &Office, since: DateTime<Utc>) -> Result<OrgId> {
    let mut conn = office.pool.acquire().await?;
    if let Some(known) = db::orgs::find_by_slug(&mut conn, SLUG).await? {
        return Ok(known.id);
    }
    drop(conn);
    Ok(org::create(office, SLUG, "Acme Ltd", Plan::Enterprise, since).await?.id)
}

fn who(name: &str) -> org::Who {
    org::Who { email: email(name), sub: None }
}

fn email(name: &str) -> String {
    format!("{name}@{SLUG}.example")
}

fn tokens(office: &Office, now: DateTime<Utc>) -> Result<Tokens> {
    let issuer = Embedded::of(&office.config)?;
    let token = |name: &str| issuer.token(&email(name), now, TimeDelta::days(LIFETIME_DAYS));
    Ok(Tokens {
        owner: token("owner")?,
        admin: token("admin")?,
        member: token("member")?,
        viewer: token("viewer")?,
        platform_admin: token("platform-admin")?,
    })
}

async fn set_source(tx: &mut db::OrgTx, source: story::Source, since: DateTime<Utc>) -> Result<()> {
    let new = setting::NewSource {
        org: SLUG.to_owned(),
        name: source.name.to_owned(),
        kind: source.kind.parse()?,
        location: source.location.to_owned(),
        every_hours: i32::try_from(source.interval_hours).ok(),
        inactive: false,
    };
    setting::set_source(tx, new, since).await.map(drop)
}

fn scaling_rule() -> setting::NewRule {
    setting::NewRule {
        org: SLUG.to_owned(),
        name: "Autoscaled capacity".to_owned(),
        resource: "aws_autoscaling_group".to_owned(),
        attribute: Some("desired_capacity".to_owned()),
        drift_type: None,
        level: CustomLevel::Ignore,
        reason: "the autoscaler owns this number; Terraform only sets its bounds".to_owned(),
        position: 100,
    }
}
