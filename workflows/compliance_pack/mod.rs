//! Builds a Compliance Pack, from the request to the object that can be downloaded.
//!
//! The recipe and what becomes of the export's row when the run does not succeed. Each step is a file.

mod ahead;
mod attest;
mod begin;
mod cells;
mod collect;
pub(crate) mod discard;
mod facts;
mod index;
mod key;
mod logic;
mod press;
mod publish;
mod removed;
mod render;
mod reopen;
mod scribe;
mod seal;
mod stamp;
mod tie;

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use db::Cause;
use engine::{
    Connection, Context, DEFAULT, End, Failure, GoOn, Outcome, Policy, Reopened, Workflow,
};
use evidence::action::Actor;
use evidence::ids::{ExportId, OrgId};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::progress::at;
use crate::{Ports, stage, trouble};

/// The steps, in order. Data in the database: stable for ever.
pub const STEPS: [&str; 9] =
    [BEGIN, COLLECT, ATTEST, RENDER, STAMP, SEAL, PUBLISH_OBJECT, PUBLISH, SWEEP];
const BEGIN: &str = "begin";
const COLLECT: &str = "collect";
const ATTEST: &str = "attest";
const RENDER: &str = "render";
const STAMP: &str = "stamp";
const SEAL: &str = "seal";
const PUBLISH_OBJECT: &str = "publish_object";
const PUBLISH: &str = "publish";
const SWEEP: &str = "sweep";

/// Outlasts a quarter of an hour in which the disk is full, the database restarts or Chromium does not start.
const PATIENT: Policy =
    DEFAULT.attempts(30).backoff(Duration::from_secs(1), Duration::from_mins(1));

/// A million findings take 15 to 25 s, ten million four minutes; an hour bounds what a person would wait for.
const LONG: Policy = PATIENT.timeout(Duration::from_hours(1));

/// Builds the pack of one requested export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildPack {
    pub org: OrgId,
    pub export: ExportId,
}

/// What a finished run leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    pub object_key: String,
    /// Lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
}

impl Workflow for BuildPack {
    const NAME: &'static str = "compliance_pack.build";
    type Output = Published;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<Published, Failure> {
        at(cx, &STEPS, BEGIN).await;
        cx.step_tx(BEGIN, PATIENT, |tx, step| Box::pin(begin::running(tx, step, self))).await?;
        at(cx, &STEPS, COLLECT).await;
        let collected = cx
            .step(COLLECT, LONG, |step| {
                stage::unless_cancelled(step.cancelled(), collect::sections(step, self))
            })
            .await?;
        at(cx, &STEPS, ATTEST).await;
        let attested = cx
            .step(ATTEST, LONG, |step| {
                stage::unless_cancelled(step.cancelled(), attest::chain(step, self, &collected))
            })
            .await?;
        at(cx, &STEPS, RENDER).await;
        let report = cx
            .step(RENDER, PATIENT, |step| {
                let stop = step.cancelled();
                stage::unless_cancelled(stop, render::report(step, self, &collected, &attested))
            })
            .await?;
        let parts =
            seal::Parts { collected: &collected, attested: &attested, report: report.as_ref() };
        at(cx, &STEPS, STAMP).await;
        let stamped = cx
            .step(STAMP, PATIENT, |step| {
                stage::unless_cancelled(step.cancelled(), stamp::manifest(step, self, parts))
            })
            .await?;
        at(cx, &STEPS, SEAL).await;
        let sealed = cx
            .step(SEAL, LONG, |step| {
                stage::unless_cancelled(step.cancelled(), seal::pack(step, self, parts, &stamped))
            })
            .await?;
        at(cx, &STEPS, PUBLISH_OBJECT).await;
        let object =
            cx.step(PUBLISH_OBJECT, LONG, |step| publish::object(step, self, &sealed)).await?;
        at(cx, &STEPS, PUBLISH).await;
        let published = cx
            .step_tx(PUBLISH, PATIENT, |tx, step| {
                let (sealed, object) = (sealed.clone(), object.clone());
                Box::pin(async move { publish::row(tx, step, self, &sealed, &object).await })
            })
            .await?;
        at(cx, &STEPS, SWEEP).await;
        cx.step(SWEEP, PATIENT, publish::sweep).await?;
        Ok(published)
    }

    fn on_end<'a>(
        input: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let reason = match &end.outcome {
                Outcome::Succeeded(_) => return Ok(()),
                Outcome::Failed(record) => trouble::explain(record),
                // A pack that was deleted is left alone by `fail`; any other must not seem to run for ever.
                Outcome::Cancelled => trouble::cancelled(),
            };
            db::scope(tx, input.org).await.map_err(trouble::database)?;
            let cause = cause(end.run_id, end.at);
            let failed = db::exports::fail(tx, input.org, input.export, reason, &cause).await;
            failed.map(drop).map_err(trouble::database)
        })
    }

    fn on_reopen<'a>(
        input: Self,
        tx: &'a mut Connection,
        run: &'a Reopened,
    ) -> BoxFuture<'a, Result<GoOn, Failure>> {
        Box::pin(reopen::row(tx, run, input))
    }
}

/// Whom the audit log names for what the workflow does.
fn cause(run_id: uuid::Uuid, now: engine::Time) -> Cause {
    Cause::new(Actor::system("compliance_pack"), run_id.to_string(), now)
}
