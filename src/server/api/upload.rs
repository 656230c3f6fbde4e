//! A scan file: received within its limit, unpacked within its limit, with what the sender says
//! about the pipeline it comes from.
//!
//! Invariant: neither a long body nor a small one that unpacks to a huge one takes more memory than
//! the limit says.

use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;
use poem::http::{HeaderMap, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::{Map, Value};

use super::body::bounded;
use crate::errors::{Input, Result};
use crate::state::Context;

/// A scan file as it was sent.
pub(crate) struct Upload {
    bytes: Vec<u8>,
    is_gzip: bool,
    limit: usize,
    /// What `x-driftpack-ci-*` says.
    pub(crate) ci: Map<String, Value>,
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
        let bytes = bounded(body.take()?, limit).await?;
        Ok(Self { bytes, is_gzip, limit, ci: ci(headers) })
    }
}

impl Upload {
    /// The file itself. Takes processor time: not for an async task.
    pub(crate) fn unpack(self) -> Result<Vec<u8>> {
        if !self.is_gzip {
            return Ok(self.bytes);
        }
        let mut unpacked = Vec::new();
        let mut decoder = MultiGzDecoder::new(self.bytes.as_slice()).take(self.limit as u64 + 1);
        decoder.read_to_end(&mut unpacked).map_err(|_| Input::InvalidContentEncoding)?;
        if unpacked.len() > self.limit {
            return Err(too_large(self.limit));
        }
        Ok(unpacked)
    }
}

fn too_large(limit: usize) -> crate::errors::Error {
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
    use poem::http::HeaderValue;

    use super::*;
    use crate::errors::Error;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn upload(bytes: Vec<u8>, limit: usize) -> Upload {
        Upload { bytes, is_gzip: true, limit, ci: Map::new() }
    }

    #[test]
    fn a_packed_file_comes_out_as_it_was() {
        assert_eq!(upload(gzip(b"{}"), 100).unpack().unwrap(), b"{}");
    }

    #[test]
    fn a_small_body_that_unpacks_to_a_huge_one_is_refused() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        let refused = upload(bomb, 1_000_000).unpack().unwrap_err();
        assert!(matches!(refused, Error::Input(Input::BodyTooLarge { limit_bytes: 1_000_000 })));
    }

    #[test]
    fn a_cut_or_false_stream_is_refused() {
        let mut cut = gzip(b"{\"format_version\":\"1.2\"}");
        cut.truncate(cut.len() - 4);
        for bytes in [cut, b"{}".to_vec(), Vec::new()] {
            let refused = upload(bytes, 100).unpack().unwrap_err();
            assert!(matches!(refused, Error::Input(Input::InvalidContentEncoding)));
        }
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
