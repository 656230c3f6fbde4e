//! A million finished runs, made of one: a real run of one step is driven to its end, then its rows are copied.
//!
//! Invariant: no column is named but the ids and the times, so that the copies are what the engine itself left behind, whatever
//! its tables look like. Copies lie 100 ms apart in the past.

use std::error::Error;

use engine::{CancellationToken, Client, Uuid};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::protocol::{now, say, seconds_since};
use crate::workflows::{One, all, work};

/// Tables of the engine that hold a run's rows, with the column that names the run.
const TABLES: &str = "
    select table_name::text, column_name::text
      from information_schema.columns
      join information_schema.tables using (table_schema, table_name)
     where table_schema = 'engine'
       and table_type = 'BASE TABLE'
       and (column_name = 'run_id' or (table_name, column_name) = ('runs', 'id'))
     order by table_name = 'runs' desc, table_name";

const COLUMNS: &str = "
    select column_name::text, data_type = 'timestamp with time zone'
      from information_schema.columns
     where table_schema = 'engine'
       and table_name = $1
       and column_name <> $2
       and is_generated = 'NEVER'
       and is_identity = 'NO'";

pub(crate) async fn fill(pool: &PgPool, runs: i64) -> Result<(), Box<dyn Error>> {
    let from = now();
    let template = finished_run(pool).await?;
    let mut tx = pool.begin().await?;
    // The copies are consistent with each other; asking row by row would take longer than copying.
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await?;
    let tables: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&mut *tx).await?;
    for (table, id) in &tables {
        copy(&mut tx, (table, id), template, runs).await?;
    }
    tx.commit().await?;
    sqlx::query("vacuum (analyze)").execute(pool).await?;
    say(&json!({"filled": runs, "seconds": seconds_since(from)}));
    Ok(())
}

/// A run that the engine has driven to its end.
async fn finished_run(pool: &PgPool) -> Result<Uuid, Box<dyn Error>> {
    let (stop, client) = (CancellationToken::new(), Client::new(pool.clone()));
    let (worker, _) = work(pool, 1, stop.clone())?;
    let mut tx = pool.begin().await?;
    let started = client.start(&mut tx, One { number: 1 }).await?;
    tx.commit().await?;
    all(1).await;
    while client.output::<One>(started.run_id).await?.is_none() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    worker.await??;
    Ok(started.run_id)
}

/// Copies the rows of the run `template` in one table, once for each of `runs` new ids. The ids are of version 7, like the
/// engine's own, so that the copies fill an index as real runs would.
async fn copy(
    tx: &mut PgConnection,
    (table, id): (&str, &str),
    template: Uuid,
    runs: i64,
) -> Result<(), sqlx::Error> {
    let columns: Vec<(String, bool)> =
        sqlx::query_as(COLUMNS).bind(table).bind(id).fetch_all(&mut *tx).await?;
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let values: Vec<String> = columns
        .iter()
        .map(|(name, is_time)| match is_time {
            true => format!("template.\"{name}\" - n * interval '100 ms'"),
            false => format!("template.\"{name}\""),
        })
        .collect();
    let (names, values) = (names.join(", "), values.join(", "));
    let statement = format!(
        "
        insert into engine.\"{table}\" (\"{id}\", {names})
        select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - n * 100), 12, '0')
                   || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
               {values}
          from engine.\"{table}\" as template, generate_series($2::bigint, 1, -1) as n
         where template.\"{id}\" = $1
        "
    );
    sqlx::query(AssertSqlSafe(statement)).bind(template).bind(runs).execute(tx).await?;
    Ok(())
}
