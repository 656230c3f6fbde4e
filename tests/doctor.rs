//! `driftpack admin doctor` on sound installations and on damaged ones.

use serde_json::Value;
use tests::app::App;
use tests::sql;

const DOCTOR: &[&str] = &["admin", "doctor"];
const IN_JSON: &[&str] = &["admin", "doctor", "--json"];

/// The doctor's JSON, with the faults of all checks as texts.
fn faults((code, said): &(i32, String)) -> Vec<String> {
    let report: Value = serde_json::from_str(said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let checks = report["checks"].as_array().unwrap();
    let faults: Vec<String> = checks
        .iter()
        .flat_map(|check| check["faults"].as_array().unwrap())
        .map(|fault| {
            assert!(!fault["way_out"].as_str().unwrap().is_empty(), "{fault}");
            format!("{} → {}", fault["fault"].as_str().unwrap(), fault["way_out"].as_str().unwrap())
        })
        .collect();
    let is_ok = report["status"] == "ok";
    assert_eq!((*code == 0, is_ok), (faults.is_empty(), faults.is_empty()), "{code}: {said}");
    faults
}

#[tokio::test]
async fn a_sound_installation_is_found_sound() {
    let app = App::start().await;
    let (code, said) = app.exit(DOCTOR);
    assert_eq!(code, 0, "{said}");
    for told in [
        "serving role     signed in as driftpack_app",
        "they belong to driftpack_owner",
        "driftpack_owner migrates, driftpack_app serves",
        "the database is up to date",
        "Everything is as it must be.",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(faults(&app.exit(IN_JSON)), Vec::<String>::new());
    let without = [("DRIFTWISE_MIGRATION_DATABASE_URL", "")];
    let (code, said) = app.exit_with(&without, DOCTOR);
    assert!(code == 0 && said.contains("is not set here"), "{said}");
}

/// What somebody does to the database, what the doctor says, and what makes it good again.
const DAMAGES: &[(&str, &str, &str)] = &[
    (
        "alter table findings disable row level security",
        "findings: row security is off → alter table findings enable row level security;",
        "alter table findings enable row level security",
    ),
    (
        "alter table memberships no force row level security",
        "memberships: row security does not hold for its owner → alter table memberships force",
        "alter table memberships force row level security",
    ),
    (
        "create policy hole on memberships using (true)",
        "memberships: rows are shown to a transaction that works for no organisation",
        "drop policy hole on memberships",
    ),
    (
        "create table added_later (org_id uuid, secret text)",
        "added_later: row security is off",
        "drop table added_later",
    ),
    (
        "create materialized view copy as select org_id from scans",
        "copy: row security is off",
        "drop materialized view copy",
    ),
    (
        "alter view state_source_history set (security_invoker = false)",
        "state_source_history: the view shows rows with the rights of its owner",
        "alter view state_source_history set (security_invoker = true)",
    ),
    (
        "grant truncate on scans to driftpack_app",
        "scans: driftpack_app may truncate it",
        "revoke truncate on scans from driftpack_app",
    ),
    (
        "alter table scans owner to driftpack_app",
        "driftpack_app owns table scans → give it to the role that migrates",
        "alter table scans owner to driftpack_owner",
    ),
    (
        "grant create on schema public to driftpack_app",
        "driftpack_app may create tables and functions in the schema public",
        "revoke create on schema public from driftpack_app",
    ),
    (
        "alter table admin_audit_log disable trigger admin_audit_log_append_only",
        "admin_audit_log: the trigger admin_audit_log_append_only is switched off",
        "alter table admin_audit_log enable trigger admin_audit_log_append_only",
    ),
    (
        "grant update on admin_audit_log to driftpack_app",
        "admin_audit_log: driftpack_app has been granted what admin_audit_log_append_only refuses",
        "revoke update on admin_audit_log from driftpack_app",
    ),
    (
        "update _sqlx_migrations set version = 1 where version = 20261124000010",
        "not applied: 20261124000010 → run `driftpack migrate`",
        "update _sqlx_migrations set version = 20261124000010 where version = 1",
    ),
    (
        "update _sqlx_migrations set checksum = checksum || 'x' where version = 20261124000010",
        "applied with another content, or not finished: 20261124000010",
        "update _sqlx_migrations set checksum = substr(checksum, 1, length(checksum) - 1) where version = 20261124000010",
    ),
    (
        "update engine._migrations set version = -version where version = 1",
        "of the engine, not applied or changed: 1 → run `driftpack migrate`",
        "update engine._migrations set version = -version where version = -1",
    ),
];

#[tokio::test]
async fn what_is_damaged_is_named_with_its_way_out_and_mended_it_is_well() {
    let app = App::start().await;
    for (damage, told, mend) in DAMAGES {
        sql::query(&app.database, damage);
        let found = faults(&app.exit(IN_JSON));
        assert!(found.iter().any(|fault| fault.contains(told)), "{damage}: {found:#?}");
        sql::query(&app.database, mend);
        assert_eq!(faults(&app.exit(IN_JSON)), Vec::<String>::new(), "after {mend}");
    }
    sql::query(&app.database, "alter table scans disable row level security");
    let (code, said) = app.exit(DOCTOR);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("FAULTY  row security"), "{said}");
    assert!(said.contains("way out: alter table scans enable row level security;"), "{said}");
    assert!(said.contains("One thing is not as it must be."), "{said}");
}

/// A role that signs in, and is gone with the value.
struct Role {
    name: String,
    superuser: String,
}

impl Role {
    fn new(app: &App, attributes: &str) -> Self {
        let name = format!("it_role_{:08x}", rand::random::<u32>());
        sql::query(&app.database, &format!("create role {name} login {attributes}"));
        Self { name, superuser: app.database.clone() }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        sql::query(&self.superuser, &format!("drop role {}", self.name));
    }
}

#[tokio::test]
async fn a_server_that_signs_in_as_a_role_that_may_too_much_is_told() {
    let app = App::start().await;
    for (attributes, told) in [
        ("superuser", "is a superuser"),
        ("bypassrls in role driftpack_app", "bypasses row security"),
        ("createrole in role driftpack_app", "may create roles"),
        ("in role driftpack_app, driftpack_owner", "may become driftpack_owner"),
        ("noinherit in role driftpack_app, pg_write_all_data", "may become pg_write_all_data"),
        ("in role driftpack_app", ""),
    ] {
        let role = Role::new(&app, attributes);
        let url = sql::with_role(&app.database, &role.name);
        let found = faults(&app.exit_with(&[("DRIFTWISE_DATABASE_URL", &url)], IN_JSON));
        if told.is_empty() {
            assert_eq!(found, Vec::<String>::new());
        } else {
            let is_told = |fault: &String| fault.contains(&role.name) && fault.contains(told);
            assert!(found.iter().any(is_told), "{attributes}: {found:#?}");
        }
    }
    let owner = sql::with_role(&app.database, "driftpack_owner");
    let found = faults(&app.exit_with(&[("DRIFTWISE_DATABASE_URL", &owner)], IN_JSON));
    for told in ["driftpack_owner owns ", "driftpack_owner both migrates and serves"] {
        assert!(found.iter().any(|fault| fault.contains(told)), "{told}: {found:#?}");
    }
    assert!(found.len() <= 4, "what follows from owning is not told again: {found:#?}");
}

#[tokio::test]
async fn parts_that_cannot_be_reached_are_named_and_the_others_are_looked_at() {
    let app = App::start().await;
    let nowhere = "postgres://driftpack_app@127.0.0.1:1/nowhere";
    for (setting, value, told) in [
        ("DRIFTWISE_REDIS_URL", "redis://127.0.0.1:1", "DRIFTWISE_REDIS_URL"),
        // A folder in which not even root can make a file.
        ("DRIFTWISE_STORAGE_ROOT", "/proc/sys", "DRIFTWISE_STORAGE_"),
        ("DRIFTWISE_MIGRATION_DATABASE_URL", nowhere, "DRIFTWISE_MIGRATION_DATABASE_URL"),
    ] {
        let found = faults(&app.exit_with(&[(setting, value)], IN_JSON));
        assert_eq!(found.len(), 1, "{setting}: {found:#?}");
        assert!(found[0].contains(told), "{found:#?}");
    }
    let found = faults(&app.exit_with(&[("DRIFTWISE_DATABASE_URL", nowhere)], IN_JSON));
    assert!(found[0].contains("the database cannot be reached"), "{found:#?}");
    assert!(!found.iter().any(|fault| fault.contains("REDIS")), "{found:#?}");
}
