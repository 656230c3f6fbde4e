//! Requesting a pack: one transaction for the row, the audit entry, the run and the kept answer.
//!
//! Invariants
//! - A pack is requested if and only if its place in the rate limit is taken: what fails after the
//!   place was taken gives it back, and a repeated request takes none.
//! - What counts is settled with the database: see [`window`].
//! - A caller who hangs up changes nothing of that: a request that has begun is carried out.
//! - Of two requests with the same Idempotency-Key at once, the second waits and gets the first
//!   one's answer.

use std::time::Duration;

use db::exports::Request;
use evidence::ids::{self, ExportId, UserId};
use evidence::org::PackWindow;
use evidence::time::{Period, floor_micros, stamp};
use sha2::{Digest, Sha256};
use tokio::sync::SemaphorePermit;
use tracing::Instrument as _;
use workflows::compliance_pack::BuildPack;

use super::{AuditExport, AuditExportRequest, row, window};
use crate::api::idempotency::{Asked, IdempotencyKey};
use crate::auth::{Caller, OrgScope, RequestPack};
use crate::errors::{Denied, Error, Input, Part, Result, describe};
use crate::limiter::{Attempt, Place, Taken, Unvouched};

/// How long to wait for the requests before this one.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait for word of a commit whose answer got lost.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn request(
    scope: OrgScope<RequestPack>,
    key: IdempotencyKey,
    asked: AuditExportRequest,
) -> Result<AuditExport> {
    // A task of its own: the caller's future is dropped when the caller hangs up, in the middle of
    // a commit too, and then nobody would know whether the place counts.
    let accepted = async move { accept(&scope, key, &asked).await };
    tokio::spawn(accepted.in_current_span()).await?
}

/// A request that is being carried out.
struct Accepting<'a> {
    scope: &'a OrgScope<RequestPack>,
    id: ExportId,
    user: UserId,
    asked: Asked,
}

async fn accept(
    scope: &OrgScope<RequestPack>,
    key: IdempotencyKey,
    body: &AuditExportRequest,
) -> Result<AuditExport> {
    let Caller::Person(user) = &scope.caller else { return Err(Denied::OidcRequired.into()) };
    let id = ExportId(ids::v7(scope.context.now, rand::random()));
    let asked = key.asked(scope, &identity(body)).or_lock(&id.to_string());
    let accepting = Accepting { scope, id, user: user.id, asked };
    let _turn = turn(scope).await?;
    for _ in 0..window::TRIES {
        match accepting.attempt(body).await? {
            Tried::Answer(answer) => return Ok(*answer),
            Tried::Unvouched(unvouched) => window::settle(&scope.context, unvouched).await?,
        }
    }
    Err(Error::Down(Part::RateLimiter, "Redis was started again and again".into()))
}

/// What became of a try.
enum Tried {
    Answer(Box<AuditExport>),
    Unvouched(Unvouched),
}

impl Accepting<'_> {
    async fn attempt(&self, body: &AuditExportRequest) -> Result<Tried> {
        let Self { scope, id, asked, .. } = self;
        let mut tx = scope.begin().await?;
        // Before the period is looked at: an answer that was given is given again, whatever the clock says.
        if let Some(answer) = asked.answered(&mut tx).await? {
            return Ok(Tried::Answer(Box::new(answer)));
        }
        let period = period(scope, body)?;
        let limiter = &scope.context.state.limiter;
        let known =
            window::known(&mut tx, scope.org.id, limiter.quota(), scope.context.now).await?;
        let attempt = Attempt { request: name(asked.key(), *id), id: id.0 };
        let slot = match limiter.take(scope.org.id.0, attempt, &known).await? {
            Taken::Place(slot) => slot,
            Taken::Unvouched(unvouched) => {
                tx.rollback().await?;
                return Ok(Tried::Unvouched(unvouched));
            }
        };
        let answer = match self.write(&mut tx, period).await {
            Ok(answer) => answer,
            Err(error) => {
                slot.give_back().await;
                return Err(error);
            }
        };
        let place = slot.hold();
        if let Err(error) = tx.commit().await {
            self.settle(place, error.into()).await?;
        }
        Ok(Tried::Answer(Box::new(answer)))
    }

    /// The run, the row, the audit entry, which comes late because it locks the chain, and the answer under its key.
    async fn write(&self, tx: &mut db::OrgTx, period: Period) -> Result<AuditExport> {
        let Self { scope, id, user, asked } = self;
        let org = scope.org.id;
        let run = scope
            .context
            .state
            .engine
            .start(tx, BuildPack { org, export: *id })
            .idempotency_key(id.to_string())
            .key(org)
            .trace(scope.context.request_id.clone())
            .traceparent((scope.context.state.traces.current)())
            .await?;
        let request = Request {
            id: *id,
            period,
            requested_by: *user,
            role: scope.role.ok_or(Denied::OidcRequired)?,
            workflow_run_id: run.run_id,
        };
        let export = db::exports::request(tx, org, &request, &scope.cause()).await?;
        let answer = row::with_progress(export, None);
        asked.keep(tx, &answer).await?;
        Ok(answer)
    }

    /// What to make of a commit that failed: its answer can get lost on the way. Gives the place back,
    /// and the error, if nothing took place; where that cannot be found out the place stays taken.
    async fn settle(&self, place: Place, error: Error) -> Result<()> {
        match tokio::time::timeout(SETTLED_WITHIN, self.took_place()).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => place.give_back().await,
            Ok(Err(unknown)) => {
                tracing::error!(cause = %describe(&unknown), "it is not known whether a request took place");
            }
            Err(_) => tracing::error!("it is not known whether a request took place"),
        }
        Err(error)
    }

    /// Waits until the transaction that held the lock is over, and looks for what it wrote.
    async fn took_place(&self) -> Result<bool> {
        let mut tx = self.scope.begin().await?;
        self.asked.wait(&mut tx).await?;
        let found = db::exports::find(&mut tx, self.scope.org.id, self.id).await?;
        tx.commit().await?;
        Ok(found.is_some())
    }
}

/// A request holds a connection while it waits for Redis: a few at a time, so that a Redis that hangs does not take
/// every connection with it.
async fn turn(scope: &OrgScope<RequestPack>) -> Result<SemaphorePermit<'_>> {
    let turns = &scope.context.state.pack_requests;
    let turn = tokio::time::timeout(TURN_WITHIN, turns.acquire()).await;
    let turn = turn.map_err(|late| Error::Down(Part::RateLimiter, late.into()))?;
    turn.map_err(Error::internal)
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

/// What the limiter knows the request by: whoever tries again with the same key has the same place.
fn name(key: Option<&str>, id: ExportId) -> String {
    key.map_or_else(|| id.to_string(), |key| hex::encode(Sha256::digest(key)))
}

/// What tells a request from another: the same times, however they are written, are the same.
fn identity(asked: &AuditExportRequest) -> String {
    [asked.period_start, asked.period_end].map(|at| stamp(floor_micros(at.0))).join(" ")
}
