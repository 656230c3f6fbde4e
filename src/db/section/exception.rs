//! `exceptions.csv`: what was suppressed, accepted or left out in a period; who, when, why.

use evidence::ids::OrgId;
use evidence::time::{Period, Time};
use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::PgConnection;

pub use evidence::pack::Exceptions;

use crate::column::Count;
use crate::{Error, Result};

pub(super) const SQL: &str = include_str!("../sql/section/exceptions.sql");
pub(super) const IN_NUMBERS_SQL: &str = include_str!("../sql/section/exceptions_in_numbers.sql");

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// `noise_rule`, `ignored_by_custom_rule`, `accepted_risk`, `false_positive`, `disabled_rule`,
    /// `late_scan`, `incomplete_scan`.
    pub kind: String,
    /// Name of a built-in rule, id of a custom rule or scan, number of a finding.
    pub reference: String,
    /// What it is about, for a person: a rule's name, a resource address, a source's name.
    pub subject: String,
    /// Resources, for rules; 1 for anything else.
    pub count: u64,
    /// Attributes that a noise rule set aside; absent for anything else.
    pub attributes: Option<i64>,
    /// Kind and opaque id of who did it; absent for built-in rules.
    pub who: Option<String>,
    pub when: Option<Time>,
    pub why: Option<String>,
}

/// By kind, then time, then reference.
pub fn exceptions(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> impl Stream<Item = Result<Exception>> + Send + '_ {
    sqlx::query_file_as!(Exception, "sql/section/exceptions.sql", org.0, period.start, period.end)
        .fetch(conn)
        .map_err(Error::from)
}

/// The same, counted for the summary.
pub async fn exceptions_in_numbers(
    conn: &mut PgConnection,
    org: OrgId,
    period: Period,
) -> Result<Exceptions> {
    Ok(sqlx::query_file_as!(
        Exceptions,
        "sql/section/exceptions_in_numbers.sql",
        org.0,
        period.start,
        period.end,
    )
    .fetch_one(conn)
    .await?)
}
