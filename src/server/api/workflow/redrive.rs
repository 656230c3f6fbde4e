//! Sending many failed runs back at once.
//!
//! Invariant: the audit entries name exactly the runs that were sent back, and are written first, because they lock the heads
//! of audit chains and a run's row is the last that a transaction locks. So it is tried first and undone, then recorded and done;
//! should the second come out differently from the first, everything is undone and begun again.

use std::collections::BTreeMap;

use db::operations::Operation;
use engine::{Connection, Redriven, RunFilter};
use evidence::action::Action;
use evidence::ids::OrgId;
use evidence::time::stamp;
use poem_openapi::Object;
use serde_json::{Map, Value};
use sqlx::Connection as _;
use uuid::Uuid;

use super::act::{org_of, sha256, turn};
use super::find;
use super::operate::field;
use crate::api::idempotency::{Answer, Asked};
use crate::api::time::{Timestamp, is_in_range};
use crate::auth::PlatformAdmin;
use crate::errors::{Error, Part, Result};

const LIMIT_DEFAULT: u32 = 100;
/// What one transaction and one audit entry hold.
pub(super) const LIMIT_MAX: u32 = 1000;
/// Between a look and the doing runs may fail or be retried by others, but hardly every time.
const TRIES: u32 = 5;

/// Which failed runs are sent back: those that fit everything that is given.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct WorkflowRedrive {
    /// Of this workflow.
    pub(super) workflow: Option<String>,
    /// With this key: for packs, the id of the organisation.
    pub(super) key: Option<String>,
    /// Created at or after this time.
    pub(super) created_from: Option<Timestamp>,
    /// Created before this time.
    pub(super) created_before: Option<Timestamp>,
    /// Whose error (message, causes, code, step) holds this text, in whatever case.
    pub(super) error: Option<String>,
    /// At most so many, 1 to 1000; 100 unless given. A dry run counts them all.
    pub(super) limit: Option<u32>,
    /// Only say how many there are.
    pub(super) dry_run: bool,
}

/// What a redrive came to.
#[derive(Debug, Default, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct WorkflowRedriven {
    /// Whether any run was sent back.
    done: bool,
    /// Of a dry run: how many runs fit, counted up to 10,000.
    pub(super) matched: Option<u64>,
    /// Of a dry run: the oldest ten of them.
    pub(super) sample: Option<Vec<Uuid>>,
    /// The runs that were sent back, the oldest first.
    pub(super) redriven: Option<Vec<Uuid>>,
    /// Whether more fit: call again.
    pub(super) more: Option<bool>,
}

impl Answer for WorkflowRedriven {
    fn status(&self) -> u16 {
        200
    }
}

