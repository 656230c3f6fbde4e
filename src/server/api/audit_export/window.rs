//! Redis and the database settle what counts.
//!
//! Redis decides, because it decides in one step for all servers; it can forget. The database knows what was accepted, and is told last.
//! So each request brings along what the database knows of its organisation, and holds a lock in share until it is committed or given
//! up. A Redis that was started again, or is empty, is believed only after somebody has held that lock alone: then no request is on
//! its way, and everything that ever took a place is known.

use db::OrgTx;
use evidence::ids::OrgId;
use evidence::time::Time;

use crate::errors::{Error, Part, Result};
use crate::limiter::{Known, Quota, Unvouched};
use crate::state::Context;

/// How often a request asks again after it was settled that Redis may be believed.
pub(super) const TRIES: usize = 3;

/// Joins those who count, and gives what was accepted within the window.
pub(super) async fn known(
    tx: &mut OrgTx,
    org: OrgId,
    quota: Quota,
    now: Time,
) -> Result<Vec<Known>> {
    db::limits::join(tx).await?;
    let window = chrono::Duration::from_std(quota.window).map_err(Error::internal)?;
    let accepted = db::limits::accepted(tx, org, now - window, quota.limit).await?;
    let known = |request: db::limits::Known| Known {
        id: request.id.0,
        at_micros: request.requested_at.timestamp_micros(),
    };
    Ok(accepted.into_iter().map(known).collect())
}

/// Vouches for the Redis that answers, once nobody counts. One that has lost its data is reported: this request is refused, the next
/// one counts again.
pub(super) async fn settle(context: &Context, unvouched: Unvouched) -> Result<()> {
    let mut tx = context.state.pool.begin().await?;
    db::limits::hold(&mut tx).await?;
    // Of those who found it so at once, one was first; the others come when all is settled.
    let is_first = context.state.limiter.vouch().await?;
    let counted_before = db::limits::establish(&mut tx, context.now).await?;
    tx.commit().await?;
    if is_first && counted_before && unvouched == Unvouched::Empty {
        tracing::error!(
            "Redis has lost the windows of the rate limit; they are made again from the database"
        );
        return Err(Error::Down(Part::RateLimiter, "Redis has lost its data".into()));
    }
    Ok(())
}
