//! What comes from forms and from the query of an address.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use futures_util::StreamExt as _;
use poem::web::{Form, Multipart};
use poem::{Body, FromRequest as _, Request, RequestBody};
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;

use crate::auth::{SignedIn, csrf};
use crate::errors::{Denied, Error, Input, Result};
use crate::state::Context;

/// The fields of a form, each once, without the token that proves where it comes from.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<(Request, T)> {
    let (request, mut body) = request.split();
    let form = Form::<T>::from_request(&request, &mut body).await;
    let Form(form) =
        form.map_err(|error| Input::InvalidParameter(format!("The form cannot be read: {error}")))?;
    Ok((request, form))
}

/// The query of an address; what is empty counts as left out.
pub(super) fn query(request: &Request) -> HashMap<String, String> {
    let query = request.original_uri().query().unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs
        .filter(|(name, value)| !value.is_empty() && name != csrf::FIELD)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// `path` with those of `pairs` that have a value.
pub(super) fn address(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Fields of a form that comes with a file: small ones first, the file last.
pub(super) struct Posted {
    pub(super) request: Request,
    fields: HashMap<String, String>,
    /// The file, of which nothing has been read.
    pub(super) file: Body,
}

impl Posted {
    /// What a field says; empty where it is left out.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Fields before the file are few and short.
const FIELDS_MAX: usize = 8;
const FIELD_BYTES_MAX: u64 = 4000;

/// For everything before the file: its fields are as short as a person types.
const FIELDS_WITHIN: Duration = Duration::from_secs(15);

/// A form with a file, once its token was found right: it stands first, so nothing is read of a form that is not ours, and nothing
/// at all for somebody who is not signed in.
pub(super) async fn posted(request: Request) -> Result<Posted> {
    match SignedIn::find(&request).await {
        // The token lies in the body: the guard could not see it yet.
        Ok(Some(_)) | Err(Error::Denied(Denied::Forged(_))) => {}
        Ok(None) => return Err(Denied::Unauthorized("Nobody is signed in").into()),
        Err(error) => return Err(error),
    }
    match tokio::time::timeout(FIELDS_WITHIN, up_to_file(request)).await {
        Ok(posted) => posted,
        Err(_late) => Err(Input::BodyTooSlow.into()),
    }
}

async fn up_to_file(request: Request) -> Result<Posted> {
    let (mut request, mut body) = request.split();
    let limit = Context::of(&request).state.options.scan_bytes_max.saturating_add(FORM_BYTES);
    body = RequestBody::new(bounded(body.take().map_err(unread)?, limit));
    let mut form = Multipart::from_request(&request, &mut body).await.map_err(unread)?;
    let mut fields: HashMap<String, String> = HashMap::new();
    for n in 0..FIELDS_MAX {
        let field = form.next_field().await.map_err(unread)?;
        let Some(field) = field else { break };
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            // Of a form whose first field is no token, or not the session's, nothing counts.
            let token = fields.remove(csrf::FIELD).unwrap_or_default();
            let base_url = Context::of(&request).state.options.base_url.clone();
            csrf::prove(&mut request, &base_url, &token)?;
            let file = Body::from_async_read(field.into_async_read());
            return Ok(Posted { request, fields, file });
        }
        let mut text = String::new();
        let mut value = field.into_async_read().take(FIELD_BYTES_MAX + 1);
        value.read_to_string(&mut text).await.map_err(unread)?;
        if (n == 0 && name != csrf::FIELD) || text.len() as u64 > FIELD_BYTES_MAX {
            break;
        }
        fields.insert(name, text);
    }
    let message = "The form brought no file; choose one and send it again.".to_owned();
    Err(Input::InvalidParameter(message).into())
}

/// What a form takes beside its file.
const FORM_BYTES: usize = 64 * 1024;

/// The body, which ends with an error where it is longer.
fn bounded(body: Body, limit: usize) -> Body {
    let mut left = limit;
    let chunks = body.into_bytes_stream().map(move |chunk| {
        let chunk = chunk?;
        left = left.checked_sub(chunk.len()).ok_or_else(|| io::Error::other("too large"))?;
        Ok::<_, io::Error>(chunk)
    });
    Body::from_bytes_stream(chunks)
}

fn unread<E>(_: E) -> Error {
    let message = "The form cannot be read; load the page again.".to_owned();
    Input::InvalidParameter(message).into()
}
