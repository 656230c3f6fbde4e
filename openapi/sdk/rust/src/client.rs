//! The hand-written part: what most callers do, in the words of the product.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use progenitor_client::{ClientInfo as _, Error as Generated};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::api::Client;
use crate::api::types::{AuditExport, AuditExportRequest, ExportStatus, Me, Problem, ScanReceipt};
use crate::error::{BrokenPack, Error};
use crate::retry::Retries;

/// One service and one caller.
#[derive(Clone, Debug)]
pub struct Driftpack {
    /// Every operation of the API; shares the retries.
    pub api: Client,
}

impl Driftpack {
    /// A client of the service at `base_url`; `token` is a person's access token or an API key.
    ///
    /// # Errors
    /// When `token` cannot be a header's value.
    pub fn new(base_url: &str, token: &str) -> Result<Self, Error> {
        Self::with_retries(base_url, token, Retries::default())
    }

    /// As [`Self::new`], with a patience of one's own.
    ///
    /// # Errors
    /// When `token` cannot be a header's value.
    pub fn with_retries(base_url: &str, token: &str, retries: Retries) -> Result<Self, Error> {
        let unusable = |_| Error::Unexpected("the token holds characters that no header may hold".to_owned());
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(unusable)?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .build()
            .map_err(|cause| Error::Unreachable(cause.into()))?;
        Ok(Self { api: Client::new_with_client(base_url.trim_end_matches('/'), http, retries) })
    }

    /// Who the caller is, and in which organisations.
    pub async fn me(&self) -> Result<Me, Error> {
        Ok(self.api.get_me().send().await?.into_inner())
    }

    pub fn organisation(&self, id: Uuid) -> Organisation<'_> {
        Organisation { api: &self.api, id }
    }
}

/// What is done in one organisation.
#[derive(Clone, Copy, Debug)]
pub struct Organisation<'a> {
    api: &'a Client,
    pub id: Uuid,
}

/// What a pipeline knows of itself.
#[derive(Clone, Debug, Default)]
pub struct Ci {
    pub repository: Option<String>,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub run_url: Option<String>,
    pub pull_request: Option<String>,
}

/// How long to wait for a pack, and how often to ask.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub at_most: Duration,
    pub every: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self { at_most: Duration::from_mins(10), every: Duration::from_secs(1) }
    }
}

