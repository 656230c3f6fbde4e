//! A scan file: received within its limit, unpacked within its limit, with what the sender says
//! about the pipeline it comes from.
//!
//! Invariants
//! - Neither a long body nor a small one that unpacks to a huge one takes more memory than the limit
//!   says.
//! - A few files are in memory at a time, from their first byte until they are read; the others wait
//!   outside. Who hangs up makes no room before the work on the file is over.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use poem::http::{HeaderMap, header};
use poem::{Body, Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::bounded;
use crate::errors::{Error, Input, Result};
use crate::state::Context;

/// 64 MiB at 5 Mbit/s. Whoever is slower packs the file, or keeps others waiting.
const ARRIVES_WITHIN: Duration = Duration::from_mins(2);

/// A scan file that is about to be sent: nothing of it has been read.
pub(crate) struct Upload {
    body: Body,
    is_gzip: bool,
    limit: usize,
    /// What `x-driftpack-ci-*` says.
    pub(crate) ci: Map<String, Value>,
}

/// A scan file as it was sent, and the room that it takes.
pub(crate) struct Received {
    bytes: Vec<u8>,
    is_gzip: bool,
    limit: usize,
    /// Free when the file is dropped.
    _room: OwnedSemaphorePermit,
}

impl<'a> ApiExtractor<'a> for Upload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let media = |content_type, schema| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(schema)),
        };
        let text = MetaSchema { format: Some("binary"), ..MetaSchema::new("string") };
        Some(MetaRequest {
            description: None,
            content: vec![
                media("application/json", MetaSchema::new("object")),
                media("application/x-ndjson", text.clone()),
                media("application/octet-stream", text),
            ],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let limit = Context::of(request).state.options.scan_bytes_max;
        let headers = request.headers();
        let is_gzip = is_gzip(headers)?;
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let announced: Option<u64> = announced.and_then(|text| text.parse().ok());
        if announced.is_some_and(|bytes| bytes > limit as u64) {
            return Err(too_large(limit).into());
        }
        Ok(Self { body: body.take()?, is_gzip, limit, ci: ci(headers) })
    }
}

/// What every stream of gzip begins with (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

impl Upload {
    /// A file in a form.
    pub(crate) fn of_form(body: Body, limit: usize) -> Self {
        Self { body, is_gzip: false, limit, ci: Map::new() }
    }

    /// Reads the file once there is room for it.
    pub(crate) async fn receive(self, rooms: &Arc<Semaphore>) -> Result<Received> {
        let room = Arc::clone(rooms).acquire_owned().await.map_err(Error::internal)?;
        let bytes = bounded(self.body, self.limit, ARRIVES_WITHIN).await?;
        let is_gzip = self.is_gzip || bytes.starts_with(&GZIP);
        Ok(Received { bytes, is_gzip, limit: self.limit, _room: room })
    }
}

impl Received {
    /// The file itself. Takes processor time: not for an async task.
    pub(crate) fn unpack(&mut self) -> Result<Vec<u8>> {
        let bytes = std::mem::take(&mut self.bytes);
        if !self.is_gzip {
            return Ok(bytes);
        }
        let mut unpacked = Vec::new();
        let mut decoder = MultiGzDecoder::new(bytes.as_slice()).take(self.limit as u64 + 1);
        decoder.read_to_end(&mut unpacked).map_err(|_| Input::InvalidContentEncoding)?;
        if unpacked.len() > self.limit {
            return Err(too_large(self.limit));
        }
        Ok(unpacked)
    }
}

fn too_large(limit: usize) -> Error {
    Input::BodyTooLarge { limit_bytes: limit as u64 }.into()
}

fn is_gzip(headers: &HeaderMap) -> Result<bool> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(|value| value.as_bytes().to_ascii_lowercase()), second) {
        (None, _) => Ok(false),
        (Some(value), None) if value == b"gzip" || value == b"x-gzip" => Ok(true),
        (Some(value), None) if value == b"identity" => Ok(false),
        _ => Err(Input::UnsupportedContentEncoding.into()),
    }
}

/// The headers that tell of the pipeline, and the names under which they are kept.
const CI: [(&str, &str); 5] = [
    ("x-driftpack-ci-repository", "repository"),
    ("x-driftpack-ci-branch", "branch"),
    ("x-driftpack-ci-commit", "commit"),
    ("x-driftpack-ci-run-url", "run_url"),
    ("x-driftpack-ci-pull-request", "pull_request"),
];
const CI_CHARS_MAX: usize = 500;

