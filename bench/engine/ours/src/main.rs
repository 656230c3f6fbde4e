//! The measured program: the engine, bare apalis-postgres, and a bare loop of commits, each as a command.
//!
//! `engine-bench migrate|serve|enqueue URL`, `load URL STEPS RUNS`, `drain URL STEPS RUNS CONCURRENCY`, `single URL REPEATS`,
//! `fill URL RUNS`; `apalis-serve`, `apalis-enqueue`, `apalis-load` and `apalis-drain` are the same for bare apalis-postgres.
//! Invariant: it prints figures and decides nothing; what is measured when is `bench/engine/*.py`.

mod bare;
mod drain;
mod fill;
#[path = "../../peers/protocol.rs"]
mod protocol;
mod serve;
mod single;
mod workflows;

use std::error::Error;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Connections of the application's pool; the worker opens its own beside them.
const CONNECTIONS: u32 = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [command, url, rest @ ..] = words.as_slice() else {
        return Err("usage: engine-bench COMMAND URL [ARGUMENT…]".into());
    };
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    match (*command, rest) {
        ("migrate", []) => migrate(&pool).await?,
        ("serve", []) => serve::serve(&pool).await?,
        ("enqueue", []) => serve::enqueue(&pool).await?,
        ("load", [steps, runs]) => drain::load(&pool, steps.parse()?, runs.parse()?).await?,
        ("drain", [steps, runs, concurrency]) => {
            drain::drain(&pool, steps.parse()?, runs.parse()?, concurrency.parse()?).await?;
        }
        ("single", [repeats]) => single::single(&pool, repeats.parse()?).await?,
        ("fill", [runs]) => fill::fill(&pool, runs.parse()?).await?,
        ("apalis-migrate", []) => bare::migrate(&pool).await?,
        ("apalis-serve", []) => bare::serve(&pool).await?,
        ("apalis-enqueue", []) => bare::enqueue(&pool).await?,
        ("apalis-load", [_, jobs]) => bare::load(&pool, jobs.parse()?).await?,
        ("apalis-drain", [_, jobs, mode]) => bare::drain(&pool, jobs.parse()?, mode).await?,
        _ => return Err(format!("no such command: {}", words.join(" ")).into()),
    }
    // Nothing here is worth a graceful end: the figures are out, and the database is thrown away.
    std::process::exit(0);
}

async fn migrate(pool: &PgPool) -> Result<(), Box<dyn Error>> {
    engine::migrate(pool, pool.connect_options().get_username()).await?;
    Ok(())
}
