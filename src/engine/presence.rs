//! The workers, as operators see them: each keeps a row of its own, and takes it along when it stops in good order.
//!
//! Nothing depends on these rows; leases alone say who may go on with a run.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use crate::store::{Kinds, interval};
use crate::{Clock, figures};

/// Time between two signs of life.
pub(crate) const BEAT: Duration = Duration::from_secs(5);
/// Rows of workers that died are kept this long.
const KEPT: Duration = Duration::from_hours(1);

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    pub(crate) id: String,
    pub(crate) program: String,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) kinds: Kinds,
}

impl Presence {
    /// A sign of life.
    pub(crate) async fn beat(&self, pool: &PgPool, clock: &Clock) -> sqlx::Result<()> {
        figures::nothing_yet(&self.kinds.names);
        let kinds: Vec<_> = std::iter::zip(&self.kinds.names, &self.kinds.versions)
            .map(|(workflow, version)| json!({"workflow": workflow, "version": version}))
            .collect();
        sqlx::query!(
            r#"
            insert into engine.workers (id, program, concurrency, kinds, lease, started_at, seen_at)
            values ($1, $2, $3, $4::text::json, $5, coalesce($6, now()), coalesce($6, now()))
                on conflict (id) do update
               set seen_at = excluded.seen_at
            "#,
            self.id,
            self.program,
            i32::try_from(self.concurrency).unwrap_or(i32::MAX),
            serde_json::Value::from(kinds).to_string(),
            interval(self.lease),
            clock.sql_now(),
        )
        .execute(pool)
        .await
        .map(drop)
    }

    /// Takes the row away, and those of workers that are long dead.
    pub(crate) async fn leave(&self, pool: &PgPool, clock: &Clock) -> sqlx::Result<()> {
        sqlx::query!("delete from engine.workers where id = $1", self.id).execute(pool).await?;
        forget(pool, clock).await
    }
}

/// Takes away the rows of workers that are long dead.
pub(crate) async fn forget(pool: &PgPool, clock: &Clock) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from engine.workers where seen_at < coalesce($1, now()) - $2::interval",
        clock.sql_now(),
        interval(KEPT),
    )
    .execute(pool)
    .await
    .map(drop)
}
