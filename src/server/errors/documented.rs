//! Which errors an operation may answer with, as part of its type, so that they are in the document.
//!
//! `Result<Json<T>, Refused<ReadErrors>>` documents the statuses of `ReadErrors` and can carry any
//! [`Error`]; the tests over HTTP compare what comes with what is documented.

use std::marker::PhantomData;

use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};

use super::Error;

/// Why a request was not served. Some errors carry further members, which are described where they occur.
#[derive(Debug, Object)]
pub(crate) struct Problem {
    /// For programs; never changes.
    error: String,
    /// For people; may change.
    message: String,
}

/// The statuses that an operation may refuse with.
pub(crate) trait Statuses: Send + Sync + 'static {
    const ALL: &'static [u16];
}

/// Declares sets of statuses, one unit type each.
macro_rules! statuses {
    ($($(#[$meta:meta])* $name:ident = [$($status:literal),+ $(,)?];)+) => {$(
        $(#[$meta])*
        pub(crate) struct $name;

        impl $crate::errors::Statuses for $name {
            const ALL: &'static [u16] = &[$($status),+];
        }
    )+};
}
pub(crate) use statuses;

/// An [`Error`] of an operation that documents the statuses `S`.
pub(crate) struct Refused<S>(Error, PhantomData<fn() -> S>);

impl<S, E: Into<Error>> From<E> for Refused<S> {
    fn from(error: E) -> Self {
        Self(error.into(), PhantomData)
    }
}

impl<S> From<Refused<S>> for poem::Error {
    fn from(refused: Refused<S>) -> Self {
        refused.0.into()
    }
}

impl<S: Statuses> ApiResponse for Refused<S> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: S::ALL.iter().map(|status| response(*status)).collect() }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

fn response(status: u16) -> MetaResponse {
    MetaResponse {
        description: describe(status),
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: Json::<Problem>::CONTENT_TYPE,
            schema: Json::<Problem>::schema_ref(),
        }],
        headers: if matches!(status, 429 | 503) { vec![retry_after()] } else { vec![] },
    }
}

fn retry_after() -> MetaHeader {
    MetaHeader {
        name: "Retry-After".to_owned(),
        description: Some("Whole seconds, rounded up.".to_owned()),
        required: true,
        deprecated: false,
        schema: u64::schema_ref(),
    }
}

const fn describe(status: u16) -> &'static str {
    match status {
        400 => "A parameter or the body cannot be read.",
        401 => "No credentials, or bad ones.",
        402 => "The organisation's plan does not include this.",
        403 => "The caller's role, scope or kind of credential does not allow this.",
        404 => "No such organisation (or the caller is no member), or no such thing in it.",
        408 => "The body did not arrive in time.",
        409 => "Its state does not allow this now.",
        410 => "It was there and is gone.",
        413 => "The body is too large.",
        415 => "The body has a type or an encoding that is not taken.",
        416 => "The range lies outside the file.",
        422 => "What was sent can be read and is refused.",
        429 => "Too many requests.",
        500 => "An error on our side; the body never says why, the log does.",
        503 => "A part that is needed cannot answer; try again.",
        _ => "Refused.",
    }
}
