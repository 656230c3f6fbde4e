//! A JSON body: bounded while it is read, unknown fields refused, every fault named.

use poem::error::ReadBodyError;
use poem::http::header;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::errors::{Input, Result};

/// The largest body of an operation that takes no file has a few kilobytes.
const BYTES_MAX: usize = 64 * 1024;

/// A `T` from the body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<'a, T: Type + ParseFromJSON> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: Json::<T>::CONTENT_TYPE,
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(read(request, body.take()?).await?)
    }
}

async fn read<T: ParseFromJSON>(request: &Request, body: Body) -> Result<JsonBody<T>> {
    let content_type = request.content_type().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let message = "Send the body as application/json.".to_owned();
        return Err(Input::UnsupportedMediaType(message).into());
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Input::UnsupportedContentEncoding.into());
    }
    let bytes = bounded(body, BYTES_MAX).await?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Input::InvalidJson(format!("The body is no JSON: {error}.")))?;
    T::parse_from_json(Some(value))
        .map(JsonBody)
        .map_err(|error| Input::InvalidBody(error.into_message()).into())
}

/// The whole body, unless it is longer than `limit`.
pub(crate) async fn bounded(body: Body, limit: usize) -> Result<Vec<u8>> {
    body.into_bytes_limit(limit).await.map(Into::into).map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => Input::BodyTooLarge { limit_bytes: limit as u64 }.into(),
        _ => Input::BodyInterrupted.into(),
    })
}
