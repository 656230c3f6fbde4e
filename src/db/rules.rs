//! Risk rules of an organisation, and everything that they ever said.
//!
//! Invariants
//! - The row and its newest version say the same.
//! - The versions of a rule follow each other without gap or overlap.
//!
//! What a rule means is `evidence::risk`'s work.

use std::collections::HashMap;

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{OrgId, RuleId};
use evidence::risk::{CustomLevel, CustomRule, Grade, Rules};
use evidence::scan::{Drift, DriftType};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::column::{Count, MaybeWord, Word};
use crate::{Cause, Error, Page, Result, Slice, cause::sha256, chain};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    pub name: String,
    /// Rules are asked from the lowest position up.
    pub position: i32,
    pub resource_pattern: String,
    pub attribute_pattern: Option<String>,
    pub drift_type: Option<DriftType>,
    pub risk_level: CustomLevel,
    pub reason: String,
    pub enabled: bool,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What people say in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    /// Rules are asked from the lowest position up; those at the same one in order of creation.
    pub position: i32,
    pub resource_pattern: String,
    pub attribute_pattern: Option<String>,
    pub drift_type: Option<DriftType>,
    pub risk_level: CustomLevel,
    pub reason: String,
    pub enabled: bool,
}

pub async fn create(
    conn: &mut PgConnection,
    org: OrgId,
    settings: &Settings,
    cause: &Cause,
) -> Result<Rule> {
    let id = RuleId(cause.id());
    check(id, settings)?;
    sqlx::query!(
        "
        insert into custom_rules
               (org_id, id, name, position, resource_pattern, attribute_pattern, drift_type,
                risk_level, reason, enabled, version, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11, $11)
        ",
        org.0,
        id.0,
        settings.name,
        settings.position,
        settings.resource_pattern,
        settings.attribute_pattern,
        settings.drift_type.map(DriftType::as_str),
        settings.risk_level.as_str(),
        settings.reason,
        settings.enabled,
        cause.now,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, settings))?;
    keep_version(conn, org, id, cause).await?;
    record(conn, org, id, Action::CustomRuleCreated, cause).await?;
    get(conn, org, id).await
}

/// Changes a rule to `settings`; the same settings again change and record nothing.
pub async fn update(
    conn: &mut PgConnection,
    org: OrgId,
    id: RuleId,
    settings: &Settings,
    cause: &Cause,
) -> Result<Rule> {
    change(conn, org, id, |_| settings.clone(), cause).await
}

/// Changes a rule by what it says: nobody else changes it meanwhile. Settings that stay the same record nothing.
pub async fn change(
    conn: &mut PgConnection,
    org: OrgId,
    id: RuleId,
    change: impl FnOnce(Settings) -> Settings,
    cause: &Cause,
) -> Result<Rule> {
    lock(conn, org, id).await?;
    let before = get(conn, org, id).await?;
    let settings = change(before.settings());
    check(id, &settings)?;
    if before.settings() == settings {
        return Ok(before);
    }
    write(conn, org, id, &settings, cause.now).await?;
    keep_version(conn, org, id, cause).await?;
    record(conn, org, id, Action::CustomRuleUpdated, cause).await?;
    get(conn, org, id).await
}

async fn write(
    conn: &mut PgConnection,
    org: OrgId,
    id: RuleId,
    settings: &Settings,
    now: Time,
) -> Result<()> {
    sqlx::query!(
        "
        update custom_rules
           set name = $3, position = $4, resource_pattern = $5, attribute_pattern = $6,
               drift_type = $7, risk_level = $8, reason = $9, enabled = $10,
               version = version + 1, updated_at = greatest($11, updated_at)
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
        settings.name,
        settings.position,
        settings.resource_pattern,
        settings.attribute_pattern,
        settings.drift_type.map(DriftType::as_str),
        settings.risk_level.as_str(),
        settings.reason,
        settings.enabled,
        now,
    )
    .execute(conn)
    .await
    .map_err(|error| taken(error, settings))?;
    Ok(())
}

