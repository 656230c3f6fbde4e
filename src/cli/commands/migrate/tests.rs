//! Plans of databases that stand somewhere, and what migrations may do that say that older versions can go on.

use db::upgrade::{Kind, Lock};
use sqlx::{ConnectOptions as _, PgPool};

use super::plan::{self, Plan};
use super::shown::shown;
use crate::config::Secret;

/// The last migrations from before each said what it is.
const UNMARKED: [(&str, i64); 2] = [("driftpack", 20_261_126_000_060), ("engine", 5)];

/// A database as the last unmarked migrations made it.
async fn earlier(pool: &PgPool) {
    db::MIGRATOR.run_to(UNMARKED[0].1, pool).await.unwrap();
    engine::MIGRATOR.run_to(UNMARKED[1].1, pool).await.unwrap();
}

async fn plan(pool: &PgPool) -> Plan {
    plan::of(&pool.connect_options()).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_plan_says_of_each_migration_what_it_locks_and_who_may_go_on(pool: PgPool) {
    earlier(&pool).await;
    let plan = plan(&pool).await;
    assert!(plan.older_versions_may_run);
    let lock = |version: i64, table: &str| {
        let one = plan.migrations.iter().find(|one| one.trial.version == version).unwrap();
        assert_eq!(one.trial.kind, Kind::Expand);
        let touched = one.trial.tables.iter().find(|touched| touched.table == table);
        touched.map(|touched| (touched.lock, touched.is_rewritten, touched.is_scanned))
    };
    assert_eq!(
        lock(20_261_126_000_100, "public.findings"),
        Some((Lock::AccessExclusive, false, false))
    );
    assert_eq!(
        lock(20_261_126_000_120, "public.admin_audit_log"),
        Some((Lock::ShareRowExclusive, false, false))
    );
    assert_eq!(lock(6, "engine.runs"), Some((Lock::AccessExclusive, false, false)));
    assert_eq!(lock(6, "engine.steps"), None);
    let told = shown(&plan);
    for line in [
        "engine 6: traceparent (expand)",
        "makes 1 × column",
        "takes away trigger findings_no_delete on public.findings",
        "may go on",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let first = &serde_json::to_value(&plan).unwrap()["migrations"][0];
    assert_eq!(first["kind"], "expand");
    assert_eq!(first["version"], 20_261_126_000_100_i64);
}

#[sqlx::test(migrations = false)]
async fn a_plan_changes_nothing_and_leaves_no_copy(pool: PgPool) {
    let tables = "select count(*) from pg_class where relkind = 'r' and relnamespace <> 'pg_catalog'::regnamespace";
    let copies = "select count(*) from pg_database where datname like 'driftpack_plan_%' and datname = any ($1)";
    earlier(&pool).await;
    let before: i64 = sqlx::query_scalar(tables).fetch_one(&pool).await.unwrap();
    assert!(!plan(&pool).await.migrations.is_empty());
    let after: i64 = sqlx::query_scalar(tables).fetch_one(&pool).await.unwrap();
    assert_eq!(before, after);
    // One that was left behind: no backend has this process id.
    sqlx::raw_sql("create database driftpack_plan_2147483647").execute(&pool).await.unwrap();
    plan(&pool).await;
    let left: i64 = sqlx::query_scalar(copies)
        .bind(vec!["driftpack_plan_2147483647"])
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test(migrations = false)]
async fn a_plan_waits_for_nobody_and_keeps_nobody_waiting(pool: PgPool) {
    earlier(&pool).await;
    let mut busy = pool.begin().await.unwrap();
    sqlx::raw_sql("lock table findings, orgs, engine.runs in access exclusive mode")
        .execute(&mut *busy)
        .await
        .unwrap();
    // How large a table is cannot be asked while somebody has it for themselves: it stays open.
    let plan = plan(&pool).await;
    let has_size = |table: &str| {
        let all = plan.migrations.iter().flat_map(|one| one.trial.tables.iter().zip(&one.sizes));
        let of: Vec<_> = all.filter(|(touched, _)| touched.table == table).collect();
        assert!(!of.is_empty(), "{table}");
        of.iter().all(|(_, size)| size.is_some())
    };
    assert!(!has_size("public.findings") && !has_size("engine.runs") && has_size("public.users"));
    busy.rollback().await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_database_that_is_up_to_date_has_no_plan_and_a_foreign_one_is_refused(pool: PgPool) {
    db::migrate(&pool).await.unwrap();
    engine::MIGRATOR.run(&pool).await.unwrap();
    assert_eq!(shown(&plan(&pool).await), "Nothing is pending.");
    sqlx::raw_sql("update engine._migrations set checksum = '' where version = 1")
        .execute(&pool)
        .await
        .unwrap();
    let refused = plan::of(&pool.connect_options()).await.unwrap_err();
    assert!(refused.to_string().starts_with("engine 1 was applied with another content"));
    sqlx::raw_sql(
        "update _sqlx_migrations set version = 99999999999999 where version = 20261124000001",
    )
    .execute(&pool)
    .await
    .unwrap();
    let refused = plan::of(&pool.connect_options()).await.unwrap_err();
    assert!(refused.to_string().contains("99999999999999 is unknown to this program"));
}

#[sqlx::test(migrations = false)]
async fn a_role_that_may_make_no_database_is_told_what_is_pending_and_the_way_out(pool: PgPool) {
    earlier(&pool).await;
    sqlx::raw_sql("do $$ begin create role driftpack_plan_test login; exception when duplicate_object or unique_violation then null; end $$;
         grant usage on schema engine to driftpack_plan_test;
         grant select on engine._migrations, public._sqlx_migrations to driftpack_plan_test")
        .execute(&pool)
        .await
        .unwrap();
    let options = (*pool.connect_options()).clone().username("driftpack_plan_test");
    let refused = plan::of(&options).await.unwrap_err().to_string();
    assert!(refused.starts_with("pending: driftpack 20261126000100, "), "{refused}");
    assert!(refused.contains("may not create databases"), "{refused}");
}

#[sqlx::test(migrations = false)]
async fn a_migration_that_says_expand_leaves_older_versions_what_they_use(pool: PgPool) {
    let plan = plan(&pool).await;
    let count = db::MIGRATOR.iter().count() + engine::MIGRATOR.iter().count();
    assert_eq!(plan.migrations.len(), count);
    let (mut marked, mut faults) = (0, Vec::new());
    for one in plan.migrations.iter().map(|one| &one.trial) {
        let name = format!("{} {} ({})", one.family, one.version, one.name);
        let is_new =
            UNMARKED.iter().any(|(family, last)| *family == one.family && one.version > *last);
        match one.kind {
            Kind::Unmarked if is_new => {
                faults.push(format!("{name}: its first line must be `-- expand` or `-- contract`"));
            }
            Kind::Expand => {
                marked += 1;
                faults.extend(one.breaches.iter().map(|breach| format!("{name} {breach}")));
            }
            Kind::Unmarked | Kind::Contract => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(marked >= 4, "{marked}");
}

#[sqlx::test(migrations = false)]
async fn a_migration_steps_back_from_a_table_that_somebody_works_with_and_comes_again(
    pool: PgPool,
) {
    earlier(&pool).await;
    let mut reader = pool.begin().await.unwrap();
    sqlx::raw_sql("select from findings").execute(&mut *reader).await.unwrap();
    let url = Secret::new(pool.connect_options().to_url_lossy().as_str());
    let migrating = tokio::spawn(async move { super::patiently(&url).await });
    // The reader sees it come, and go, and others get in meanwhile.
    let waiting =
        "select count(*) from pg_locks where relation = 'findings'::regclass and not granted
         and database = (select oid from pg_database where datname = current_database())";
    for wanted in [1, 0, 1, 0] {
        loop {
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&pool).await.unwrap();
            if count == wanted {
                break;
            }
        }
    }
    assert!(!migrating.is_finished());
    reader.rollback().await.unwrap();
    migrating.await.unwrap().unwrap();
    assert_eq!(shown(&plan(&pool).await), "Nothing is pending.");
}
