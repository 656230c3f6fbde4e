//! Operations on workflow runs.

use engine::RetryFrom;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{Enum, Object, OpenApi};
use serde_json::Value;

use super::act::{Act, WorkflowRunActed, act};
use super::redrive::{WorkflowRedrive, WorkflowRedriven, redrive};
use crate::api::Tag;
use crate::api::body::JsonBody;
use crate::api::idempotency::IdempotencyKey;
use crate::api::path::Id;
use crate::auth::PlatformAdmin;
use crate::errors::{Input, Refused, Result, statuses};

/// Names and keys of signals are short.
const NAME_CHARS_MAX: usize = 200;

/// Where a failed run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WorkflowRetryFrom {
    /// At the step that failed.
    Failed,
    /// At the beginning.
    Start,
    /// At the step at the place `seq`.
    Step,
}

/// How a run is sent back.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct WorkflowRetry {
    /// `failed`: at the step that failed, with everything on record before it. `step`: at the step at the place `seq`. `start`: at the beginning.
    from: WorkflowRetryFrom,
    /// The place of a step, as the run lists it; it and all later ones are taken back. With `step` alone.
    seq: Option<u32>,
    /// The version of the workflow to go on under; the run's own unless given.
    version: Option<u32>,
}

/// A message to a run.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct WorkflowSignalRequest {
    /// 1 to 200 characters: what the run waits for.
    pub(super) name: String,
    /// What it carries.
    pub(super) payload: Value,
    /// 1 to 200 characters: a second signal of this name with the same key is the same signal.
    pub(super) sender_key: Option<String>,
}

statuses! {
    ActErrors = [400, 401, 403, 404, 409, 422, 429, 500, 503];
    RetryErrors = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
    RedriveErrors = [400, 401, 403, 408, 413, 415, 422, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2/admin/workflows", tag = "Tag::Workflows")]
impl Api {
    /// Retry a failed workflow run
    ///
    /// It goes on at the step that failed, at an earlier one, or at its beginning; what was done before stays on record. A run that has not failed, or was sent back already, is left as it is. Platform administrators; recorded in the audit log of the platform and, where the run is an organisation's, in that one's.
    #[oai(path = "/runs/:run_id/retry", method = "post", operation_id = "retryWorkflowRun")]
    async fn retry(
        &self,
        admin: PlatformAdmin,
        /// The run.
        run_id: Id<0>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<WorkflowRetry>,
    ) -> Result<Json<WorkflowRunActed>, Refused<RetryErrors>> {
        let asked = key.asked(&admin, &body.0.to_json_string());
        let retry = body.0.checked()?;
        Ok(Json(act(&admin, &asked, run_id.0, &retry).await?))
    }

    /// Cancel a workflow run
    ///
    /// It ends before its next step. Platform administrators; recorded in the audit log of the platform and, where the run is an organisation's, in that one's.
    #[oai(path = "/runs/:run_id/cancel", method = "post", operation_id = "cancelWorkflowRun")]
    async fn cancel(
        &self,
        admin: PlatformAdmin,
        /// The run.
        run_id: Id<0>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
    ) -> Result<Json<WorkflowRunActed>, Refused<ActErrors>> {
        Ok(Json(act(&admin, &key.asked(&admin, ""), run_id.0, &Act::Cancel).await?))
    }

    /// Pause a workflow run
    ///
    /// At once when it waits, otherwise before its next step. Platform administrators; recorded in the audit log of the platform and, where the run is an organisation's, in that one's.
    #[oai(path = "/runs/:run_id/pause", method = "post", operation_id = "pauseWorkflowRun")]
    async fn pause(
        &self,
        admin: PlatformAdmin,
        /// The run.
        run_id: Id<0>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
    ) -> Result<Json<WorkflowRunActed>, Refused<ActErrors>> {
        Ok(Json(act(&admin, &key.asked(&admin, ""), run_id.0, &Act::Pause).await?))
    }

    /// Resume a paused workflow run
    ///
    /// It goes on where it was. Platform administrators; recorded in the audit log of the platform and, where the run is an organisation's, in that one's.
    #[oai(path = "/runs/:run_id/resume", method = "post", operation_id = "resumeWorkflowRun")]
    async fn resume(
        &self,
        admin: PlatformAdmin,
        /// The run.
        run_id: Id<0>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
    ) -> Result<Json<WorkflowRunActed>, Refused<ActErrors>> {
        Ok(Json(act(&admin, &key.asked(&admin, ""), run_id.0, &Act::Resume).await?))
    }

    /// Send a workflow run a signal
    ///
    /// The run takes it when it waits for one of this name, now or later. Platform administrators; recorded, by their hashes alone, in the audit log of the platform and, where the run is an organisation's, in that one's.
    #[oai(path = "/runs/:run_id/signals", method = "post", operation_id = "signalWorkflowRun")]
    async fn signal(
        &self,
        admin: PlatformAdmin,
        /// The run.
        run_id: Id<0>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<WorkflowSignalRequest>,
    ) -> Result<Json<WorkflowRunActed>, Refused<RetryErrors>> {
        let asked = key.asked(&admin, &body.0.to_json_string());
        let signal = body.0.checked()?;
        Ok(Json(act(&admin, &asked, run_id.0, &signal).await?))
    }

    /// Retry many failed workflow runs
    ///
    /// Those that fit every condition, the oldest first, each at the step that failed. With `dry_run` it says how many there are and changes nothing. Platform administrators; recorded as one entry in the audit log of the platform and in that of each organisation with a run among them.
    #[oai(path = "/redrive", method = "post", operation_id = "redriveWorkflowRuns")]
    async fn redrive(
        &self,
        admin: PlatformAdmin,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<WorkflowRedrive>,
    ) -> Result<Json<WorkflowRedriven>, Refused<RedriveErrors>> {
        let asked = key.asked(&admin, &body.0.to_json_string());
        Ok(Json(redrive(&admin, &asked, body.0).await?))
    }
}

impl WorkflowRetry {
    fn checked(self) -> Result<Act> {
        let from = match (self.from, self.seq) {
            (WorkflowRetryFrom::Failed, None) => RetryFrom::Failed,
            (WorkflowRetryFrom::Start, None) => RetryFrom::Start,
            (WorkflowRetryFrom::Step, Some(seq)) => RetryFrom::Step(seq),
            (WorkflowRetryFrom::Step, None) => {
                return Err(field(
                    "seq",
                    "seq must name the step's place: the run lists its steps",
                ));
            }
            (_, Some(_)) => return Err(field("seq", "seq goes with from = step alone")),
        };
        if self.version.is_some_and(|version| version == 0 || i32::try_from(version).is_err()) {
            return Err(field("version", "version must be a positive number of 31 bits"));
        }
        Ok(Act::Retry { from, version: self.version })
    }
}

impl WorkflowSignalRequest {
    pub(super) fn checked(self) -> Result<Act> {
        let Self { name, payload, sender_key } = self;
        for (of, text) in [("name", Some(&name)), ("sender_key", sender_key.as_ref())] {
            if text.is_some_and(|text| !is_short(text)) {
                let fault = "must be 1 to 200 characters without control characters";
                return Err(field(of, &format!("{of} {fault}")));
            }
        }
        Ok(Act::Signal { name, payload, sender_key })
    }
}

fn is_short(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

pub(super) fn field(field: &'static str, message: &str) -> crate::errors::Error {
    Input::InvalidField { field, message: message.to_owned() }.into()
}
