//! The checker: proves from the database alone that every promise was kept, once nothing moves any more.
//!
//! Invariants: each check is one SQL query that answers with the rows that break a promise, and nothing else; a check that
//! cannot be asked is an error and never a pass. Each one has a test that plants what it looks for.

pub mod claims;
pub mod effects;
pub mod ends;
pub mod family;
pub mod journal;
pub mod limits;
pub mod retries;
pub mod schedule;
pub mod signals;
pub mod waits;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// So many violations of one kind are shown with their evidence; all are counted.
const SHOWN: usize = 10;

/// A promise, and the query for whatever breaks it.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it is called in the report.
    pub kind: &'static str,
    /// What must hold.
    pub promise: &'static str,
    /// Answers (`run_id` or null, what is wrong).
    pub sql: String,
}

impl Check {
    pub(crate) fn new(kind: &'static str, promise: &'static str, sql: impl Into<String>) -> Self {
        Self { kind, promise, sql: sql.into() }
    }
}

/// A promise that was not kept.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    pub kind: &'static str,
    pub run_id: Option<Uuid>,
    pub detail: String,
    /// The run, its journal, its attempts, its effects and its moves, as the database holds them.
    pub evidence: Value,
}

/// What came of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub kind: &'static str,
    pub promise: &'static str,
    pub violations: usize,
}

/// Every check.
pub fn all() -> Vec<Check> {
    [
        ends::checks(),
        effects::checks(),
        journal::checks(),
        claims::checks(),
        schedule::checks(),
        signals::checks(),
        waits::checks(),
        family::checks(),
        retries::checks(),
        limits::checks(),
    ]
    .concat()
}

/// Asks every check; answers how each went, and what was found.
pub async fn check(owner: &mut PgConnection) -> Result<(Vec<Verdict>, Vec<Violation>)> {
    let (mut verdicts, mut violations) = (Vec::new(), Vec::new());
    for check in all() {
        let found =
            ask(&mut *owner, &check).await.with_context(|| format!("check {}", check.kind))?;
        let Check { kind, promise, .. } = check;
        verdicts.push(Verdict { kind, promise, violations: found.len() });
        for (run_id, detail) in found.into_iter().take(SHOWN) {
            let evidence = match run_id {
                Some(run_id) => evidence(&mut *owner, run_id).await?,
                None => Value::Null,
            };
            violations.push(Violation { kind, run_id, detail, evidence });
        }
    }
    Ok((verdicts, violations))
}

async fn ask(owner: &mut PgConnection, check: &Check) -> Result<Vec<(Option<Uuid>, String)>> {
    Ok(sqlx::query_as(AssertSqlSafe(check.sql.clone())).fetch_all(owner).await?)
}

/// Everything that the database holds about a run.
async fn evidence(owner: &mut PgConnection, run_id: Uuid) -> Result<Value> {
    let value = sqlx::query_scalar(
        "select json_build_object(
             'run', (select row_to_json(run) from engine.runs as run where id = $1),
             'journal', (select json_agg(step order by seq) from engine.steps as step where run_id = $1),
             'past', (select json_agg(step order by generation, seq) from engine.past_steps as step where run_id = $1),
             'attempts', (select json_agg(attempt order by started_at) from engine.attempts as attempt
                           where run_id = $1),
             'signals', (select json_agg(signal order by id) from engine.signals as signal where run_id = $1),
             'waits', (select json_agg(wait order by id) from chaos.waits as wait where run_id = $1),
             'effects', (select json_agg(effect order by id) from chaos.effects as effect where run_id = $1),
             'moves', (select json_agg(move order by id) from chaos.moves as move where run_id = $1))",
    )
    .bind(run_id)
    .fetch_one(owner)
    .await?;
    Ok(value)
}
