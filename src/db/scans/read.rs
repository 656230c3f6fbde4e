//! Reading scans.

use evidence::ids::{OrgId, ScanId, StateSourceId};
use evidence::scan::ScanStatus;
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use super::Scan;
use crate::Result;
use crate::column::{Digest, Word};

/// Which scans; absent: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub state_source: Option<StateSourceId>,
    pub status: Option<ScanStatus>,
    /// Observed at or after.
    pub from: Option<Time>,
    /// Observed before.
    pub to: Option<Time>,
    /// Only scans that come after this one in the list: the last of the page before.
    pub after: Option<(Time, ScanId)>,
    pub limit: u32,
}

/// What a scan showed and no finding came of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// `noise` (a built-in rule) or `ignored` (a custom rule).
    pub kind: String,
    /// Name of the built-in rule, or id of the custom rule.
    pub rule: String,
    pub resources: i64,
    pub attributes: i64,
}

pub async fn find(conn: &mut PgConnection, org: OrgId, id: ScanId) -> Result<Option<Scan>> {
    Ok(sqlx::query_file_as!(Scan, "sql/scan.sql", org.0, id.0).fetch_optional(conn).await?)
}

/// Scans, latest observation first.
pub async fn list(conn: &mut PgConnection, org: OrgId, filter: &Filter) -> Result<Vec<Scan>> {
    Ok(sqlx::query_file_as!(
        Scan,
        "sql/scan_list.sql",
        org.0,
        filter.state_source.map(|id| id.0),
        filter.status.map(ScanStatus::as_str),
        filter.from,
        filter.to,
        filter.after.map(|(observed_at, _)| observed_at),
        filter.after.map(|(_, id)| id.0),
        i64::from(filter.limit),
    )
    .fetch_all(conn)
    .await?)
}

/// What the scan showed and no finding came of, by rule.
pub async fn suppressed(
    conn: &mut PgConnection,
    org: OrgId,
    scan: ScanId,
) -> Result<Vec<Suppressed>> {
    Ok(sqlx::query_as!(
        Suppressed,
        "
        select kind, rule, resources, attributes
          from scan_noise
         where org_id = $1 and scan_id = $2
         order by kind, rule
        ",
        org.0,
        scan.0,
    )
    .fetch_all(conn)
    .await?)
}
