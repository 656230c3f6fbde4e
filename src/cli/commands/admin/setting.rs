//! API keys, custom rules and state sources of an organisation.

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use db::{OrgTx, api_keys, rules, state_sources};
use engine::Clock;
use evidence::org::Scope;
use evidence::risk::CustomLevel;
use evidence::scan::{DriftType, SourceKind};
use serde_json::json;
use uuid::Uuid;

use super::Office;
use crate::{compose, say};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ApiKey {
    /// Create a key; it is shown once
    Create {
        #[arg(long)]
        org: String,
        #[arg(long)]
        name: String,
        /// read, write, or both with a comma between
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// Days after which it opens nothing any more [default: it does not expire]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_in_days: Option<u32>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key at once
    Revoke {
        #[arg(long)]
        org: String,
        /// The key's id, as `list` shows it
        #[arg(long)]
        id: Uuid,
    },
    /// Every key of an organisation
    List {
        #[arg(long)]
        org: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Rule {
    /// Add a rule; the first one that matches grades a finding
    Add(NewRule),
    /// Switch a rule off; it stays in the history
    Disable {
        #[arg(long)]
        org: String,
        #[arg(long)]
        id: Uuid,
    },
    /// Every rule of an organisation
    List {
        #[arg(long)]
        org: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewRule {
    #[arg(long)]
    pub(crate) org: String,
    #[arg(long)]
    pub(crate) name: String,
    /// Glob on address or type: aws_autoscaling_group, module.app.*
    #[arg(long)]
    pub(crate) resource: String,
    /// Glob on the names of changed attributes
    #[arg(long)]
    pub(crate) attribute: Option<String>,
    /// changed, missing or extra
    #[arg(long)]
    pub(crate) drift_type: Option<DriftType>,
    /// critical, high, medium, low, or ignore
    #[arg(long)]
    pub(crate) level: CustomLevel,
    /// Why; it is printed in packs
    #[arg(long)]
    pub(crate) reason: String,
    /// Rules are asked from the lowest position up
    #[arg(long, default_value_t = 100)]
    pub(crate) position: i32,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Source {
    /// Create a state source, or change it
    Set(NewSource),
    /// Every state source of an organisation
    List {
        #[arg(long)]
        org: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct NewSource {
    #[arg(long)]
    pub(crate) org: String,
    #[arg(long)]
    pub(crate) name: String,
    /// s3, gcs, azure_blob, tfc, local or upload
    #[arg(long)]
    pub(crate) kind: SourceKind,
    /// For a person: bucket and key, workspace, path
    #[arg(long, default_value = "")]
    pub(crate) location: String,
    /// How often it is to be scanned
    #[arg(long)]
    pub(crate) every_hours: Option<i32>,
    /// Out of scope from now on
    #[arg(long)]
    pub(crate) inactive: bool,
}

pub(crate) async fn api_key(office: &Office, command: ApiKey) -> Result<()> {
    match command {
        ApiKey::Create { org, name, scopes, expires_in_days, json } => {
            let mut tx = office.begin(&org).await?;
            let now = Clock::System.now();
            let expires_at = expires_in_days.map(|days| now + TimeDelta::days(days.into()));
            let new = NewKey { name: &name, scopes: &scopes, expires_at };
            let (row, key) = create_api_key(office, &mut tx, new, now).await?;
            tx.commit().await?;
            if json {
                say::out(json!({"id": row.id, "name": row.name, "key": key}));
            } else {
                say::note("the key is shown this once:");
                say::out(key);
            }
        }
        ApiKey::Revoke { org, id } => {
            let mut tx = office.begin(&org).await?;
            let of = tx.org();
            let revoked = api_keys::revoke(
                &mut tx,
                of,
                evidence::ids::ApiKeyId(id),
                &Office::cause(Clock::System.now()),
            )
            .await?;
            anyhow::ensure!(revoked, "the organisation has no key {id} that is in force");
            tx.commit().await?;
        }
        ApiKey::List { org } => {
            let mut tx = office.begin(&org).await?;
            let of = tx.org();
            let mut rows =
                vec![["ID", "NAME", "SCOPES", "EXPIRES", "REVOKED"].map(str::to_owned).to_vec()];
            for key in api_keys::list(&mut tx, of).await? {
                let scopes =
                    key.scopes.0.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",");
                rows.push(vec![
                    key.id.to_string(),
                    key.name,
                    scopes,
                    key.expires_at.map(evidence::time::stamp).unwrap_or_default(),
                    key.revoked_at.map(evidence::time::stamp).unwrap_or_default(),
                ]);
            }
            say::out(say::table(&rows));
        }
    }
    Ok(())
}

/// What a key is to be.
pub(crate) struct NewKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a [Scope],
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// A key of the transaction's organisation, in the name of its first owner; the row, and the key itself.
pub(crate) async fn create_api_key(
    office: &Office,
    tx: &mut OrgTx,
    NewKey { name, scopes, expires_at }: NewKey<'_>,
    now: DateTime<Utc>,
) -> Result<(api_keys::ApiKey, String)> {
    let org = tx.org();
    let members = db::members::list(tx, org).await?;
    let created_by = members
        .first()
        .context("the organisation has no members; add an owner first (admin member add)")?
        .user_id;
    let key = server::api_key::mint(rand::random());
    let key_hmac = compose::pepper(&office.config)?.hmac(&key);
    let row = api_keys::create(
        tx,
        org,
        api_keys::Draft { name, key_hmac, scopes, created_by, expires_at },
        &Office::cause(now),
    )
    .await?;
    Ok((row, key))
}

pub(crate) async fn rule(office: &Office, command: Rule) -> Result<()> {
    match command {
        Rule::Add(new) => {
            let mut tx = office.begin(&new.org).await?;
            let row = add_rule(&mut tx, new, Clock::System.now()).await?;
            tx.commit().await?;
            say::out(row.id);
        }
        Rule::Disable { org, id } => {
            let mut tx = office.begin(&org).await?;
            let (of, id) = (tx.org(), evidence::ids::RuleId(id));
            let row = rules::find(&mut tx, of, id)
                .await?
                .ok_or_else(|| anyhow!("the organisation has no rule {id}"))?;
            let settings = rules::Settings { enabled: false, ..row.settings() };
            rules::update(&mut tx, of, id, &settings, &Office::cause(Clock::System.now())).await?;
            tx.commit().await?;
        }
        Rule::List { org } => {
            let mut tx = office.begin(&org).await?;
            let of = tx.org();
            let mut rows =
                vec![["ID", "POSITION", "RESOURCE", "ENABLED", "NAME"].map(str::to_owned).to_vec()];
            for rule in rules::list(&mut tx, of).await? {
                rows.push(vec![
                    rule.id.to_string(),
                    rule.position.to_string(),
                    rule.resource_pattern,
                    rule.enabled.to_string(),
                    rule.name,
                ]);
            }
            say::out(say::table(&rows));
        }
    }
    Ok(())
}

pub(crate) async fn add_rule(
    tx: &mut OrgTx,
    new: NewRule,
    now: DateTime<Utc>,
) -> Result<rules::Rule> {
    let org = tx.org();
    let settings = rules::Settings {
        name: new.name,
        position: new.position,
        resource_pattern: new.resource,
        attribute_pattern: new.attribute,
        drift_type: new.drift_type,
        risk_level: new.level,
        reason: new.reason,
        enabled: true,
    };
    Ok(rules::create(tx, org, &settings, &Office::cause(now)).await?)
}

pub(crate) async fn source(office: &Office, command: Source) -> Result<()> {
    match command {
        Source::Set(new) => {
            let mut tx = office.begin(&new.org).await?;
            let row = set_source(&mut tx, new, Clock::System.now()).await?;
            tx.commit().await?;
            say::out(row.id);
        }
        Source::List { org } => {
            let mut tx = office.begin(&org).await?;
            let of = tx.org();
            let mut rows = vec![
                ["ID", "NAME", "KIND", "HOURS", "ACTIVE", "LOCATION"].map(str::to_owned).to_vec(),
            ];
            for source in state_sources::list(&mut tx, of).await? {
                let hours = source
                    .expected_scan_interval_hours
                    .map(|hours| hours.to_string())
                    .unwrap_or_default();
                rows.push(vec![
                    source.id.to_string(),
                    source.name,
                    source.kind.as_str().to_owned(),
                    hours,
                    source.active.to_string(),
                    source.location,
                ]);
            }
            say::out(say::table(&rows));
        }
    }
    Ok(())
}

pub(crate) async fn set_source(
    tx: &mut OrgTx,
    new: NewSource,
    now: DateTime<Utc>,
) -> Result<state_sources::StateSource> {
    let (org, cause) = (tx.org(), Office::cause(now));
    let settings = state_sources::Settings {
        name: new.name,
        kind: new.kind,
        location: new.location,
        expected_scan_interval_hours: new.every_hours,
        active: !new.inactive,
    };
    Ok(match state_sources::find_by_name(tx, org, &settings.name).await? {
        Some(known) => state_sources::update(tx, org, known.id, &settings, &cause).await?,
        None => state_sources::create(tx, org, &settings, &cause).await?,
    })
}
