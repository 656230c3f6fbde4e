//! What a workflow declares beside its code: how many of its runs go at once, and how long they are kept.
//!
//! Declared by each worker when it starts, kept in `engine.workflows`: the latest declaration counts for all.

use std::time::Duration;

use sqlx::PgPool;

use crate::{Clock, Workflow};

/// How many runs of a workflow may hold a worker at a time, across all processes. A run that waits (for a time, a signal,
/// children, its next attempt) holds none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of the workflow.
    pub running: Option<u32>,
    /// Of each key, such as a tenant.
    pub running_per_key: Option<u32>,
}

impl Limits {
    /// No limit.
    pub const NONE: Self = Self { running: None, running_per_key: None };

    /// At most `runs` of the workflow.
    #[must_use]
    pub const fn running(mut self, runs: u32) -> Self {
        self.running = Some(runs);
        self
    }

    /// At most `runs` of each key.
    #[must_use]
    pub const fn running_per_key(mut self, runs: u32) -> Self {
        self.running_per_key = Some(runs);
        self
    }
}

/// A workflow's declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    name: &'static str,
    limits: Limits,
    retention: Duration,
}

impl Declared {
    pub(crate) const fn of<W: Workflow>() -> Self {
        Self { name: W::NAME, limits: W::LIMITS, retention: W::RETENTION }
    }
}

/// Stores what workflows declare.
pub(crate) async fn declare(
    pool: &PgPool,
    clock: &Clock,
    declared: &[Declared],
) -> sqlx::Result<()> {
    for Declared { name, limits, retention } in declared {
        let limit =
            |limit: Option<u32>| limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
        sqlx::query!(
            r#"
            insert into engine.workflows as known (name, max_running, max_running_per_key, retention, declared_at)
            values ($1, $2, $3, $4, coalesce($5, now()))
                on conflict (name) do update
               set max_running = excluded.max_running,
                   max_running_per_key = excluded.max_running_per_key,
                   retention = excluded.retention,
                   declared_at = excluded.declared_at
             where (known.max_running, known.max_running_per_key, known.retention)
                   is distinct from (excluded.max_running, excluded.max_running_per_key, excluded.retention)
            "#,
            name,
            limit(limits.running),
            limit(limits.running_per_key),
            crate::store::interval(*retention),
            clock.sql_now(),
        )
        .execute(pool)
        .await?;
    }
    Ok(())
}
