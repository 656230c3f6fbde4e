//! What comes from forms and from the query of an address.

use std::collections::HashMap;

use poem::web::{Form, Multipart};
use poem::{Body, FromRequest as _, Request};
use serde::de::DeserializeOwned;

use crate::auth::csrf;
use crate::errors::{Error, Input, Result};
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
const FIELD_CHARS_MAX: usize = 1000;

/// A form with a file, once its token was found right: it stands first, so nothing is read of a form that is not ours.
pub(super) async fn posted(request: Request) -> Result<Posted> {
    let (mut request, mut body) = request.split();
    let unread = |_| {
        Error::from(Input::InvalidParameter(
            "The form cannot be read; load the page again.".to_owned(),
        ))
    };
    let mut form = Multipart::from_request(&request, &mut body).await.map_err(unread)?;
    let mut fields: HashMap<String, String> = HashMap::new();
    for n in 0..FIELDS_MAX {
        let field = form.next_field().await.map_err(|error| unread(error.into()))?;
        let Some(field) = field else { break };
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            // Of a form whose first field is no token, or not the session's, nothing counts.
            let token = fields.remove(csrf::FIELD).unwrap_or_default();
            let base_url = Context::of(&request).state.options.base_url.clone();
            csrf::prove(&mut request, &base_url, &token)?;
            return Ok(Posted {
                request,
                fields,
                file: Body::from_async_read(field.into_async_read()),
            });
        }
        let text = field.text().await.map_err(|error| unread(error.into()))?;
        if n == 0 && name != csrf::FIELD || text.chars().count() > FIELD_CHARS_MAX {
            break;
        }
        fields.insert(name, text);
    }
    Err(Input::InvalidParameter(
        "The form brought no file; choose one and send it again.".to_owned(),
    )
    .into())
}
