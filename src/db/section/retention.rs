//! What retention has removed of the organisation's history.

use evidence::ids::OrgId;
use evidence::time::Time;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;

use crate::Result;
use crate::column::Count;

pub(super) const SQL: &str = include_str!("../sql/section/retention.sql");

/// Where the history that is kept begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// Scans observed before it, and findings resolved before it, are gone, but for a few that later figures need.
    pub kept_from: Time,
    /// Scans that were removed.
    pub scans: u64,
    /// Findings that were removed.
    pub findings: u64,
}

/// `None`: nothing was ever removed.
pub async fn retention(conn: &mut PgConnection, org: OrgId) -> Result<Option<Retained>> {
    Ok(sqlx::query_file_as!(Retained, "sql/section/retention.sql", org.0)
        .fetch_optional(conn)
        .await?)
}
