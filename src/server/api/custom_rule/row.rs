//! Custom rules as they are sent and answered.

use db::rules::{Rule, Settings};
use db::{Page, Slice};
use poem_openapi::Object;
use poem_openapi::types::MaybeUndefined;
use uuid::Uuid;

use crate::api::given::given;
use crate::api::time::Timestamp;
use crate::api::word::{CustomRuleLevel, DriftType};
use crate::errors::Result;

/// A risk rule of an organisation. Custom rules are asked before the built-in ones; the first that matches decides.
#[derive(Debug, Object)]
pub(crate) struct CustomRule {
    id: Uuid,
    /// Nobody else's in the organisation.
    name: String,
    /// Rules are asked from the lowest position up, those at the same one in order of creation.
    position: i32,
    /// Glob on the address or the type of a resource.
    resource_pattern: String,
    /// Glob on the names of changed attributes; null: any.
    #[oai(nullable)]
    attribute_pattern: Option<String>,
    /// Null: any.
    #[oai(nullable)]
    drift_type: Option<DriftType>,
    risk_level: CustomRuleLevel,
    /// Why, for the auditor.
    reason: String,
    enabled: bool,
    /// Grows by one with every change.
    version: i32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A part of the list of custom rules.
#[derive(Debug, Object)]
pub(crate) struct CustomRuleList {
    custom_rules: Vec<CustomRule>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

/// A custom rule to be made.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct CustomRuleRequest {
    /// 1 to 200 characters without control characters; no other rule of the organisation has it.
    name: String,
    /// 100 unless given.
    position: MaybeUndefined<i32>,
    /// Glob (`*`, `?`) on the address or the type of a resource: 1 to 512 bytes.
    resource_pattern: String,
    /// Glob on the names of changed attributes: 1 to 512 bytes; null or left out: any.
    #[oai(nullable)]
    attribute_pattern: Option<String>,
    /// Null or left out: any.
    #[oai(nullable)]
    drift_type: Option<DriftType>,
    risk_level: CustomRuleLevel,
    /// Why, for the auditor: 1 to 2000 characters without control characters. It is printed in packs.
    reason: String,
    /// True unless given.
    enabled: MaybeUndefined<bool>,
}

/// What a custom rule is to say; what is left out stays.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct CustomRuleChange {
    /// 1 to 200 characters without control characters; no other rule of the organisation has it.
    pub(super) name: MaybeUndefined<String>,
    pub(super) position: MaybeUndefined<i32>,
    /// Glob (`*`, `?`) on the address or the type of a resource: 1 to 512 bytes.
    pub(super) resource_pattern: MaybeUndefined<String>,
    /// Glob on the names of changed attributes: 1 to 512 bytes; null: any.
    #[oai(nullable)]
    pub(super) attribute_pattern: MaybeUndefined<String>,
    /// Null: any.
    #[oai(nullable)]
    pub(super) drift_type: MaybeUndefined<DriftType>,
    pub(super) risk_level: MaybeUndefined<CustomRuleLevel>,
    /// Why, for the auditor: 1 to 2000 characters without control characters.
    pub(super) reason: MaybeUndefined<String>,
    /// False switches it off; it stays on record.
    pub(super) enabled: MaybeUndefined<bool>,
}

/// Between what people put first and what they put last without thinking of it.
const POSITION: i32 = 100;

impl CustomRuleRequest {
    pub(super) fn settings(self) -> Result<Settings> {
        Ok(Settings {
            name: self.name,
            position: given("position", self.position)?.unwrap_or(POSITION),
            resource_pattern: self.resource_pattern,
            attribute_pattern: self.attribute_pattern,
            drift_type: self.drift_type.map(Into::into),
            risk_level: self.risk_level.into(),
            reason: self.reason,
            enabled: given("enabled", self.enabled)?.unwrap_or(true),
        })
    }
}

impl CustomRuleList {
    pub(super) fn new(page: Page<Rule>, Slice { limit, offset }: Slice) -> Self {
        let custom_rules = page.rows.into_iter().map(CustomRule::from).collect();
        Self { custom_rules, total: page.total, limit, offset }
    }
}

impl From<Rule> for CustomRule {
    fn from(rule: Rule) -> Self {
        Self {
            id: rule.id.0,
            name: rule.name,
            position: rule.position,
            resource_pattern: rule.resource_pattern,
            attribute_pattern: rule.attribute_pattern,
            drift_type: rule.drift_type.map(Into::into),
            risk_level: rule.risk_level.into(),
            reason: rule.reason,
            enabled: rule.enabled,
            version: rule.version,
            created_at: rule.created_at.into(),
            updated_at: rule.updated_at.into(),
        }
    }
}
