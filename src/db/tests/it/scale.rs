//! The pack of one organisation among many touches only that organisation's rows.
//!
//! A small model of a large installation. What the planner does with millions of rows is in README.md, measured by hand.

use db::generate::{Profile, generate};
use db::section::{Parameter, QUERIES};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{World, cause, period};

const ORGANISATIONS: usize = 40;
const FINDINGS: u64 = 250;

/// Tables that grow with what organisations do. (Settings and months are few, and may well be read whole.)
const GROWING: [&str; 7] = [
    "findings",
    "finding_events",
    "scans",
    "scan_noise",
    "scan_sightings",
    "admin_audit_log",
    "audit_exports",
];
/// Those of them that the model fills.
const FILLED: [&str; 2] = ["findings", "finding_events"];

async fn many(owner: PgPool) -> World {
    let world = World::new(owner.clone()).await;
    let mut orgs = vec![world.org];
    for number in 1..ORGANISATIONS {
        orgs.push(World::org(&world.app, &format!("org-{number}")).await.0);
    }
    let profile =
        Profile { findings: FINDINGS, seed: 1, period: period(0, 2400), state_sources: 2 };
    for org in orgs {
        let mut tx = db::OrgTx::begin(&world.app, org).await.unwrap();
        generate(&mut tx, org, &profile, &cause(5000)).await.unwrap();
        tx.commit().await.unwrap();
    }
    sqlx::raw_sql("analyze").execute(&owner).await.unwrap();
    world
}

/// A statement of the pack, with its parameters in place.
fn asked(world: &World, query: &db::section::Query) -> String {
    let place = |(at, parameter): (usize, &Parameter)| {
        let text = parameter.text(world.org, period(0, 2400)).replace('\'', "''");
        (format!("${}", at + 1), format!("'{text}'"))
    };
    query
        .parameters
        .iter()
        .enumerate()
        .map(place)
        .fold(query.sql.to_owned(), |sql, (name, value)| sql.replace(&name, &value))
}

async fn plan(world: &World, settings: &str, sql: &str) -> Value {
    let mut tx = world.tx().await;
    sqlx::raw_sql(AssertSqlSafe(settings.to_owned())).execute(&mut *tx).await.unwrap();
    let explain = format!("explain (format json, analyze, buffers) {sql}");
    sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *tx).await.unwrap()
}

/// Every node of a plan.
fn nodes(plan: &Value, found: &mut Vec<Value>) {
    match plan {
        Value::Array(parts) => parts.iter().for_each(|part| nodes(part, found)),
        Value::Object(members) => {
            if members.contains_key("Node Type") {
                found.push(plan.clone());
            }
            members.values().for_each(|member| nodes(member, found));
        }
        _ => {}
    }
}

fn whole_tables(plan: &Value, tables: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    nodes(plan, &mut all);
    assert!(!all.is_empty(), "{plan}");
    let is_whole = |node: &&Value| {
        node["Node Type"] == "Seq Scan"
            && tables.contains(&node["Relation Name"].as_str().unwrap_or_default())
    };
    all.iter().filter(is_whole).map(|node| node["Relation Name"].to_string()).collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn no_statement_of_a_pack_reads_a_table_of_all_organisations(pool: PgPool) {
    let world = many(pool).await;
    // The search would notice one.
    let without_indexes = "set local enable_indexscan = off; set local enable_bitmapscan = off; set local enable_indexonlyscan = off";
    let whole = plan(&world, without_indexes, "select count(*) from findings").await;
    assert_eq!(whole_tables(&whole, &FILLED), ["\"findings\""]);
    for query in QUERIES {
        let sql = asked(&world, query);
        // As the planner likes it, with the settings of a pack.
        let usual = plan(&world, "set local jit = off; set local work_mem = '64MB'", &sql).await;
        assert_eq!(whole_tables(&usual, &FILLED), [""; 0], "{}: {usual:#}", query.name);
        // And there is another way than reading the whole table, for small ones too.
        let forced = plan(&world, "set local enable_seqscan = off", &sql).await;
        assert_eq!(whole_tables(&forced, &GROWING), [""; 0], "{}: {forced:#}", query.name);
    }
}
