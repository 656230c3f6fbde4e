//! Step `expire`: packs whose time is over. Row and audit entry in one short transaction each, then the object.

use db::exports::Due;
use db::{Cause, OrgTx};
use engine::{Failure, StepContext, Time};
use evidence::action::Actor;
use evidence::ids::OrgId;
use storage::Key;

use super::Tally;
use crate::{Ports, trouble};

/// Packs that are looked up at once.
const BATCH: u32 = 100;

/// The step; how many packs expired.
pub(super) async fn due(step: StepContext<Ports>, tick: Time) -> Result<u64, Failure> {
    let mut tally = Tally::default();
    for org in organisations(&step).await.map_err(trouble::database)? {
        loop {
            let batch = batch(&step, org, tick).await.map_err(trouble::database)?;
            let before = tally.done;
            for due in &batch {
                tally.add(expire(&step, org, due).await);
            }
            // A batch of which nothing could be settled would come again and again.
            if batch.len() < BATCH as usize || tally.done == before {
                break;
            }
        }
    }
    tally.finish()
}

async fn organisations(step: &StepContext<Ports>) -> db::Result<Vec<OrgId>> {
    let mut conn = step.pool.acquire().await?;
    Ok(db::orgs::list(&mut conn).await?.into_iter().map(|org| org.id).collect())
}

async fn batch(step: &StepContext<Ports>, org: OrgId, tick: Time) -> db::Result<Vec<Due>> {
    let mut tx = OrgTx::begin(&step.pool, org).await?;
    let due = db::exports::due(&mut tx, org, tick, BATCH).await?;
    tx.rollback().await?;
    Ok(due)
}

async fn expire(step: &StepContext<Ports>, org: OrgId, due: &Due) -> Result<bool, Failure> {
    let cause = Cause::new(Actor::system("retention"), step.run_id().to_string(), step.now());
    let expired = async {
        let mut tx = OrgTx::begin(&step.pool, org).await?;
        let expired = db::exports::expire(&mut tx, org, due.id, &cause).await?;
        tx.commit().await?;
        db::Result::Ok(expired)
    };
    let expired = expired.await.map_err(trouble::database)?;
    let key: Key = due.object_key.parse().map_err(trouble::internal)?;
    step.storage.remove(&key).await.map_err(trouble::storage)?;
    Ok(expired)
}
