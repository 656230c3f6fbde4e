//! Reading findings.

use evidence::finding::{EventKind, Resolution, Status};
use evidence::ids::{FindingId, OrgId, StateSourceId};
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use sqlx::postgres::PgConnection;

use super::{Event, Finding};
use crate::Result;
use crate::column::{MaybeWord, Word};

/// Which findings; absent: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub status: Option<Status>,
    /// As at detection.
    pub risk_level: Option<RiskLevel>,
    pub state_source: Option<StateSourceId>,
    pub drift_type: Option<DriftType>,
    /// Only findings with greater numbers: the last of the page before.
    pub after_number: i64,
    pub limit: u32,
}

/// Findings in order of number.
pub async fn list(conn: &mut PgConnection, org: OrgId, filter: &Filter) -> Result<Vec<Finding>> {
    // A plan for any filter at all could use the index of none.
    sqlx::query!("select set_config('plan_cache_mode', 'force_custom_plan', true)")
        .fetch_one(&mut *conn)
        .await?;
    Ok(sqlx::query_file_as!(
        Finding,
        "sql/finding_list.sql",
        org.0,
        filter.status.map(Status::as_str),
        filter.risk_level.map(RiskLevel::as_str),
        filter.state_source.map(|id| id.0),
        filter.drift_type.map(DriftType::as_str),
        filter.after_number,
        i64::from(filter.limit),
    )
    .fetch_all(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, org: OrgId, id: FindingId) -> Result<Option<Finding>> {
    Ok(sqlx::query_file_as!(Finding, "sql/finding.sql", org.0, id.0).fetch_optional(conn).await?)
}

pub async fn find_by_number(
    conn: &mut PgConnection,
    org: OrgId,
    number: i64,
) -> Result<Option<Finding>> {
    let filter = Filter { after_number: number - 1, limit: 1, ..Filter::default() };
    let first = list(conn, org, &filter).await?.into_iter().next();
    Ok(first.filter(|finding| finding.number == number))
}

/// Everything that happened to the finding, in order.
pub async fn events(conn: &mut PgConnection, org: OrgId, number: i64) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        r#"
        select seq, kind as "kind: Word<EventKind>", status as "status: Word<Status>",
               resolution as "resolution!: MaybeWord<Resolution>", address, changed_attributes,
               risk_level_now as "risk_level_now: Word<RiskLevel>", open_since, occurred_at, until,
               recorded_at, actor_kind, actor_id, reason, scan_id
          from finding_events
         where org_id = $1 and number = $2
         order by seq
        "#,
        org.0,
        number,
    )
    .fetch_all(conn)
    .await?)
}
