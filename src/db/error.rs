//! Why something could not be read or changed.

use evidence::org::Role;
use evidence::{chain, finding, risk};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. The variants that a caller can act on are spelled out; the rest is [`Error::Sql`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database could not answer")]
    Sql(#[source] sqlx::Error),
    #[error("the database could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the audit entry cannot be sealed")]
    Seal(#[from] chain::Error),
    #[error("the audit chain {0} is not there, or the transaction does not work for it")]
    NoChain(chain::ChainId),
    #[error("the audit chain {0} can take no entry: its head and its entries disagree")]
    BrokenChain(chain::ChainId),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("the {what} {name:?} exists already; choose another name")]
    Taken { what: &'static str, name: String },
    #[error("{0}")]
    Finding(#[from] finding::Error),
    #[error("{0}")]
    Rule(#[from] risk::Error),
    #[error("an organisation needs an owner; make somebody else owner first")]
    LastOwner,
    #[error("this takes one of other roles")]
    RoleRequired(&'static [Role]),
    #[error("a person with this address is a member already; change their role instead")]
    AlreadyMember,
    #[error("this address is invited already; revoke that invitation first")]
    AlreadyInvited,
    #[error("an export that is {from} cannot become {to}")]
    ExportStep { from: crate::exports::Status, to: crate::exports::Status },
    #[error("{field} {fault}")]
    Invalid { field: &'static str, fault: &'static str },
}

impl Error {
    /// Whether the same call can succeed later without anything else being changed.
    pub fn is_transient(&self) -> bool {
        let (Self::Sql(error) | Self::Migrate(sqlx::migrate::MigrateError::Execute(error))) = self
        else {
            return false;
        };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => {
                // Connection lost, transaction rolled back by the server, out of resources, server
                // going down, system error.
                error.code().is_some_and(|code| {
                    ["08", "25006", "40", "53", "55P03", "57", "58"]
                        .iter()
                        .any(|class| code.starts_with(class))
                })
            }
            _ => false,
        }
    }

    /// Turns the violation of a unique constraint into [`Error::Taken`].
    pub(crate) fn taken(self, constraint: &str, what: &'static str, name: &str) -> Self {
        match &self {
            Self::Sql(sqlx::Error::Database(error)) if error.constraint() == Some(constraint) => {
                Self::Taken { what, name: name.to_owned() }
            }
            _ => self,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}
