//! A JSON body: bounded in size and time while it is read, unknown fields and other types than the contract's refused,
//! every fault named.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use poem::http::header;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{ParseFromJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::contract;
use crate::errors::{Input, Result};

/// The largest body of an operation that takes no file has a few kilobytes.
const BYTES_MAX: usize = 64 * 1024;
const ARRIVES_WITHIN: Duration = Duration::from_secs(15);

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
    let bytes = bounded(body, BYTES_MAX, ARRIVES_WITHIN).await?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Input::InvalidJson(format!("The body is no JSON: {error}.")))?;
    if let Some(fault) = contract::fault(&T::name(), &value) {
        return Err(Input::InvalidBody(fault).into());
    }
    T::parse_from_json(Some(value))
        .map(JsonBody)
        .map_err(|error| Input::InvalidBody(error.into_message()).into())
}

/// The whole body, unless it is longer than `limit` or takes longer than `within` to arrive.
pub(crate) async fn bounded(body: Body, limit: usize, within: Duration) -> Result<Vec<u8>> {
    match tokio::time::timeout(within, read_all(body, limit)).await {
        Ok(read) => read,
        Err(_) => Err(Input::BodyTooSlow.into()),
    }
}

async fn read_all(body: Body, limit: usize) -> Result<Vec<u8>> {
    let mut chunks = body.into_bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.try_next().await.map_err(|_| Input::BodyInterrupted)? {
        if bytes.len() + chunk.len() > limit {
            return Err(Input::BodyTooLarge { limit_bytes: limit as u64 }.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;
    use crate::errors::Error;

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up() {
        let begun = stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = Body::from_bytes_stream(begun.chain(stream::pending()));
        let refused = bounded(body, 10, Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(refused, Error::Input(Input::BodyTooSlow)));
    }

    #[tokio::test]
    async fn a_body_may_have_as_many_bytes_as_the_limit_says() {
        let of = |bytes: usize| bounded(Body::from(vec![b' '; bytes]), 10, ARRIVES_WITHIN);
        assert_eq!(of(10).await.unwrap().len(), 10);
        let refused = of(11).await.unwrap_err();
        assert!(matches!(refused, Error::Input(Input::BodyTooLarge { limit_bytes: 10 })));
    }
}
