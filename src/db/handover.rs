//! Everything that is stored of an organisation, row by row, as JSON: for who takes their data with them.
//!
//! Invariants
//! - All of it is one moment of the database ([`crate::section::Snapshot`]).
//! - Rows are streamed; memory here does not grow with them.
//! - What opens something is not among it: of API keys the digest is left out.
//!
//! Packs are not among it: they are files already.

use evidence::ids::OrgId;
use futures_util::{Stream, TryStreamExt as _};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::{Error, Result};

/// A set of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    /// Of the table, or of what is told of it.
    pub name: &'static str,
    sql: &'static str,
}

const fn relation(name: &'static str, sql: &'static str) -> Relation {
    Relation { name, sql }
}

/// All of them. `admin_audit_log` has the entries as they were hashed, in `canonical`.
pub const RELATIONS: &[Relation] = &[
    relation("orgs", "select id, slug, name, plan, finding_seq, created_at from orgs where id = $1"),
    relation(
        "org_plan_versions",
        "select * from org_plan_versions where org_id = $1 order by version",
    ),
    relation(
        "members",
        "select m.*, u.email, u.name, u.iss, u.sub
           from memberships m join users u on u.id = m.user_id
          where m.org_id = $1 order by m.user_id",
    ),
    relation("invitations", "select * from invitations where org_id = $1 order by id"),
    relation(
        "api_keys",
        "select org_id, id, name, scopes, created_by, created_at, expires_at, revoked_at, last_used_at
           from api_keys where org_id = $1 order by id",
    ),
    relation("state_sources", "select * from state_sources where org_id = $1 order by id"),
    relation(
        "state_source_versions",
        "select * from state_source_versions where org_id = $1 order by state_source_id, version",
    ),
    relation("custom_rules", "select * from custom_rules where org_id = $1 order by id"),
    relation(
        "custom_rule_versions",
        "select * from custom_rule_versions where org_id = $1 order by rule_id, version",
    ),
    relation("scans", "select * from scans where org_id = $1 order by observed_at, id"),
    relation("scan_noise", "select * from scan_noise where org_id = $1 order by scan_id, kind, rule"),
    relation("scan_sightings", "select * from scan_sightings where org_id = $1 order by scan_id"),
    relation(
        "ignored_drifts",
        "select * from ignored_drifts where org_id = $1
          order by state_source_id, tool_family, drift_type, address_digest",
    ),
    relation("findings", "select * from findings where org_id = $1 order by number"),
    relation(
        "finding_events",
        "select * from finding_events where org_id = $1 order by number, seq",
    ),
    relation("audit_exports", "select * from audit_exports where org_id = $1 order by id"),
    relation("history_retention", "select * from history_retention where org_id = $1"),
    relation(
        "removed_finding_numbers",
        "select * from removed_finding_numbers where org_id = $1 order by first_number",
    ),
    relation("admin_audit_log", "select * from admin_audit_log where chain = $1 order by seq"),
];

/// Tables of an organisation of which nothing is handed over, and why not.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("audit_chain_checks", "of the platform: what its checks of the audit chain found"),
    ("audit_chain_heads", "the last row of admin_audit_log says it"),
    ("audit_chain_states", "of the platform: what its checks of the audit chain found"),
    ("idempotency_keys", "answers that are given again for a day"),
    ("memberships", "in members, with who they are"),
];

/// The rows, each a JSON object in one line. The transaction works for the organisation.
pub fn rows(
    conn: &mut PgConnection,
    org: OrgId,
    relation: Relation,
) -> impl Stream<Item = Result<String>> + Send + '_ {
    let sql = format!("select row_to_json(t)::text from ({}) t", relation.sql);
    sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).bind(org.0).fetch(conn).map_err(Error::from)
}
