//! Step `purge_sessions`: browsers whose time is over. Nobody could use their sessions any more; this only makes room.

use engine::{Failure, StepContext, Time};

use crate::{Ports, trouble};

/// Rows that one statement removes: a short transaction each.
const BATCH: u32 = 1000;

/// The step; how many sessions went.
pub(super) async fn purge(step: StepContext<Ports>, tick: Time) -> Result<u64, Failure> {
    let mut purged = 0;
    loop {
        let batch = batch(&step, tick).await.map_err(trouble::database)?;
        purged += batch;
        if batch < u64::from(BATCH) {
            return Ok(purged);
        }
    }
}

async fn batch(step: &StepContext<Ports>, tick: Time) -> db::Result<u64> {
    let mut conn = step.pool.acquire().await?;
    db::sessions::purge(&mut conn, tick, BATCH).await
}
