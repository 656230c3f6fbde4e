//! Requesting a pack: one transaction for the row, the audit entry, the run and the kept answer.
//!
//! Invariants
//! - A pack is requested if and only if its place in the rate limit is taken: what fails after the
//!   place was taken gives it back, and a repeated request takes none.
//! - A caller who hangs up changes nothing of that: a request that has begun is carried out.
//! - Of two requests with the same Idempotency-Key at once, the second waits and gets the first
//!   one's answer.

use std::time::Duration;

use db::exports::Request;
use db::idempotency::Answer;
use evidence::ids::{self, ExportId, UserId};
use evidence::org::PackWindow;
use evidence::time::{Period, floor_micros, stamp};
use poem_openapi::types::{ParseFromJSON as _, ToJSON as _};
use sha2::{Digest, Sha256};
use tokio::sync::SemaphorePermit;
use tracing::Instrument as _;
use workflows::compliance_pack::BuildPack;

use super::{AuditExport, AuditExportRequest, row};
use crate::api::page::parameter;
use crate::auth::{Caller, OrgScope, RequestPack};
use crate::errors::{Denied, Error, Input, Part, Result, describe};
use crate::limiter::{Attempt, Place};

const KEY_BYTES_MAX: usize = 255;
const ACCEPTED: i32 = 202;
/// How long to wait for the requests before this one.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait for word of a commit whose answer got lost.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn request(
    scope: OrgScope<RequestPack>,
    key: Option<String>,
    asked: AuditExportRequest,
) -> Result<AuditExport> {
    // A task of its own: the caller's future is dropped when the caller hangs up, in the middle of
    // a commit too, and then nobody would know whether the place counts.
    let accepted = async move { accept(&scope, key.as_deref(), &asked).await };
    tokio::spawn(accepted.in_current_span()).await?
}

async fn accept(
    scope: &OrgScope<RequestPack>,
    key: Option<&str>,
    asked: &AuditExportRequest,
) -> Result<AuditExport> {
    let key = key.map(checked).transpose()?;
    let Caller::Person(user) = &scope.caller else { return Err(Denied::OidcRequired.into()) };
    let hash = request_hash(user.id, asked);
    let id = ExportId(ids::v7(scope.context.now, rand::random()));
    // Without a key nobody else waits for the lock, but it still tells when the transaction is over.
    let lock = key.map_or_else(|| id.to_string(), str::to_owned);
    let _turn = turn(scope).await?;
    let mut tx = scope.begin().await?;
    // Before the period is looked at: an answer that was given is given again, whatever the clock says.
    if let Some(kept) =
        db::idempotency::find(&mut tx, scope.org.id, &lock, scope.context.now).await?
    {
        return repeat(&kept, hash);
    }
    let period = period(scope, asked)?;
    let attempt = Attempt { request: name(key, id), id: id.0 };
    let slot = scope.context.state.limiter.take(scope.org.id.0, attempt).await?;
    let answer = match keep(scope, &mut tx, (id, user.id, period), key.map(|key| (key, hash))).await
    {
        Ok(answer) => answer,
        Err(error) => {
            slot.give_back().await;
            return Err(error);
        }
    };
    let place = slot.hold();
    if let Err(error) = tx.commit().await {
        settle(scope, (id, &lock), place, error.into()).await?;
    }
    Ok(answer)
}

/// A request holds a connection while it waits for Redis: a few at a time, so that a Redis that hangs does not take
/// every connection with it.
async fn turn(scope: &OrgScope<RequestPack>) -> Result<SemaphorePermit<'_>> {
    let turns = &scope.context.state.pack_requests;
    let turn = tokio::time::timeout(TURN_WITHIN, turns.acquire()).await;
    let turn = turn.map_err(|late| Error::Down(Part::RateLimiter, late.into()))?;
    turn.map_err(Error::internal)
}

/// The request with everything that belongs to it, and the answer under its key.
async fn keep(
    scope: &OrgScope<RequestPack>,
    tx: &mut db::OrgTx,
    asked: (ExportId, UserId, Period),
    key: Option<(&str, [u8; 32])>,
) -> Result<AuditExport> {
    let answer = write(scope, tx, asked).await?;
    if let Some((key, request_hash)) = key {
        let kept = Answer { request_hash, status: ACCEPTED, body: answer.to_json_string() };
        db::idempotency::store(tx, scope.org.id, key, &kept, scope.context.now).await?;
    }
    Ok(answer)
}

/// What to make of a commit that failed: its answer can get lost on the way. Gives the place back,
/// and the error, if nothing took place; where that cannot be found out the place stays taken.
async fn settle(
    scope: &OrgScope<RequestPack>,
    (id, lock): (ExportId, &str),
    place: Place,
    error: Error,
) -> Result<()> {
    match tokio::time::timeout(SETTLED_WITHIN, took_place(scope, id, lock)).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => place.give_back().await,
        Ok(Err(unknown)) => {
            tracing::error!(cause = %describe(&unknown), "it is not known whether a request took place");
        }
        Err(_) => tracing::error!("it is not known whether a request took place"),
    }
    Err(error)
}

/// Waits until the transaction that held `lock` is over, and looks for what it wrote.
async fn took_place(scope: &OrgScope<RequestPack>, id: ExportId, lock: &str) -> Result<bool> {
    let mut tx = scope.begin().await?;
    db::idempotency::find(&mut tx, scope.org.id, lock, scope.context.now).await?;
    let found = db::exports::find(&mut tx, scope.org.id, id).await?;
    tx.commit().await?;
    Ok(found.is_some())
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
    let period = Period::new(asked.period_start.0, asked.period_end.0)
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

/// What the limiter knows the request by: whoever tries again with the same key has the same place.
fn name(key: Option<&str>, id: ExportId) -> String {
    key.map_or_else(|| id.to_string(), |key| hex::encode(Sha256::digest(key)))
}

/// Who asked for what: the same key of another person, or for another period, is a mistake.
fn request_hash(user: UserId, asked: &AuditExportRequest) -> [u8; 32] {
    let [start, end] = [asked.period_start, asked.period_end].map(|at| stamp(floor_micros(at.0)));
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