pub(super) async fn redrive(
    admin: &PlatformAdmin,
    asked: &Asked,
    request: WorkflowRedrive,
) -> Result<WorkflowRedriven> {
    let state = &admin.context.state;
    let (limit, dry_run) = (request.limit()?, request.dry_run);
    let filter = request.filter()?;
    let _turn = turn(state).await?;
    let mut tx = state.pool.begin().await?;
    if let Some(answer) = asked.answered(&mut tx).await? {
        return Ok(answer);
    }
    let answer = if dry_run {
        matching(admin, &mut tx, &filter).await?
    } else {
        sent_back(admin, &mut tx, &filter, limit).await?
    };
    asked.keep(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn matching(
    admin: &PlatformAdmin,
    conn: &mut Connection,
    filter: &RunFilter,
) -> Result<WorkflowRedriven> {
    let operator = admin.context.state.engine.operator(admin.id());
    let (matched, sample) = operator.matching(conn, filter).await?;
    Ok(WorkflowRedriven {
        matched: Some(matched),
        sample: Some(sample),
        ..WorkflowRedriven::default()
    })
}

async fn sent_back(
    admin: &PlatformAdmin,
    conn: &mut Connection,
    filter: &RunFilter,
    limit: usize,
) -> Result<WorkflowRedriven> {
    for _ in 0..TRIES {
        if let Some(Redriven { run_ids, more }) = attempt(admin, conn, filter, limit).await? {
            return Ok(WorkflowRedriven {
                done: !run_ids.is_empty(),
                redriven: Some(run_ids),
                more: Some(more),
                ..WorkflowRedriven::default()
            });
        }
    }
    Err(Error::Down(Part::Database, "the runs to send back changed each time".into()))
}

/// Up to a savepoint. `None`: the runs changed between the look and the doing.
async fn attempt(
    admin: &PlatformAdmin,
    conn: &mut Connection,
    filter: &RunFilter,
    limit: usize,
) -> Result<Option<Redriven>> {
    let operator = admin.context.state.engine.operator(admin.id());
    let mut look = conn.begin().await?;
    let expected = operator.redrive(&mut look, filter, limit).await?;
    look.rollback().await?;
    if expected.run_ids.is_empty() {
        return Ok(Some(expected));
    }
    let operation = operation(admin, filter, &expected.run_ids).await?;
    let mut on_record = conn.begin().await?;
    db::operations::record(&mut on_record, operation, &admin.cause()).await?;
    let redriven = operator.redrive(&mut on_record, filter, limit).await?;
    if redriven.run_ids != expected.run_ids {
        on_record.rollback().await?;
        return Ok(None);
    }
    on_record.commit().await?;
    Ok(Some(redriven))
}

async fn operation(
    admin: &PlatformAdmin,
    filter: &RunFilter,
    run_ids: &[Uuid],
) -> Result<Operation> {
    let mut of_orgs: BTreeMap<OrgId, Vec<Uuid>> = BTreeMap::new();
    for run_id in run_ids {
        let run = find(&admin.context.state.engine, *run_id).await?;
        if let Some(org) = org_of(run.key.as_deref()) {
            of_orgs.entry(org).or_default().push(*run_id);
        }
    }
    let orgs = of_orgs.into_iter().map(|(org, ids)| (org, Map::from_iter([listed(&ids)])));
    let mut detail = described(filter);
    detail.extend([listed(run_ids)]);
    Ok(Operation { action: Action::WorkflowRunRedriven, detail, orgs: orgs.collect() })
}

fn listed(run_ids: &[Uuid]) -> (String, Value) {
    ("run_ids".to_owned(), run_ids.iter().map(Uuid::to_string).collect())
}

/// Workflow and key are those of the runs; the text is the operator's own.
fn described(filter: &RunFilter) -> Map<String, Value> {
    let told = [
        ("workflow", filter.workflow.clone()),
        ("key", filter.key.clone()),
        ("created_from", filter.created_from.map(stamp)),
        ("created_before", filter.created_before.map(stamp)),
        ("error_sha256", filter.error_contains.as_deref().map(sha256)),
    ];
    let told = told.into_iter();
    told.filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

impl WorkflowRedrive {
    fn limit(&self) -> Result<usize> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit as usize),
            _ => Err(field("limit", &format!("limit must be 1 to {LIMIT_MAX}"))),
        }
    }

    fn filter(self) -> Result<RunFilter> {
        for (of, text) in [("workflow", &self.workflow), ("key", &self.key), ("error", &self.error)]
        {
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                return Err(field(of, &format!("{of} must not hold a NUL character")));
            }
        }
        let times = [("created_from", self.created_from), ("created_before", self.created_before)];
        for (of, at) in times {
            if at.is_some_and(|at| !is_in_range(at.0)) {
                return Err(field(of, &format!("{of} must lie between the years 1970 and 9999")));
            }
        }
        Ok(RunFilter {
            workflow: self.workflow,
            key: self.key,
            created_from: self.created_from.map(|at| at.0),
            created_before: self.created_before.map(|at| at.0),
            error_contains: self.error,
            ..RunFilter::default()
        })
    }
}
