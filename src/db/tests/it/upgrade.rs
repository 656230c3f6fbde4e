//! What a migration may not do that says that older versions can go on, and how what it does is seen.

use db::upgrade::{Family, Inventory, Kind, Lock, Standing, migrate_copy};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, PgPool, SqlSafeStr as _};

/// The version before, as its programs know it.
const BEFORE: &str = "
    create type color as enum ('red');
    create domain small as text check (octet_length(value) < 10);
    create table parents (id bigint primary key);
    create table things (
      id bigint primary key, name text not null, size bigint default 1, note text, color color, label small,
      parent bigint references parents);
    create unique index things_name on things (name);
    create view seen as select id, name from things;
    create function twice(n bigint) returns bigint language sql immutable as 'select n * 2';
    alter table things enable row level security;
    create policy everybody on things using (true);
    grant select, update (note) on things to driftpack_app;
    grant execute on function twice to driftpack_app;";

#[test]
fn the_mark_is_on_the_first_line_or_behind_the_one_that_does_without_a_transaction() {
    for (sql, kind) in [
        ("-- expand\ncreate table a ();", Kind::Expand),
        ("-- contract \r\ndrop table a;", Kind::Contract),
        ("-- no-transaction\n-- expand\ncreate index concurrently a on b (c);", Kind::Expand),
        ("-- no-transaction\n-- contract\n", Kind::Contract),
        ("-- no-transaction\ncreate table a ();\n-- expand", Kind::Unmarked),
        ("", Kind::Unmarked),
    ] {
        let description = "a change".into();
        let migration =
            Migration::new(1, description, MigrationType::Simple, sql.into_sql_str(), false);
        assert_eq!(Kind::of(&migration), kind, "{sql}");
    }
}

