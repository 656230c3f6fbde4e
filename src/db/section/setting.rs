//! `custom_rules.csv` and `state_sources.csv`: what people had set at the end of a period.

use evidence::action::ActorKind;
use evidence::ids::{OrgId, RuleId, StateSourceId};
use evidence::risk::CustomLevel;
use evidence::scan::{DriftType, SourceKind};
use evidence::time::{Period, Time};
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::{MaybeWord, Word};

pub(super) const CUSTOM_RULES_SQL: &str = include_str!("../sql/section/custom_rules.sql");
pub(super) const STATE_SOURCES_SQL: &str = include_str!("../sql/section/state_sources.sql");

/// A version of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRule {
    pub id: RuleId,
    pub name: String,
    pub position: i32,
    pub resource_pattern: String,
    pub attribute_pattern: Option<String>,
    pub drift_type: Option<DriftType>,
    pub risk_level: CustomLevel,
    pub reason: String,
    pub enabled: bool,
    pub version: i32,
    pub changed_by_kind: ActorKind,
    /// Opaque.
    pub changed_by_id: String,
    pub changed_at: Time,
}

/// A version of a state source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSource {
    pub id: StateSourceId,
    pub name: String,
    pub kind: SourceKind,
    pub location: String,
    pub expected_scan_interval_hours: Option<i32>,
    pub active: bool,
    pub version: i32,
    pub changed_by_kind: ActorKind,
    /// Opaque.
    pub changed_by_id: String,
    pub changed_at: Time,
}

/// In the order in which they were asked.
pub async fn custom_rules(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Vec<CustomRule>> {
    Ok(sqlx::query_file_as!(CustomRule, "sql/section/custom_rules.sql", org.0, period.end)
        .fetch_all(conn)
        .await?)
}

/// By name.
pub async fn state_sources(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Vec<StateSource>> {
    Ok(sqlx::query_file_as!(StateSource, "sql/section/state_sources.sql", org.0, period.end)
        .fetch_all(conn)
        .await?)
}
