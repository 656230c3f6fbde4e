//! What the doctor looks at in the database, as the role that serves.

use anyhow::{Context as _, Result};
use db::isolation::{self, Guard, Ledger, Role, Table};
use sqlx::PgPool;

use super::report::Check;

/// Every check that the database let us make. What is found first is told even where the rest cannot be asked.
pub(super) async fn look(pool: &PgPool) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(error) = ask(pool, &mut checks).await {
        checks.push(Check::new("database", "it was not looked at to its end").fault(
            format!("{error:#}"),
            "see that Postgres runs, that DRIFTWISE_DATABASE_URL names a member of driftpack_app that inherits its rights, and that `driftpack migrate` has run",
        ));
    }
    checks
}

async fn ask(pool: &PgPool, checks: &mut Vec<Check>) -> Result<()> {
    let mut tx = pool.begin().await.context("the database cannot be reached")?;
    let role = isolation::role(&mut tx).await?;
    checks.push(serving_role(&role));
    if role.is_superuser {
        // Whatever else is asked, the answer for a superuser is that it may.
        let found = "not looked at: for a superuser there is none";
        checks.push(Check::new("row security", found).fault(
            "row security cannot be shown to hold",
            "mend the serving role first, then run this again",
        ));
    } else {
        let tables = isolation::tables(&mut tx).await?;
        let views = isolation::views_of_their_owner(&mut tx).await?;
        checks.push(row_security(&role, &tables, &views));
        checks.push(history(&role, &isolation::guards(&mut tx).await?));
    }
    let ledger = isolation::ledger(&mut tx).await?;
    let of_engine = engine::outdated(&mut tx).await?;
    checks.push(migrations(&ledger, &of_engine));
    tx.rollback().await?;
    Ok(())
}

fn serving_role(role: &Role) -> Check {
    let name = &role.name;
    let mut check = Check::new("serving role", format!("signed in as {name}"));
    if role.is_superuser {
        check = check.fault(
            format!("{name} is a superuser: nothing in the database holds for it"),
            "make DRIFTWISE_DATABASE_URL name a role that is only a member of driftpack_app",
        );
        return check;
    }
    if role.bypasses_row_security {
        check = check.fault(
            format!("{name} bypasses row security"),
            format!("alter role {name} nobypassrls;"),
        );
    }
    if role.may_create_roles {
        check = check.fault(
            format!("{name} may create roles and give itself to them"),
            format!("alter role {name} nocreaterole;"),
        );
    }
    if role.may_create_objects {
        check = check.fault(
            format!("{name} may create tables and functions in the schema public"),
            format!("revoke create on schema public from public, {name};"),
        );
    }
    if let Some(fault) = ownership(role) {
        let way_out = format!(
            "give it to the role that migrates: reassign owned by {name} to <that role>; or, where {name} is that role, make DRIFTWISE_DATABASE_URL name another one that is only a member of driftpack_app"
        );
        check = check.fault(fault, way_out);
    }
    for other in &role.may_become {
        check = check.fault(
            format!("{name} may become {other}, which may do what it must not"),
            format!("revoke {other} from {name};"),
        );
    }
    check
}

/// What the role owns, in one sentence however much it is.
fn ownership(role: &Role) -> Option<String> {
    const TOLD: usize = 3;
    let told = role.owns.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    match role.owns.len() {
        0 => None,
        1..=TOLD => Some(format!("{} owns {told}", role.name)),
        _ => Some(format!("{} owns {told} and more", role.name)),
    }
}

/// Whether the role has rights of its own because it was granted them, and not because it owns things.
fn is_grantee(role: &Role) -> bool {
    role.owns.is_empty()
}

fn row_security(role: &Role, tables: &[Table], views: &[String]) -> Check {
    let mut owners: Vec<_> = tables.iter().map(|table| table.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    let found = format!(
        "{} tables have rows of organisations; they belong to {}",
        tables.len(),
        if owners.is_empty() { "nobody".to_owned() } else { owners.join(", ") },
    );
    let mut check = Check::new("row security", found);
    if tables.is_empty() {
        check = check.fault("there is no such table", "run `driftpack migrate`");
    }
    for table in tables {
        let name = &table.name;
        if !table.is_secured {
            check = check.fault(
                format!("{name}: row security is off"),
                format!("alter table {name} enable row level security;"),
            );
        }
        if !table.is_forced {
            check = check.fault(
                format!("{name}: row security does not hold for its owner"),
                format!("alter table {name} force row level security;"),
            );
        }
        if table.is_secured && table.shows_rows_to_nobody {
            check = check.fault(
                format!("{name}: rows are shown to a transaction that works for no organisation"),
                format!("look for a policy that lets everybody in: select policyname, qual from pg_policies where tablename = '{name}';"),
            );
        }
        if table.may_be_truncated && is_grantee(role) {
            check = check.fault(
                format!("{name}: {} may truncate it, and no row security is asked then", role.name),
                format!("revoke truncate on {name} from {}, driftpack_app, public;", role.name),
            );
        }
    }
    for view in views {
        check = check.fault(
            format!("{view}: the view shows rows with the rights of its owner"),
            format!("alter view {view} set (security_invoker = true);"),
        );
    }
    check
}

fn history(role: &Role, guards: &[Guard]) -> Check {
    let mut check = Check::new("history", format!("{} triggers keep it as it was", guards.len()));
    if guards.is_empty() {
        check = check.fault("there is no such trigger", "run `driftpack migrate`");
    }
    for Guard { table, trigger, is_enabled, is_undermined } in guards {
        if !is_enabled {
            check = check.fault(
                format!("{table}: the trigger {trigger} is switched off"),
                format!(
                    "alter table {table} enable trigger {trigger}; then verify the audit chains"
                ),
            );
        }
        if *is_undermined && is_grantee(role) {
            check = check.fault(
                format!("{table}: {} has been granted what {trigger} refuses", role.name),
                format!("revoke update, delete, truncate on {table} from {}, driftpack_app, public; then grant again what the migrations grant", role.name),
            );
        }
    }
    check
}

fn migrations(ledger: &Ledger, of_engine: &[i64]) -> Check {
    let is_current = ledger.is_current() && of_engine.is_empty();
    let found = if is_current {
        "the database is up to date"
    } else {
        "the database is not that of this program"
    };
    let mut check = Check::new("migrations", found);
    let list =
        |versions: &[i64]| versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    if !ledger.pending.is_empty() {
        check = check
            .fault(format!("not applied: {}", list(&ledger.pending)), "run `driftpack migrate`");
    }
    if !of_engine.is_empty() {
        check = check.fault(
            format!("of the engine, not applied or changed: {}", list(of_engine)),
            "run `driftpack migrate`",
        );
    }
    if !ledger.changed.is_empty() {
        check = check.fault(
            format!("applied with another content, or not finished: {}", list(&ledger.changed)),
            "find out who changed them; restore the database, or the program that it was made by",
        );
    }
    if !ledger.unknown.is_empty() {
        check = check.fault(
            format!("unknown to this program: {}", list(&ledger.unknown)),
            "a later version has migrated this database: run that version",
        );
    }
    check
}
