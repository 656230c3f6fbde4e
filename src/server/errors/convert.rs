//! What the other packages' errors are to an HTTP caller.

use super::{Denied, Error, Input, Part, State};

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Input> for Error {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}

impl From<State> for Error {
    fn from(state: State) -> Self {
        Self::State(state)
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match error {
            error if error.is_transient() => Self::Down(Part::Database, error.into()),
            db::Error::NotFound(what) => Denied::NotFound(what).into(),
            db::Error::Finding(evidence::finding::Error::Reason) => {
                Input::InvalidReason(error.to_string()).into()
            }
            db::Error::Finding(error) => State::InvalidTransition(error.to_string()).into(),
            db::Error::Invalid { field, fault } => {
                Input::InvalidField { field, message: format!("{field} {fault}") }.into()
            }
            db::Error::Rule(rule) => {
                Input::InvalidField { field: rule.field, message: rule.to_string() }.into()
            }
            db::Error::RoleRequired(roles) => Denied::RoleRequired(roles).into(),
            db::Error::LastOwner => State::LastOwner(error.to_string()).into(),
            db::Error::Taken { .. } | db::Error::AlreadyMember | db::Error::AlreadyInvited => {
                State::Taken(error.to_string()).into()
            }
            db::Error::Sql(sqlx::Error::Database(refused)) if is_data_exception(&*refused) => {
                tracing::warn!(cause = %refused, "the database cannot hold a value");
                let message = "A value that was sent cannot be stored: it is out of range, or holds characters that no text may hold.";
                Input::InvalidParameter(message.to_owned()).into()
            }
            db::Error::ExportStep { from, .. } => State::Gone { status: from.as_str() }.into(),
            error => Self::internal(error),
        }
    }
}

/// Class 22 of SQLSTATE: what was sent is not a value of its type. Checks before the database should
/// have said so in better words.
fn is_data_exception(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("22"))
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        db::Error::from(error).into()
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Database(error) => error.into(),
            engine::Error::UnknownRun(_) => Denied::NotFound("workflow run").into(),
            engine::Error::UnknownSchedule(_) => Denied::NotFound("schedule").into(),
            engine::Error::UnknownStep { .. } => {
                Input::InvalidField { field: "seq", message: error.to_string() }.into()
            }
            error => Self::internal(error),
        }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        if error.is_missing() {
            tracing::error!(cause = %super::describe(&error), "an object is missing from storage");
            Self::ArtifactMissing
        } else if error.is_transient() {
            Self::Down(Part::Storage, error.into())
        } else {
            Self::internal(error)
        }
    }
}

impl From<evidence::input::Error> for Error {
    fn from(error: evidence::input::Error) -> Self {
        Input::Scan { code: error.code(), message: error.to_string() }.into()
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(error)
    }
}
