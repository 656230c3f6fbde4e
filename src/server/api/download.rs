//! Downloading a pack: streamed from storage, on record before its first byte leaves.
//!
//! Invariants
//! - No byte leaves without an audit entry that is committed and says how many were asked for. Each
//!   answer that sends bytes has one of its own, so the entries never say less than what was sent.
//! - An answer without bytes (`HEAD`, 304) is no download.
//! - Nobody gets the end of a file whose bytes are not the ones that its row speaks of: the connection is cut before it, and the
//!   operator reads why. A part of a file says nothing by itself; who puts parts together compares the whole with the `ETag`.
//! - Memory does not grow with the file.

mod range;

use std::ops::Range;

use bytes::Bytes;
use db::exports::{Export, Status};
use evidence::ids::ExportId;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use poem::Body;
use poem_openapi::param::Header;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};
use storage::Key;

use super::Tag;
use super::audit_export::find;
use super::path::Id;
use crate::auth::{DownloadPack, OrgScope};
use crate::errors::{Error, Input, Refused, Result, State, statuses};
use range::Wanted;

#[derive(ApiResponse)]
enum Download {
    /// The file.
    #[oai(status = 200, content_type = "application/zip")]
    Whole(
        Binary<Body>,
        /// The SHA-256 of the file, in quotation marks.
        #[oai(header = "ETag")]
        String,
        #[oai(header = "Content-Disposition")] String,
        #[oai(header = "Content-Length")] u64,
        /// `bytes`
        #[oai(header = "Accept-Ranges")]
        String,
    ),
    /// The part that `Range` asks for.
    #[oai(status = 206, content_type = "application/zip")]
    Part(
        Binary<Body>,
        /// The SHA-256 of the whole file, in quotation marks.
        #[oai(header = "ETag")]
        String,
        #[oai(header = "Content-Disposition")] String,
        #[oai(header = "Content-Length")] u64,
        #[oai(header = "Content-Range")] String,
    ),
    /// The file is the one that `If-None-Match` names.
    #[oai(status = 304)]
    Unchanged(
        /// The SHA-256 of the file, in quotation marks.
        #[oai(header = "ETag")]
        String,
    ),
}

statuses! {
    DownloadErrors = [401, 403, 404, 409, 410, 416, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::AuditExports")]
impl Api {
    /// Download a Compliance Pack
    ///
    /// Owners and admins, signed in with the identity provider. Every answer that sends bytes is in the audit log before its first byte is sent, with how many it sends; a part is an entry of its own.
    #[oai(
        path = "/orgs/:org_id/audit-exports/:export_id/download",
        method = "get",
        operation_id = "downloadAuditExport"
    )]
    #[expect(clippy::too_many_arguments, reason = "one argument per documented parameter")]
    async fn download(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<DownloadPack>,
        /// The pack.
        export_id: Id,
        /// One range of bytes, such as `bytes=1000-`.
        #[oai(name = "Range")]
        range: Header<Option<String>>,
        /// Send the range only if the file still has this ETag, else the whole file.
        #[oai(name = "If-Range")]
        if_range: Header<Option<String>>,
        /// Send nothing if the file has this ETag.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<Download, Refused<DownloadErrors>> {
        let export = find(&scope, ExportId(export_id.0)).await?;
        let file = File::of(&scope, export).await?;
        if if_none_match.0.is_some_and(|tags| range::names(&tags, &file.etag)) {
            return Ok(Download::Unchanged(file.etag));
        }
        let range = range.0.filter(|_| if_range.0.is_none_or(|tag| tag == file.etag));
        let wanted = Wanted::of(range.as_deref(), file.size_bytes)
            .ok_or(Input::RangeNotSatisfiable { size_bytes: file.size_bytes })?;
        Ok(file.send(&scope, wanted).await?)
    }
}

/// A finished pack whose file is there.
struct File {
    id: ExportId,
    key: Key,
    size_bytes: u64,
    sha256: [u8; 32],
    etag: String,
    disposition: String,
}

impl File {
    async fn of(scope: &OrgScope<DownloadPack>, export: Export) -> Result<Self> {
        let status = match export.status {
            Status::Done if export.expires_at <= scope.context.now => Status::Expired,
            status => status,
        };
        match status {
            Status::Done => {}
            Status::Expired | Status::Deleted => {
                return Err(State::Gone { status: status.as_str() }.into());
            }
            _ => return Err(State::NotReady { status: status.as_str() }.into()),
        }
        let (Some(key), Some(size_bytes), Some(sha256), Some(name)) =
            (export.object_key, export.size_bytes, export.sha256, export.file_name)
        else {
            return Err(Error::internal("a row says done and lacks what a finished pack has"));
        };
        let key: Key = key.parse().map_err(Error::internal)?;
        let found = scope.context.state.storage.stat(&key).await?;
        if found.size_bytes != size_bytes {
            tracing::error!(%key, found = found.size_bytes, size_bytes, "an object has another size than its row says");
            return Err(Error::ArtifactMissing);
        }
        let etag = format!("\"{}\"", hex::encode(sha256));
        Ok(Self { id: export.id, key, size_bytes, sha256, etag, disposition: attachment(&name) })
    }

    async fn send(self, scope: &OrgScope<DownloadPack>, wanted: Wanted) -> Result<Download> {
        let length = wanted.range.end - wanted.range.start;
        let content_range = format!(
            "bytes {}-{}/{}",
            wanted.range.start,
            wanted.range.end.saturating_sub(1),
            self.size_bytes
        );
        let body = if scope.context.is_head {
            Body::empty()
        } else {
            self.body(scope, wanted.range, length).await?
        };
        let body = Binary(body);
        Ok(if wanted.is_part {
            Download::Part(body, self.etag, self.disposition, length, content_range)
        } else {
            Download::Whole(body, self.etag, self.disposition, length, "bytes".to_owned())
        })
    }

    async fn read(
        &self,
        scope: &OrgScope<DownloadPack>,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, storage::Error>>> {
        let storage = &scope.context.state.storage;
        if range == (0..self.size_bytes) {
            return Ok(storage.read_whole(&self.key, self.size_bytes, self.sha256).await?.boxed());
        }
        Ok(storage.read_range(&self.key, range).await?.boxed())
    }

    /// The bytes, once it is on record that they are sent.
    async fn body(
        &self,
        scope: &OrgScope<DownloadPack>,
        range: Range<u64>,
        length: u64,
    ) -> Result<Body> {
        let stream = self.read(scope, range).await?;
        let mut tx = scope.begin().await?;
        db::exports::downloaded(&mut tx, scope.org.id, self.id, length, &scope.cause()).await?;
        tx.commit_sharing_flush().await?;
        let key = self.key.clone();
        Ok(Body::from_bytes_stream(stream.map_err(move |error| {
            tracing::error!(%key, cause = %crate::errors::describe(&error), "a download broke off");
            std::io::Error::other(error)
        })))
    }
}

/// The name is made by the product from a slug and dates; whatever it holds, it stays one name.
fn attachment(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().filter(is_plain).collect();
    format!("attachment; filename=\"{name}\"")
}
