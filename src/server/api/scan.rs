//! Drift scans: handing in and reading.

mod row;

use db::scans::Ingest;
use evidence::ids::{ScanId, StateSourceId};
use evidence::scan::{Observation, SourceKind};
use evidence::time::Time;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::time::Timestamp;
use super::upload::Upload;
use super::word::ScanStatus;
use super::{Tag, page};
use crate::auth::{HandInScan, OrgScope, ReadOrg};
use crate::errors::{Denied, Input, Refused, Result, statuses};
use row::{ObservedAtSource, Scan, ScanDetail, ScanList};

pub(crate) use row::Receipt;

/// How far ahead a sender's clock may be.
fn clocks_differ() -> chrono::Duration {
    chrono::Duration::minutes(5)
}

#[derive(ApiResponse)]
enum HandedIn {
    /// These bytes came for this state source before: nothing is added, and this is the scan of the first time.
    #[oai(status = 200)]
    Known(Json<Receipt>),
    /// The scan is taken in.
    #[oai(status = 201)]
    Added(Json<Receipt>),
}

impl HandedIn {
    fn of(receipt: Receipt) -> Self {
        if receipt.duplicate { Self::Known(Json(receipt)) } else { Self::Added(Json(receipt)) }
    }
}

impl Answer for Receipt {
    fn status(&self) -> u16 {
        if self.duplicate { 200 } else { 201 }
    }
}

statuses! {
    HandInErrors = [400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503];
    ListErrors = [400, 401, 403, 404, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::Scans")]
impl Api {
    /// Hand in a drift scan
    ///
    /// Owners, admins and members, and API keys with the scope `write`. The body is the file as the tool wrote it: `terraform show -json` of a plan, the stream of `terraform plan -json`, or `driftctl scan -o json://`; which of them is found out from the content. It may be packed with gzip, with or without `Content-Encoding: gzip`.
    #[oai(
        path = "/orgs/:org_id/scans",
        method = "post",
        operation_id = "ingestScan",
        request_header(
            name = "x-driftpack-ci-repository",
            ty = "Option<String>",
            description = "Repository that the pipeline works on."
        ),
        request_header(
            name = "x-driftpack-ci-branch",
            ty = "Option<String>",
            description = "Branch that the pipeline works on."
        ),
        request_header(
            name = "x-driftpack-ci-commit",
            ty = "Option<String>",
            description = "Commit that the pipeline works on."
        ),
        request_header(
            name = "x-driftpack-ci-run-url",
            ty = "Option<String>",
            description = "Page of the pipeline's run; http or https."
        ),
        request_header(
            name = "x-driftpack-ci-pull-request",
            ty = "Option<String>",
            description = "Pull request that the pipeline works on."
        )
    )]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn ingest(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<HandInScan>,
        /// Name of the state that was scanned; made on first use.
        state_source: Query<String>,
        /// When the tool looked. Without it the file's own time counts, and without that the time of receipt. Up to five minutes in the future count as now.
        observed_at: Query<Option<Timestamp>>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        upload: Upload,
    ) -> Result<HandedIn, Refused<HandInErrors>> {
        let given = (state_source.0.as_str(), observed_at.0.map(|at| at.0));
        Ok(HandedIn::of(hand_in(&scope, given, key, upload).await?))
    }

    /// List drift scans
    ///
    /// Latest observation first. Every member, and API keys with the scope `read`.
    #[oai(path = "/orgs/:org_id/scans", method = "get", operation_id = "listScans")]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadOrg>,
        /// Only scans of this state source.
        state_source_id: Query<Option<Uuid>>,
        /// Only scans with this status.
        status: Query<Option<ScanStatus>>,
        /// Only scans observed at or after this time.
        from: Query<Option<Timestamp>>,
        /// Only scans observed before this time.
        to: Query<Option<Timestamp>>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// The `next_cursor` of the answer before.
        cursor: Query<Option<String>>,
    ) -> Result<Json<ScanList>, Refused<ListErrors>> {
        let limit = page::limit(limit.0)?;
        let filter = db::scans::Filter {
            state_source: state_source_id.0.map(StateSourceId),
            status: status.0.map(Into::into),
            from: from.0.map(|from| from.0),
            to: to.0.map(|to| to.0),
            after: cursor.0.as_deref().map(page::read_cursor).transpose()?,
            limit,
        };
        let mut tx = scope.begin().await?;
        let scans = db::scans::list(&mut tx, scope.org.id, &filter).await?;
        tx.commit().await?;
        let last = scans.last().filter(|_| scans.len() == limit as usize);
        let next_cursor = last.map(|scan| page::cursor(scan.observed_at, scan.id));
        Ok(Json(ScanList { scans: scans.into_iter().map(Scan::from).collect(), next_cursor }))
    }

    /// Get a drift scan
    ///
    /// With what it showed that became no finding. Every member, and API keys with the scope `read`.
    #[oai(path = "/orgs/:org_id/scans/:scan_id", method = "get", operation_id = "getScan")]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadOrg>,
        /// The scan.
        scan_id: Id,
    ) -> Result<Json<ScanDetail>, Refused<GetErrors>> {
        let (org, id) = (scope.org.id, ScanId(scan_id.0));
        let mut tx = scope.begin().await?;
        let scan = db::scans::find(&mut tx, org, id).await?.ok_or(Denied::NotFound("scan"))?;
        let suppressed = db::scans::suppressed(&mut tx, org, id).await?;
        tx.commit().await?;
        Ok(Json(ScanDetail::new(scan, suppressed)))
    }
}

