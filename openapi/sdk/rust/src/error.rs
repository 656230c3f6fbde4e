//! What can go wrong, by what to do about it.

use std::time::Duration;

use crate::api::types::{AuditExport, Problem};

/// Why a call did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service refused. `code` is for programs and never changes.
    #[error("{message} ({code}, HTTP {status})")]
    Refused { status: u16, code: String, message: String, retry_after: Option<Duration> },
    /// The pack will never be done: it failed, expired or was deleted.
    #[error("the pack {} is {}", .0.id, .0.status)]
    PackFailed(Box<AuditExport>),
    /// The pack is not done in time; it is still being built, and waiting again is safe.
    #[error("the pack {} is still {} after {} seconds", .0.id, .0.status, .1.as_secs())]
    TooSlow(Box<AuditExport>, Duration),
    #[error(transparent)]
    BrokenPack(#[from] BrokenPack),
    /// No answer came, also not after trying again.
    #[error("the service cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer that the contract does not know: is this client older than the service?
    #[error("the answer cannot be understood: {0}")]
    Unexpected(String),
    #[error("a file cannot be read or written")]
    File(#[from] std::io::Error),
}

/// The file is not what the service made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BrokenPack(pub String);

impl From<progenitor_client::Error<Problem>> for Error {
    fn from(error: progenitor_client::Error<Problem>) -> Self {
        use progenitor_client::Error as Generated;
        match error {
            Generated::ErrorResponse(answer) => {
                let (status, retry_after) = (answer.status(), crate::retry::retry_after(answer.headers()));
                let Problem { error: code, message, .. } = answer.into_inner();
                Self::Refused { status: status.as_u16(), code, message, retry_after }
            }
            Generated::CommunicationError(cause) | Generated::ResponseBodyError(cause) => {
                Self::Unreachable(cause.into())
            }
            other => Self::Unexpected(other.to_string()),
        }
    }
}