impl Organisation<'_> {
    /// Hands in a scan. The same scan twice is one scan.
    pub async fn ingest(
        &self,
        scan: Vec<u8>,
        state_source: &str,
        observed_at: Option<DateTime<Utc>>,
        ci: Ci,
    ) -> Result<ScanReceipt, Error> {
        let mut call = self.api.ingest_scan().org_id(self.id).state_source(state_source).body(scan);
        if let Some(at) = observed_at {
            call = call.observed_at(at);
        }
        if let Some(repository) = ci.repository {
            call = call.x_driftpack_ci_repository(repository);
        }
        if let Some(branch) = ci.branch {
            call = call.x_driftpack_ci_branch(branch);
        }
        if let Some(commit) = ci.commit {
            call = call.x_driftpack_ci_commit(commit);
        }
        if let Some(run_url) = ci.run_url {
            call = call.x_driftpack_ci_run_url(run_url);
        }
        if let Some(pull_request) = ci.pull_request {
            call = call.x_driftpack_ci_pull_request(pull_request);
        }
        Ok(call.send().await?.into_inner())
    }

    /// Requests a pack of `period_start <= t < period_end`, once, however often it has to be asked for. Pass a key of your
    /// own to be answered with the same pack after your program was restarted, too.
    pub async fn request_pack(
        &self,
        period_start: DateTime<Utc>,
        period_end: DateTime<Utc>,
        idempotency_key: Option<String>,
    ) -> Result<AuditExport, Error> {
        let key = idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
        let call = self.api.request_audit_export().org_id(self.id).idempotency_key(key);
        Ok(call.body(AuditExportRequest { period_start, period_end }).send().await?.into_inner())
    }

    pub async fn pack(&self, id: Uuid) -> Result<AuditExport, Error> {
        Ok(self.api.get_audit_export().org_id(self.id).export_id(id).send().await?.into_inner())
    }

    /// The row of the pack once it is done.
    ///
    /// # Errors
    /// [`Error::PackFailed`] when it never will be, [`Error::TooSlow`] when time is up.
    pub async fn wait_until_done(&self, id: Uuid, wait: Wait) -> Result<AuditExport, Error> {
        let began = Instant::now();
        loop {
            let row = self.pack(id).await?;
            match row.status {
                ExportStatus::Done => return Ok(row),
                ExportStatus::Pending | ExportStatus::Running => {}
                _ => return Err(Error::PackFailed(row.into())),
            }
            let left = wait.at_most.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(Error::TooSlow(row.into(), wait.at_most));
            }
            tokio::time::sleep(wait.every.min(left)).await;
        }
    }

    /// Downloads a pack into a folder, under its own name, or to a file; gives the file's path.
    ///
    /// The file appears when it is whole and has the SHA-256 of the pack's row. A download that is cut goes on where it was.
    pub async fn download_to(&self, id: Uuid, target: &Path) -> Result<PathBuf, Error> {
        let row = self.pack(id).await?;
        // the last part alone: no name leads out of the folder
        let name = row.file_name.as_deref().and_then(|name| Path::new(name).file_name());
        let name = name.map_or_else(|| format!("{id}.zip").into(), ToOwned::to_owned);
        let path = if target.is_dir() { target.join(name) } else { target.to_owned() };
        let folder = path.parent().unwrap_or(Path::new("."));
        let part = folder.join(format!(".{id}.{}.part", std::process::id()));
        let outcome = self.fetch(&row, &part).await;
        if outcome.is_ok() {
            fs::rename(&part, &path).await?;
        } else {
            let _ = fs::remove_file(&part).await;
        }
        outcome.map(|()| path)
    }

    async fn fetch(&self, row: &AuditExport, part: &Path) -> Result<(), Error> {
        let mut download = Download { file: File::create(part).await?, digest: Sha256::new(), bytes: 0 };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Err(error) = self.append(row, &mut download).await else { break };
            // refusals are answers; only a cut is not
            let is_cut = matches!(error, Error::Unreachable(_));
            match self.api.inner().wait(attempt, None).filter(|_| is_cut) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
        download.file.sync_all().await?;
        if Some(hex::encode(download.digest.finalize())) != row.sha256 {
            let message = format!("the download of {} has another SHA-256 than its row says", row.id);
            return Err(BrokenPack(message).into());
        }
        Ok(())
    }

    /// Appends what is missing.
    async fn append(&self, row: &AuditExport, download: &mut Download) -> Result<(), Error> {
        let have = download.bytes;
        if have > 0 && row.size_bytes.and_then(|bytes| u64::try_from(bytes).ok()) == Some(have) {
            return Ok(());
        }
        let mut call = self.api.download_audit_export().org_id(self.id).export_id(row.id);
        if let (true, Some(sha256)) = (have > 0, &row.sha256) {
            call = call.range(format!("bytes={have}-")).if_range(format!("\"{sha256}\""));
        }
        let answer = call.send().await?;
        if answer.status().as_u16() != if have > 0 { 206 } else { 200 } {
            return Err(Error::Unexpected(format!("HTTP {} to a download", answer.status())));
        }
        let mut chunks = answer.into_inner().into_inner();
        while let Some(chunk) = chunks.try_next().await.map_err(|cut| Error::Unreachable(cut.into()))? {
            download.file.write_all(&chunk).await?;
            download.digest.update(&chunk);
            download.bytes += chunk.len() as u64;
        }
        Ok(())
    }

    pub async fn delete_pack(&self, id: Uuid) -> Result<(), Error> {
        let sent: Result<_, Generated<Problem>> =
            self.api.delete_audit_export().org_id(self.id).export_id(id).send().await;
        sent?;
        Ok(())
    }
}

struct Download {
    file: File,
    digest: Sha256,
    bytes: u64,
}
