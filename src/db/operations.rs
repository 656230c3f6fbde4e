//! Audit entries of what platform administrators do to workflow runs and schedules.
//!
//! Invariants
//! - Each operation stands in the platform's chain, and in the chain of each organisation whose runs it is about.
//! - It is written down before it is done, in the same transaction: heads of chains are locked before a run's row, which is
//!   the last that any transaction locks. An operation that finds nothing to do is rolled back, entries included.
//!
//! Not here: what is done; that is the engine's.

use std::collections::BTreeMap;

use evidence::action::{Action, Outcome};
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use serde_json::{Map, Value};
use sqlx::postgres::PgConnection;

use crate::{Cause, Result, chain, orgs, scope};

/// What is done, and what each chain says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub action: Action,
    /// For the platform's chain.
    pub detail: Map<String, Value>,
    /// For the chains of organisations. Ids that are no organisation's are passed over: what a run's key is, is its
    /// workflow's business.
    pub orgs: BTreeMap<OrgId, Map<String, Value>>,
}

/// Writes an operation down. From here on the transaction works for one of the organisations, or for whom it did before.
pub async fn record(conn: &mut PgConnection, operation: Operation, cause: &Cause) -> Result<()> {
    let Operation { action, detail, orgs } = operation;
    // In the order of their ids, so that two operations never wait for each other.
    for (id, detail) in orgs {
        if orgs::find(conn, id).await?.is_none() {
            continue;
        }
        scope(conn, id).await?;
        let draft = cause.entry(action, Outcome::Success, detail);
        chain::append(conn, ChainId::Org(id), draft).await?;
    }
    let draft = cause.entry(action, Outcome::Success, detail);
    chain::append(conn, ChainId::Platform, draft).await?;
    Ok(())
}
