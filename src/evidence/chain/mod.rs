//! The audit chain: canonical text, hash, verification. Version 1.
//!
//! Entry n's canonical text is the RFC 8785 JSON of `{action, actor{type,id}, chain, created_at,
//! detail, id, origin, outcome, prev_hash, seq}`; its hash is SHA-256 over `v1\n` and that text.
//! `prev_hash` is null only at seq 1, whose action is `org.created` (`platform.created` on the
//! platform chain). `seq` starts at 1 and has no gaps; `created_at` never decreases.
//!
//! What it does not do: it does not store, does not lock, and cannot see a chain that was rewritten
//! from its first entry; only hashes that left the house (earlier packs) can.

mod alike;
mod entry;
mod plain;
mod verify;

#[cfg(test)]
mod tests;

use uuid::Uuid;

pub use entry::{CANONICAL_VERSION, Draft, Frame, Sealed, Text, hash, seal};
pub use verify::{BadEntry, BadKind, Extent, Row, Start, Status, Verdict, Verifier};

pub use crate::action::{Action, Actor, ActorKind, Outcome};
use crate::ids::OrgId;

/// SHA-256.
pub type Hash = [u8; 32];

/// Which chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::module_name_repetitions,
    reason = "it is used away from the chain, like other ids"
)]
pub enum ChainId {
    Org(OrgId),
    /// The one chain of the installation itself.
    Platform,
}

/// Why an entry cannot be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the number at {path} is not an integer within ±2^53; write it as a string")]
    Number { path: String },
    #[error("the text at {path} contains NUL, which the database cannot hold")]
    Nul { path: String },
    #[error("the member {path} has a reserved name; give it another")]
    Reserved { path: String },
    #[error("the detail is nested deeper than {max} levels")]
    TooDeep { max: usize },
    #[error("the entry has {bytes} bytes; {max} are allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error(
        "seq {seq} and the previous hash do not belong together: seq 1 has none, others need one"
    )]
    Sequence { seq: i64 },
    #[error("{action} cannot be entry {seq} of the chain {chain}")]
    Genesis { chain: ChainId, seq: i64, action: Action },
}

impl ChainId {
    /// The organisation's id, or the nil UUID for the platform: the value of the database column.
    pub const fn as_uuid(self) -> Uuid {
        match self {
            Self::Org(org) => org.0,
            Self::Platform => Uuid::nil(),
        }
    }

    pub const fn from_uuid(id: Uuid) -> Self {
        if id.is_nil() { Self::Platform } else { Self::Org(OrgId(id)) }
    }

    /// The action of its first entry.
    pub const fn genesis(self) -> Action {
        match self {
            Self::Org(_) => Action::OrgCreated,
            Self::Platform => Action::PlatformCreated,
        }
    }
}

impl std::fmt::Display for ChainId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Org(org) => org.fmt(f),
            Self::Platform => f.pad("platform"),
        }
    }
}

impl std::str::FromStr for ChainId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "platform" => Ok(Self::Platform),
            _ => text.parse().map(Self::Org),
        }
    }
}
