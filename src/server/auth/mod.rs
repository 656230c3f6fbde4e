//! Who calls: a person with a token of the OIDC issuer or a browser that is signed in, or a machine with an API key.
//!
//! Invariants
//! - A handler learns of a caller only through an extractor of this module, so it cannot forget to ask.
//! - The checks run in one order: 401 → 404 (organisation) → 403 → 402; input is looked at afterwards.
//! - Who may change things is counted here, before a body is read: see `crate::limiter`.
//! - Tokens and keys never appear in a log or an error.

pub mod api_key;
mod caller;
mod claims;
pub(crate) mod cookie;
mod credentials;
pub(crate) mod csrf;
mod discovery;
mod exchange;
mod jwks;
mod key;
pub mod oidc;
mod rule;
mod scope;
mod session;
mod signed_in;

pub use oidc::Verifier;

pub(crate) use caller::{Anyone, Caller, PlatformAdmin, person};
pub(crate) use credentials::is_oversized;
pub(crate) use exchange::{Grant, Granted, fits_cookie, known};
pub(crate) use rule::{
    ChangeSettings, DecideFinding, DeletePack, DownloadPack, HandInScan, ManageApiKeys,
    ManageMembers, ReadAuditLog, ReadOrg, ReadSettings, RequestPack, Right,
};
#[cfg(test)]
pub(crate) use rule::{Rule, TABLE};
pub(crate) use scope::OrgScope;
pub(crate) use session::SessionId;
pub(crate) use signed_in::SignedIn;

#[cfg(test)]
mod tests;