/// Ends a rule and frees its name; what it said stays on record. Whether it was still there.
pub async fn delete(
    conn: &mut PgConnection,
    org: OrgId,
    id: RuleId,
    cause: &Cause,
) -> Result<bool> {
    let deleted = sqlx::query!(
        "
        update custom_rules
           set enabled = false, version = version + 1,
               updated_at = greatest($3, updated_at), deleted_at = greatest($3, updated_at)
         where org_id = $1 and id = $2 and deleted_at is null
        ",
        org.0,
        id.0,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    keep_version(conn, org, id, cause).await?;
    record(conn, org, id, Action::CustomRuleDeleted, cause).await?;
    Ok(true)
}

/// The rules of the organisation, in the order in which they are asked.
pub async fn list(conn: &mut PgConnection, org: OrgId) -> Result<Vec<Rule>> {
    Ok(page(conn, org, Slice::WHOLE).await?.rows)
}

/// A part of the rules of the organisation, in the same order.
pub async fn page(conn: &mut PgConnection, org: OrgId, slice: Slice) -> Result<Page<Rule>> {
    let rows = sqlx::query_as!(
        Rule,
        r#"
        select id, name, position, resource_pattern, attribute_pattern,
               drift_type as "drift_type!: MaybeWord<DriftType>",
               risk_level as "risk_level: Word<CustomLevel>",
               reason, enabled, version, created_at, updated_at
          from custom_rules
         where org_id = $1 and deleted_at is null
         order by position, created_at, id
         limit $2 offset $3
        "#,
        org.0,
        i64::from(slice.limit),
        i64::from(slice.offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"
        select count(*) as "count!: Count" from custom_rules
         where org_id = $1 and deleted_at is null
        "#,
        org.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Page { rows, total: total.into() })
}

pub async fn find(conn: &mut PgConnection, org: OrgId, id: RuleId) -> Result<Option<Rule>> {
    Ok(sqlx::query_as!(
        Rule,
        r#"
        select id, name, position, resource_pattern, attribute_pattern,
               drift_type as "drift_type!: MaybeWord<DriftType>",
               risk_level as "risk_level: Word<CustomLevel>",
               reason, enabled, version, created_at, updated_at
          from custom_rules
         where org_id = $1 and id = $2 and deleted_at is null
        "#,
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?)
}

/// The rules as they are, ready to grade.
#[derive(Debug)]
pub(crate) struct Compiled {
    rules: Rules,
    versions: HashMap<RuleId, i32>,
}

impl Compiled {
    pub(crate) fn grade(&self, drift: &Drift) -> Grade {
        self.rules.grade(drift)
    }

    /// Which of its versions is the one that graded.
    pub(crate) fn version(&self, rule: RuleId) -> Option<i32> {
        self.versions.get(&rule).copied()
    }
}

pub(crate) async fn compiled(conn: &mut PgConnection, org: OrgId) -> Result<Compiled> {
    let rules = list(conn, org).await?;
    let versions = rules.iter().map(|rule| (rule.id, rule.version)).collect();
    let rules = rules.into_iter().map(|rule| rule.settings().rule(rule.id)).collect();
    Ok(Compiled { rules: Rules::compile(rules)?, versions })
}

impl Rule {
    pub fn settings(&self) -> Settings {
        Settings {
            name: self.name.clone(),
            position: self.position,
            resource_pattern: self.resource_pattern.clone(),
            attribute_pattern: self.attribute_pattern.clone(),
            drift_type: self.drift_type,
            risk_level: self.risk_level,
            reason: self.reason.clone(),
            enabled: self.enabled,
        }
    }
}

impl Settings {
    fn rule(&self, id: RuleId) -> CustomRule {
        CustomRule {
            id,
            name: self.name.clone(),
            resource_pattern: self.resource_pattern.clone(),
            attribute_pattern: self.attribute_pattern.clone(),
            drift_type: self.drift_type,
            level: self.risk_level,
            reason: self.reason.clone(),
            enabled: self.enabled,
        }
    }
}

async fn get(conn: &mut PgConnection, org: OrgId, id: RuleId) -> Result<Rule> {
    find(conn, org, id).await?.ok_or(Error::NotFound("custom rule"))
}

async fn lock(conn: &mut PgConnection, org: OrgId, id: RuleId) -> Result<()> {
    sqlx::query!(
        "select from custom_rules where org_id = $1 and id = $2 for no key update",
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

fn check(id: RuleId, settings: &Settings) -> Result<()> {
    let refuse = |field, fault| Err(Error::Invalid { field, fault });
    let printable = |text: &str| !text.chars().any(char::is_control);
    if !(1..=200).contains(&settings.name.chars().count()) || !printable(&settings.name) {
        return refuse("name", "must be 1 to 200 characters without control characters");
    }
    if !(1..=2000).contains(&settings.reason.chars().count()) || !printable(&settings.reason) {
        return refuse("reason", "must be 1 to 2000 characters without control characters");
    }
    Rules::compile(vec![settings.rule(id)])?;
    Ok(())
}

fn taken(error: sqlx::Error, settings: &Settings) -> Error {
    Error::from(error).taken("custom_rules_name_key", "custom rule", &settings.name)
}

/// Ends the version before and writes down what holds from `updated_at` on.
async fn keep_version(
    conn: &mut PgConnection,
    org: OrgId,
    id: RuleId,
    cause: &Cause,
) -> Result<()> {
    sqlx::query!(
        "
        update custom_rule_versions v
           set valid_until = r.updated_at
          from custom_rules r
         where r.org_id = $1 and r.id = $2
           and v.org_id = r.org_id and v.rule_id = r.id and v.valid_until is null
        ",
        org.0,
        id.0,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "
        insert into custom_rule_versions
               (org_id, rule_id, version, name, position, resource_pattern, attribute_pattern,
                drift_type, risk_level, reason, enabled, deleted, valid_from,
                changed_by_kind, changed_by_id)
        select org_id, id, version, name, position, resource_pattern, attribute_pattern, drift_type,
               risk_level, reason, enabled, deleted_at is not null, updated_at, $3, $4
          from custom_rules
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
        cause.actor.kind.as_str(),
        cause.actor.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn record(
    conn: &mut PgConnection,
    org: OrgId,
    id: RuleId,
    action: Action,
    cause: &Cause,
) -> Result<()> {
    let rule = sqlx::query!(
        "select name, position, resource_pattern, attribute_pattern, drift_type, risk_level, reason,
                enabled, version
           from custom_rules
          where org_id = $1 and id = $2",
        org.0,
        id.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    let draft = cause.draft(
        action,
        [
            ("rule_id", id.to_string().into()),
            ("name", rule.name.into()),
            ("position", rule.position.into()),
            ("resource_pattern", rule.resource_pattern.into()),
            ("attribute_pattern", rule.attribute_pattern.into()),
            ("drift_type", rule.drift_type.into()),
            ("risk_level", rule.risk_level.into()),
            ("reason_sha256", sha256(&rule.reason).into()),
            ("enabled", rule.enabled.into()),
            ("version", rule.version.into()),
        ],
    );
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(())
}
