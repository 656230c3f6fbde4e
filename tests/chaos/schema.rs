//! The tables: the engine's by its own migration, the trial's beside them.

use anyhow::Result;
use sqlx::PgPool;

use crate::cluster::APP_ROLE;

/// Makes every table in an empty database, as its owner.
pub async fn create(owner: &PgPool) -> Result<()> {
    engine::migrate(owner, APP_ROLE).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(owner).await?;
    Ok(())
}