/// What the sender says, as far as it is harmless text: it is shown to people, and proves nothing.
fn ci(headers: &HeaderMap) -> Map<String, Value> {
    let mut ci = Map::new();
    for (header, name) in CI {
        let text = headers.get(header).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let Some(text) = text else { continue };
        let text: String = text.chars().filter(|c| !c.is_control()).take(CI_CHARS_MAX).collect();
        let text = text.trim();
        // A link is followed by people: only what a browser opens as a page.
        let is_link = text.starts_with("https://") || text.starts_with("http://");
        if !text.is_empty() && (name != "run_url" || is_link) {
            ci.insert(name.to_owned(), text.into());
        }
    }
    ci
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::FutureExt as _;
    use poem::http::HeaderValue;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The file as it arrives, with or without a word about gzip.
    async fn unpacked(bytes: Vec<u8>, is_gzip: bool, limit: usize) -> Result<Vec<u8>> {
        let upload = Upload { body: Body::from(bytes), is_gzip, limit, ci: Map::new() };
        upload.receive(&Arc::new(Semaphore::new(1))).await?.unpack()
    }

    #[tokio::test]
    async fn a_packed_file_comes_out_as_it_was_whether_it_is_announced_or_not() {
        assert_eq!(unpacked(gzip(b"{}"), true, 100).await.unwrap(), b"{}");
        assert_eq!(unpacked(gzip(b"{}"), false, 100).await.unwrap(), b"{}");
        assert_eq!(unpacked(b"{}".to_vec(), false, 100).await.unwrap(), b"{}");
    }

    #[tokio::test]
    async fn a_small_body_that_unpacks_to_a_huge_one_is_refused() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        for is_announced in [true, false] {
            let refused = unpacked(bomb.clone(), is_announced, 1_000_000).await.unwrap_err();
            assert!(matches!(
                refused,
                Error::Input(Input::BodyTooLarge { limit_bytes: 1_000_000 })
            ));
        }
    }

    #[tokio::test]
    async fn a_cut_or_false_stream_is_refused() {
        let mut cut = gzip(b"{\"format_version\":\"1.2\"}");
        cut.truncate(cut.len() - 4);
        for (bytes, is_announced) in
            [(cut.clone(), true), (cut, false), (b"{}".to_vec(), true), (Vec::new(), true)]
        {
            let refused = unpacked(bytes, is_announced, 100).await.unwrap_err();
            assert!(matches!(refused, Error::Input(Input::InvalidContentEncoding)));
        }
    }

    #[tokio::test]
    async fn nothing_of_a_file_is_read_before_there_is_room_for_it() {
        let rooms = Arc::new(Semaphore::new(1));
        let upload = |body| Upload { body, is_gzip: false, limit: 100, ci: Map::new() };
        let first = upload(Body::from("{}")).receive(&rooms).await.unwrap();
        let (read, mut asked) = tokio::sync::mpsc::channel(1);
        let body = Body::from_bytes_stream(futures_util::stream::once(async move {
            read.send(()).await.unwrap();
            Ok::<_, std::io::Error>("[]")
        }));
        let second = upload(body).receive(&rooms);
        tokio::pin!(second);
        assert!(second.as_mut().now_or_never().is_none());
        assert!(asked.try_recv().is_err(), "the second file was read");
        drop(first);
        assert_eq!(second.await.unwrap().unpack().unwrap(), b"[]");
    }

    #[test]
    fn what_is_said_about_the_pipeline_is_harmless_text() {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &[u8]| {
            headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        };
        set("x-driftpack-ci-repository", b"acme/infra\tx");
        set("x-driftpack-ci-branch", &[b'm', 0xff]);
        set("x-driftpack-ci-run-url", b"javascript:alert(1)");
        set("x-driftpack-ci-commit", &[b'a'; 5000]);
        let ci = ci(&headers);
        assert_eq!(ci["repository"], "acme/infrax");
        assert_eq!(ci["branch"], "m\u{fffd}");
        assert_eq!(ci["commit"].as_str().unwrap().len(), CI_CHARS_MAX);
        assert!(!ci.contains_key("run_url"));
    }
}
