//! What a database that is distributed by organisation (Citus) asks of the schema: keys, unique constraints and references that hold
//! the column by which rows are placed. README.md has the plan.

use std::collections::BTreeSet;

use sqlx::PgPool;

/// The same on every node: small, written seldom, and looked up before the organisation is known.
const DIRECTORIES: [&str; 3] = ["orgs", "users", "sessions"];
/// Rows of no organisation, on one node: the rounds of the platform's own checks, and the ledger of migrations.
const OF_THE_PLATFORM: [&str; 4] =
    ["audit_chain_rounds", "_sqlx_migrations", "platform_idempotency_keys", "rate_limits"];
/// What is unique across organisations, although its table is distributed. A key is found by its digest before the organisation is
/// known; the digests of random keys never collide, and the plan moves the digest into a directory.
const ACROSS_ORGANISATIONS: [&str; 1] = ["api_keys_key_hmac_key"];

async fn ask(pool: &PgPool, sql: &'static str) -> Vec<(String, String)> {
    sqlx::query_as(sql).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_table_is_an_organisations_or_a_named_exception(pool: PgPool) {
    let all = ask(
        &pool,
        "select relname::text, coalesce(string_agg(attname::text, ','), '')
           from pg_class
           left join pg_attribute on attrelid = pg_class.oid and attname in ('org_id', 'chain')
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
          group by relname",
    )
    .await;
    assert!(all.len() >= 20, "{all:?}");
    let exceptions: BTreeSet<&str> = DIRECTORIES.into_iter().chain(OF_THE_PLATFORM).collect();
    let placed_nowhere: BTreeSet<&str> = all
        .iter()
        .filter(|(_, column)| column.is_empty())
        .map(|(table, _)| table.as_str())
        .collect();
    assert_eq!(placed_nowhere, exceptions);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_unique_index_of_an_organisations_table_holds_its_column(pool: PgPool) {
    let all = ask(
        &pool,
        "select i.relname::text, t.relname::text
           from pg_index x
           join pg_class i on i.oid = x.indexrelid
           join pg_class t on t.oid = x.indrelid
           join pg_attribute a on a.attrelid = t.oid and a.attname in ('org_id', 'chain')
          where t.relnamespace = 'public'::regnamespace
            and x.indisunique
            and not a.attnum = any(x.indkey::smallint[])",
    )
    .await;
    let found: Vec<&str> = all.iter().map(|(index, _)| index.as_str()).collect();
    assert_eq!(found, ACROSS_ORGANISATIONS, "{all:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_table_of_an_organisation_has_a_key_that_begins_with_its_column(pool: PgPool) {
    let without = ask(
        &pool,
        "select t.relname::text, a.attname::text
           from pg_class t
           join pg_attribute a on a.attrelid = t.oid and a.attname in ('org_id', 'chain')
          where t.relnamespace = 'public'::regnamespace
            and t.relkind in ('r', 'p')
            and not exists (select from pg_index x
                             where x.indrelid = t.oid and x.indisprimary and x.indkey[0] = a.attnum)",
    )
    .await;
    assert!(without.is_empty(), "{without:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_reference_stays_within_an_organisation_or_leads_to_a_directory(pool: PgPool) {
    let leading_out = ask(
        &pool,
        "select c.conname::text, r.relname::text
           from pg_constraint c
           join pg_class t on t.oid = c.conrelid and t.relnamespace = 'public'::regnamespace
           join pg_class r on r.oid = c.confrelid
          where c.contype = 'f'
            and not exists (select from pg_attribute a
                              join pg_attribute b on b.attrelid = c.confrelid and b.attname = a.attname
                             where a.attrelid = c.conrelid and a.attname in ('org_id', 'chain')
                               and array_position(c.conkey, a.attnum) = array_position(c.confkey, b.attnum))",
    )
    .await;
    assert!(!leading_out.is_empty());
    for (constraint, to) in leading_out {
        assert!(DIRECTORIES.contains(&to.as_str()), "{constraint} leads to {to}");
    }
}
