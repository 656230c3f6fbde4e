//! A person's decision about a finding.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::finding::{Decision, on_person};
use evidence::ids::{FindingId, StateSourceId};

use super::store::{self, Record, State};
use super::{Finding, find};
use crate::{Cause, Error, OrgTx, Result, cause::sha256, chain, state_sources};

/// Accepts the risk, calls it a false positive, or reopens it.
///
/// Waits for a scan of the same source that is being taken in, so that neither overlooks the other.
pub async fn decide(
    tx: &mut OrgTx,
    id: FindingId,
    decision: Decision,
    reason: &str,
    cause: &Cause,
) -> Result<Finding> {
    const MISSING: Error = Error::NotFound("finding");
    let org = tx.org();
    let source = sqlx::query_scalar!(
        "select state_source_id from findings where org_id = $1 and id = $2",
        org.0,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(StateSourceId)
    .ok_or(MISSING)?;
    state_sources::lock(tx, org, source).await?;
    let before = store::load_one(tx, org, source, id.0).await?;
    let event = on_person(&before.current, decision, reason, cause.now)?;
    let state = State::next(&before, event, Some(&cause.actor.id));
    let record = Record { actor: &cause.actor, now: cause.now };
    store::append(tx, org, &[&state], record).await?;
    store::update(tx, org, &[&state]).await?;
    let finding = find(tx, org, id).await?.ok_or(MISSING)?;
    let draft = cause.draft(
        Action::FindingResolutionChanged,
        [
            ("finding_id", id.to_string().into()),
            ("number", finding.number.into()),
            ("from", before.current.status.as_str().into()),
            ("to", finding.status.as_str().into()),
            ("reason_sha256", sha256(reason.trim()).into()),
        ],
    );
    chain::append(tx, ChainId::Org(org), draft).await?;
    Ok(finding)
}
