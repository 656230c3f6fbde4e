//! What comes from forms and from the query of an address.

use std::collections::HashMap;

use poem::web::Form;
use poem::{FromRequest as _, Request};
use serde::de::DeserializeOwned;

use crate::auth::csrf;
use crate::errors::{Input, Result};

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