/// What becomes of the version before by `change`, as its programs feel it.
async fn breaches(pool: &PgPool, change: &str) -> Vec<String> {
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql(BEFORE).execute(&mut *tx).await.unwrap();
    let before = Inventory::take(&mut tx).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut *tx).await.unwrap();
    let after = Inventory::take(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
    before.broken_by(&after)
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_older_versions_use_may_not_go_and_nothing_may_narrow_it(pool: PgPool) {
    for (change, breach) in [
        (
            "drop view seen; alter table things drop column note",
            "takes away: column public.things.note",
        ),
        (
            "alter table things rename column note to remark",
            "takes away: column public.things.note",
        ),
        (
            "alter table things alter column size type numeric",
            "makes another of: column public.things.size",
        ),
        (
            "alter table things alter column size drop default",
            "takes away: default public.things.size",
        ),
        ("drop table things cascade", "takes away: table public.things"),
        ("drop view seen", "takes away: view public.seen"),
        ("drop function twice", "takes away: function public.twice(n bigint) returns bigint"),
        (
            "drop function twice; create function twice(n bigint) returns numeric language sql as 'select 1.0'",
            "takes away: function public.twice(n bigint) returns bigint",
        ),
        ("drop index things_name", "takes away: unique things_name on public.things"),
        ("drop policy everybody on things", "takes away: policy everybody on public.things"),
        (
            "revoke select on things from driftpack_app",
            "takes away: grant select on public.things to driftpack_app",
        ),
        (
            "revoke update (note) on things from driftpack_app",
            "takes away: grant update on public.things.note to driftpack_app",
        ),
        (
            "revoke execute on function twice from public",
            "takes away: grant execute on public.twice(n bigint) to public",
        ),
        ("alter type color rename value 'red' to 'blue'", "takes away: label red of public.color"),
        (
            "alter table things alter column note set not null",
            "demands of what was there: not null public.things.note",
        ),
        (
            "alter table things add column owner text not null",
            "demands of what was there: not null public.things.owner",
        ),
        (
            "alter table things add constraint short check (length(note) < 5)",
            "demands of what was there: check short on public.things",
        ),
        (
            "alter table things add constraint one unique (note)",
            "demands of what was there: unique one on public.things",
        ),
        (
            "create unique index one on things (note)",
            "demands of what was there: unique one on public.things",
        ),
        (
            "alter table things add constraint known foreign key (size) references parents",
            "demands of what was there: foreign key known on public.things",
        ),
        (
            "create policy few on things as restrictive using (id < 5)",
            "demands of what was there: restriction few on public.things",
        ),
        (
            "alter table parents enable row level security",
            "hides rows of what was there: row security public.parents",
        ),
        (
            "alter domain small add constraint smaller check (octet_length(value) < 5)",
            "demands of what was there: check smaller on public.small",
        ),
    ] {
        let found = breaches(&pool, change).await;
        assert!(found.iter().any(|one| one == breach), "{change}: {found:#?}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_only_adds_or_loosens_breaks_nothing(pool: PgPool) {
    for change in [
        "alter table things add column owner text; create index on things (owner); comment on column things.owner is 'x'",
        "alter table things add column owner text not null default 'nobody'",
        "alter table things add column owner text; alter table things add constraint short check (length(owner) < 5)",
        "alter table things alter column name drop not null; alter table things drop constraint things_parent_fkey",
        "create table others (id bigint primary key, thing bigint not null references things, check (id > 0))",
        "create or replace function twice(n bigint) returns bigint language sql immutable as 'select n + n'",
        "create policy more on things using (id > 5); grant insert on things to driftpack_app",
        "alter table things alter column size set default 2; alter type color add value 'blue'",
        "create function thrice(n bigint) returns bigint language sql as 'select n * 3'; revoke all on function thrice from public",
    ] {
        assert_eq!(breaches(&pool, change).await, Vec::<String>::new(), "{change}");
    }
}

/// What is seen of a migration.
async fn seen(pool: &PgPool, sql: &'static str) -> Vec<(String, Lock, bool, bool)> {
    let migration = |version, sql: &'static str| {
        let sql = sql.into_sql_str();
        Migration::new(version, "a change".into(), MigrationType::Simple, sql, false)
    };
    let all = Box::leak(Box::new(vec![migration(1, BEFORE), migration(2, sql)]));
    let standing =
        Standing { applied: vec![&all[0]], pending: vec![&all[1]], ..Standing::default() };
    let family = Family { migrator: NONE, ..Family::application() };
    let mut conn = pool.acquire().await.unwrap();
    let mut trials = migrate_copy(&mut conn, &[(family, standing)]).await.unwrap();
    let trial = trials.remove(0);
    assert_eq!((trial.version, trial.kind), (2, Kind::Unmarked));
    let touched = trial.tables.into_iter();
    touched.map(|one| (one.table, one.lock, one.is_rewritten, one.is_scanned)).collect()
}

static NONE: &Migrator = &Migrator::DEFAULT;

macro_rules! seen_of {
    ($($name:ident: $sql:literal => $($table:literal $lock:ident $burden:literal),*;)+) => {$(
        #[sqlx::test(migrator = "db::MIGRATOR")]
        async fn $name(pool: PgPool) {
            let wanted = vec![$((
                concat!("public.", $table).to_owned(),
                Lock::$lock,
                $burden == "rewritten",
                $burden != "",
            )),*];
            let mut found = seen(&pool, $sql).await;
            found.retain(|(_, lock, ..)| *lock > Lock::AccessShare);
            assert_eq!(found, wanted);
        }
    )+};
}

seen_of! {
    a_new_column_locks_out_everybody_for_a_moment:
        "alter table things add column owner text" => "things" AccessExclusive "";
    a_column_of_another_type_rewrites_the_table:
        "alter table things alter column size type numeric" => "things" AccessExclusive "rewritten";
    an_index_reads_the_table_and_keeps_writers_waiting:
        "create index on things (note)" => "things" Share "scanned";
    a_column_that_must_be_filled_is_looked_for_in_every_row:
        "alter table things alter column note set not null" => "things" AccessExclusive "scanned";
    a_reference_keeps_writers_of_both_tables_waiting:
        "create table others (thing bigint references things)" => "things" ShareRowExclusive "";
    a_comment_keeps_nobody_waiting:
        "comment on table things is 'x'" => "things" ShareUpdateExclusive "";
}
