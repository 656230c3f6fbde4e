//! The operations, one file per resource. What they take and answer is in `openapi/driftpack.yaml`,
//! written first; `crate::contract` holds the two together.
//!
//! Invariants
//! - The structs hold no state: the document is built without a database.
//! - An operation that touches an organisation's rows takes an `OrgScope` as its first argument, so
//!   credentials and rights are checked before anything else is read.

mod api_key;
pub(crate) mod audit_export;
pub(crate) mod audit_log;
mod body;
mod custom_rule;
mod download;
mod finding;
pub(crate) mod given;
pub(crate) mod idempotency;
mod invitation;
mod me;
mod member;
mod org;
pub(crate) mod page;
mod path;
pub(crate) mod scan;
mod state_source;
#[expect(clippy::unused_async, reason = "poem-openapi takes async functions only")]
mod system;
mod time;
pub(crate) mod upload;
pub(crate) mod word;
pub(crate) mod workflow;

use poem_openapi::{OpenApiService, Tags};

pub(crate) use body::bounded;

/// What an operation is about.
#[derive(Tags)]
enum Tag {
    /// Compliance Packs: requesting, watching, downloading.
    AuditExports,
    /// Drift scans: handing in and reading.
    Scans,
    /// Drifted resources, followed over time.
    Findings,
    /// The hash-chained audit log and its verification.
    AuditLog,
    /// Who may do what in an organisation, and who is to.
    Members,
    /// Machines of an organisation.
    ApiKeys,
    /// Terraform states that are scanned.
    StateSources,
    /// Risk rules of an organisation.
    CustomRules,
    /// What platform administrators see and do.
    Admin,
    /// Durable runs and their schedules, as platform administrators see and steer them.
    Workflows,
    /// Who the caller is.
    Account,
    /// Health, figures, keys and this document.
    System,
}

type Operations = (
    audit_export::Api,
    download::Api,
    scan::Api,
    finding::Api,
    audit_log::Api,
    (member::Api, invitation::Api, api_key::Api, state_source::Api, custom_rule::Api),
    org::Api,
    workflow::Api,
    workflow::operate::Api,
    workflow::schedule::Api,
    me::Api,
    system::Api,
);

/// The service without its state.
pub(crate) fn service() -> OpenApiService<Operations, ()> {
    let operations = (
        audit_export::Api,
        download::Api,
        scan::Api,
        finding::Api,
        audit_log::Api,
        (member::Api, invitation::Api, api_key::Api, state_source::Api, custom_rule::Api),
        org::Api,
        workflow::Api,
        workflow::operate::Api,
        workflow::schedule::Api,
        me::Api,
        system::Api,
    );
    OpenApiService::new(operations, "driftpack", "2.0.0").description(DESCRIPTION)
}

const DESCRIPTION: &str = "Takes in Terraform drift scans, keeps their history and a hash-chained audit log, \
and builds Compliance Packs that an auditor can check with stock tools.";

#[cfg(test)]
mod tests;
