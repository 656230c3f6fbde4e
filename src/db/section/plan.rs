//! The plan of the organisation at the end of a period.

use evidence::ids::OrgId;
use evidence::org::Plan;
use evidence::time::{Period, Time};
use sqlx::postgres::PgConnection;

use crate::column::Word;
use crate::{Error, Result};

pub(super) const SQL: &str = include_str!("../sql/section/plan.sql");

/// A version of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanVersion {
    pub plan: Plan,
    pub version: i32,
    pub since: Time,
}

/// From history: a plan that was changed after the period does not show.
pub async fn plan(conn: &mut PgConnection, org: OrgId, period: Period) -> Result<PlanVersion> {
    sqlx::query_file_as!(PlanVersion, "sql/section/plan.sql", org.0, period.end)
        .fetch_optional(conn)
        .await?
        .ok_or(Error::NotFound("organisation"))
}
