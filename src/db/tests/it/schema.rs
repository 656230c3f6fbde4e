//! What the database says of itself: the words it allows, and the dump that is checked in.

use std::process::Command;

use evidence::action::{ActorKind, Outcome};
use evidence::finding::{EventKind, Resolution, Status};
use evidence::org::{InvitationStatus, Plan, Role};
use evidence::risk::RiskLevel;
use evidence::scan::{DriftType, ScanStatus, SourceKind, ToolFamily};
use sqlx::PgPool;

/// The words in a named constraint.
async fn words(pool: &PgPool, constraint: &str) -> Vec<String> {
    let text: String = sqlx::query_scalar(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = $1",
    )
    .bind(constraint)
    .fetch_one(pool)
    .await
    .unwrap();
    let mut words: Vec<String> = text.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
    words.sort();
    words
}

macro_rules! same_words {
    ($pool:expr, $($constraint:literal: $word:ty $(, $more:literal)?;)+) => {$(
        let mut known: Vec<String> =
            <$word>::ALL.iter().map(|word| word.as_str().to_owned()).collect();
        $(known.push($more.to_owned());)?
        known.sort();
        assert_eq!(words($pool, $constraint).await, known, "{}", $constraint);
    )+};
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_database_allows_the_words_that_the_program_knows(pool: PgPool) {
    same_words! { &pool,
        "orgs_plan_known": Plan;
        "org_plan_versions_plan_known": Plan;
        "memberships_role_known": Role;
        "invitations_role_known": Role;
        "invitations_status_known": InvitationStatus;
        "api_keys_scopes_known": evidence::org::Scope;
        "admin_audit_log_actor_known": ActorKind;
        "admin_audit_log_outcome_known": Outcome;
        "state_sources_kind_known": SourceKind;
        "custom_rules_drift_type_known": DriftType;
        "custom_rules_risk_level_known": RiskLevel, "ignore";
        "scans_status_known": ScanStatus;
        "scans_tool_family_known": ToolFamily;
        "findings_tool_family_known": ToolFamily;
        "findings_drift_type_known": DriftType;
        "findings_risk_level_known": RiskLevel;
        "findings_status_known": Status;
        "findings_resolution_known": Resolution;
        "finding_events_kind_known": EventKind;
        "finding_events_status_known": Status;
        "audit_exports_status_known": db::exports::Status;
        "audit_chain_states_status_known": evidence::chain::Status;
        "audit_chain_states_kind_known": evidence::chain::BadKind;
        "audit_chain_checks_status_known": evidence::chain::Status;
        "audit_chain_checks_kind_known": evidence::chain::BadKind;
        "audit_chain_checks_extent_known": evidence::chain::Extent;
        "audit_chain_rounds_extent_known": evidence::chain::Extent;
    }
}

/// Columns that say what they are; every other one has a comment, in one of the tables that have it.
const PLAIN: &str = "action actor_kind actor_type address attested_hash attributes changed_by_kind \
    created_by deleted enabled error error_code error_message extra file_name \
    finished_at format ingested_at is_platform_admin key lineage manifest_sha256 missing name \
    org_id outcome pdf_included period_start provider reopen_count request_id requested_at \
    requested_by resolution resolution_reason resource_name resource_type resources revoked_at \
    role rule_id scan_id scopes serial sha256 size_bytes started_at state_source_id tool \
    tool_version updated_at user_id valid_from warnings";

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_table_and_column_that_is_not_plain_is_explained(pool: PgPool) {
    let columns: Vec<String> = sqlx::query_scalar(
        "select a.attname::text
           from pg_attribute a
           join pg_class c on c.oid = a.attrelid
          where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
            and c.relname <> '_sqlx_migrations' and a.attnum > 0 and not a.attisdropped
          group by a.attname
         having bool_and(col_description(a.attrelid, a.attnum) is null)
          order by a.attname",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(columns, PLAIN.split_whitespace().collect::<Vec<_>>());
    let silent: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
            and relname <> '_sqlx_migrations'
            and obj_description(oid) is null
",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(silent, Vec::<String>::new());
}

/// Renewed by this test itself, with `RENEW_SCHEMA=1` in the environment.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_dump_that_is_checked_in_is_the_schema(pool: PgPool) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/schema.sql");
    let database: String =
        sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    let url = database_url(&database);
    let dump = Command::new("pg_dump")
        .args(["--schema-only", "--no-owner", "--schema=public"])
        .args(["--exclude-table=_sqlx_migrations", &url])
        .output()
        .expect("pg_dump is installed with Postgres");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dump = normalised(&String::from_utf8(dump.stdout).unwrap());
    if std::env::var_os("RENEW_SCHEMA").is_some() {
        std::fs::write(path, &dump).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == dump, "migrations/schema.sql is out of date: RENEW_SCHEMA=1 renews it");
}

/// The address of the tests' server, with another database.
fn database_url(database: &str) -> String {
    let base = ["DRIFTPACK_DATABASE_URL", "DATABASE_URL"]
        .iter()
        .find_map(std::env::var_os)
        .expect("the tests of this package need a database")
        .into_string()
        .unwrap();
    let (server, path) = base.rsplit_once('/').unwrap();
    let options = path.split_once('?').map(|(_, options)| format!("?{options}"));
    format!("{server}/{database}{}", options.unwrap_or_default())
}

/// The dump without what differs from server to server and run to run.
fn normalised(dump: &str) -> String {
    let lines = dump.lines().filter(|line| {
        !(line.starts_with("--")
            || line.starts_with("SET ")
            || line.starts_with("SELECT ")
            || line.starts_with('\\'))
    });
    let mut text = String::from("-- The application's schema, as the migrations make it.\n");
    let mut blank = false;
    for line in lines {
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        if blank {
            text.push('\n');
        }
        blank = false;
        text.push_str(line);
        text.push('\n');
    }
    text
}