/// Takes a scan in: the name of its state source, and when the sender says that the tool looked.
pub(crate) async fn hand_in(
    scope: &OrgScope<HandInScan>,
    (state_source, observed_at): (&str, Option<Time>),
    key: IdempotencyKey,
    upload: Upload,
) -> Result<Receipt> {
    checked_name(state_source)?;
    let ci = upload.ci.clone();
    let file = read(scope, upload).await?;
    let (at, observed_by) =
        observed_at_of(observed_at, file.observation.observed_at, scope.context.now)?;
    let asked = key.asked(scope, &hex::encode(file.sha256));
    let mut tx = scope.begin().await?;
    if let Some(receipt) = asked.answered(&mut tx).await? {
        // Of the first time it is not known yet whether the disk has it.
        tx.commit_sharing_flush().await?;
        return Ok(receipt);
    }
    let source = db::state_sources::ensure(
        &mut tx,
        scope.org.id,
        state_source,
        SourceKind::Upload,
        &scope.cause(),
    )
    .await?;
    let actor = scope.caller.actor();
    let ingest = Ingest {
        state_source: source.id,
        observation: file.observation,
        observed_at: at,
        content_sha256: file.sha256,
        bytes: file.size_bytes,
        triggered_by: format!("{}:{}", actor.kind, actor.id),
        ci,
        actor,
        origin: scope.context.request_id.clone(),
        now: scope.context.now,
    };
    let ingested = db::scans::ingest(&mut tx, ingest).await?;
    let receipt = Receipt::new(ingested, observed_by);
    asked.keep(&mut tx, &receipt).await?;
    tx.commit_sharing_flush().await?;
    Ok(receipt)
}

/// A scan file that was understood.
struct File {
    observation: Observation,
    sha256: [u8; 32],
    size_bytes: u64,
}

/// A name that a state source can have.
fn checked_name(name: &str) -> Result<()> {
    if (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(page::parameter("`state_source` must be 1 to 200 characters without control characters"))
}

/// Receives, unpacks, hashes and reads the file, off the async threads and a few at a time.
async fn read(scope: &OrgScope<HandInScan>, upload: Upload) -> Result<File> {
    let mut received = upload.receive(&scope.context.state.uploads).await?;
    tokio::task::spawn_blocking(move || {
        let bytes = received.unpack()?;
        let observation = evidence::input::read(&bytes)?.into_scan()?;
        let sha256 = Sha256::digest(&bytes).into();
        Ok(File { observation, sha256, size_bytes: bytes.len() as u64 })
    })
    .await?
}

/// When the scan was observed: what the caller says, else the file, else now.
fn observed_at_of(
    caller: Option<Time>,
    file: Option<Time>,
    now: Time,
) -> Result<(Time, ObservedAtSource)> {
    let (at, source) = match (caller, file) {
        (Some(at), _) => (at, ObservedAtSource::Caller),
        (None, Some(at)) => (at, ObservedAtSource::File),
        (None, None) => (now, ObservedAtSource::Receipt),
    };
    if at > now + clocks_differ() {
        let message = "The scan claims to be observed in the future; check the clock of the machine that ran it.";
        return Err(Input::ObservedAt { code: "observed_at_in_future", message }.into());
    }
    if at < Time::UNIX_EPOCH {
        let message = "The scan claims to be observed before 1970; pass observed_at.";
        return Err(Input::ObservedAt { code: "observed_at_out_of_range", message }.into());
    }
    Ok((evidence::time::floor_micros(at.min(now)), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn the_caller_knows_best_then_the_file_then_the_clock() {
        let (caller, file, now) =
            (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"), at("2026-01-03T00:00:00Z"));
        let of = |caller, file| observed_at_of(caller, file, now).unwrap();
        assert_eq!(of(Some(caller), Some(file)), (caller, ObservedAtSource::Caller));
        assert_eq!(of(None, Some(file)), (file, ObservedAtSource::File));
        assert_eq!(of(None, None), (now, ObservedAtSource::Receipt));
    }

    #[test]
    fn a_clock_that_is_a_little_ahead_counts_as_now_and_the_future_is_refused() {
        let now = at("2026-01-03T00:00:00Z");
        let ahead = at("2026-01-03T00:04:59Z");
        assert_eq!(observed_at_of(Some(ahead), None, now).unwrap().0, now);
        assert!(observed_at_of(Some(at("2026-01-03T00:05:01Z")), None, now).is_err());
        assert!(observed_at_of(None, Some(at("2027-01-01T00:00:00Z")), now).is_err());
        assert!(observed_at_of(Some(at("1969-12-31T23:59:59Z")), None, now).is_err());
    }
}
