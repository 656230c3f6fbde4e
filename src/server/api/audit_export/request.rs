//! Requesting a pack: one transaction for the row, the audit entry, the run and the kept answer.
//!
//! Invariants
//! - A pack is requested if and only if its place in the rate limit is taken: what fails after the
//!   place was taken gives it back, and a repeated request takes none.
//! - Of two requests with the same Idempotency-Key at once, the second waits and gets the first
//!   one's answer.

use db::exports::Request;
use db::idempotency::Answer;
use evidence::ids::{self, ExportId, UserId};
use evidence::org::PackWindow;
use evidence::time::{Period, stamp};
use poem_openapi::types::{ParseFromJSON as _, ToJSON as _};
use sha2::{Digest, Sha256};
use workflows::compliance_pack::BuildPack;

use super::{AuditExport, AuditExportRequest, row};
use crate::api::page::parameter;
use crate::auth::{Caller, OrgScope, RequestPack};
use crate::errors::{Denied, Error, Input, Result, describe};

const KEY_BYTES_MAX: usize = 255;
const ACCEPTED: i32 = 202;

pub(super) async fn request(
    scope: &OrgScope<RequestPack>,
    key: Option<&str>,
    asked: &AuditExportRequest,
) -> Result<AuditExport> {
    let period = period(scope, asked)?;
    let key = key.map(checked).transpose()?;
    let Caller::Person(user) = &scope.caller else { return Err(Denied::OidcRequired.into()) };
    let hash = request_hash(user.id, period);
    let mut tx = scope.begin().await?;
    if let Some(key) = key {
        let kept = db::idempotency::find(&mut tx, scope.org.id, key, scope.context.now).await?;
        if let Some(kept) = kept {
            return repeat(&kept, hash);
        }
    }
    let id = ExportId(ids::v7(scope.context.now, rand::random()));
    let slot = scope.context.state.limiter.take(scope.org.id.0, id.0).await?;
    let answer = write(scope, &mut tx, (id, user.id, period)).await?;
    if let Some(key) = key {
        let kept = Answer { request_hash: hash, status: ACCEPTED, body: answer.to_json_string() };
        db::idempotency::store(&mut tx, scope.org.id, key, &kept, scope.context.now).await?;
    }
    match tx.commit().await {
        Ok(()) => slot.keep(),
        // The answer to a commit can get lost on its way; whether it took place, the row says.
        Err(error) => match super::find(scope, id).await {
            Ok(_) => slot.keep(),
            Err(Error::Denied(Denied::NotFound(_))) => return Err(error.into()),
            Err(unknown) => {
                tracing::warn!(cause = %describe(&unknown), "it is not known whether a request took place");
                slot.keep();
                return Err(error.into());
            }
        },
    }
    Ok(answer)
}

/// The run, the row and the audit entry, which comes last because it locks the chain.
async fn write(
    scope: &OrgScope<RequestPack>,
    tx: &mut db::OrgTx,
    (id, user, period): (ExportId, UserId, Period),
) -> Result<AuditExport> {
    let org = scope.org.id;
    let run = scope
        .context
        .state
        .engine
        .start(tx, BuildPack { org, export: id })
        .idempotency_key(id.to_string())
        .key(org)
        .trace(scope.context.request_id.clone())
        .await?;
    let request = Request {
        id,
        period,
        requested_by: user,
        role: scope.role.ok_or(Denied::OidcRequired)?,
        workflow_run_id: run.run_id,
    };
    let export = db::exports::request(tx, org, &request, &scope.cause()).await?;
    Ok(row::with_progress(export, None))
}

/// The period, if a pack of it can be correct: it is over, and the plan reaches back so far.
fn period(scope: &OrgScope<RequestPack>, asked: &AuditExportRequest) -> Result<Period> {
    let period = Period::new(asked.period_start, asked.period_end)
        .map_err(|error| Input::InvalidPeriod(error.to_string()))?;
    let now = scope.context.now;
    if period.end > now {
        let message = "the period must not end in the future: nobody knows yet what happens then";
        return Err(Input::InvalidPeriod(message.to_owned()).into());
    }
    if let PackWindow::Days(days) = scope.org.plan.pack_window() {
        let earliest_period_start = now - chrono::Duration::days(i64::from(days));
        if period.start < earliest_period_start {
            return Err(Input::PeriodOutsidePlanWindow {
                window_days: days,
                earliest_period_start,
            }
            .into());
        }
    }
    Ok(period)
}

fn checked(key: &str) -> Result<&str> {
    let is_plain =
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if is_plain {
        Ok(key)
    } else {
        Err(parameter("`Idempotency-Key` must be 1 to 255 printable ASCII characters"))
    }
}

/// Who asked for what: the same key of another person, or for another period, is a mistake.
fn request_hash(user: UserId, period: Period) -> [u8; 32] {
    let (start, end) = (stamp(period.start), stamp(period.end));
    Sha256::digest(format!("audit-exports\n{user}\n{start}\n{end}")).into()
}

fn repeat(kept: &Answer, hash: [u8; 32]) -> Result<AuditExport> {
    if kept.request_hash != hash {
        return Err(Input::IdempotencyKeyReused.into());
    }
    AuditExport::parse_from_json_string(&kept.body).map_err(|error| {
        Error::internal(format!("a kept answer cannot be read: {}", error.into_message()))
    })
}
