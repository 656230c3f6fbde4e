//! Identifiers: one type per kind of row, so that an id of one kind cannot stand where another is
//! meant.
//!
//! They are plain UUIDs in JSON and SQL. This module never draws random numbers and never reads a
//! clock: [`v7`] is given both.

use chrono::{DateTime, Utc};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

ids! {
    /// An organisation: the tenant.
    OrgId;
    /// A person known from an OIDC issuer.
    UserId;
    /// An invitation into an organisation.
    InvitationId;
    /// An API key of an organisation.
    ApiKeyId;
    /// A Terraform state that is scanned for drift.
    StateSourceId;
    /// A custom risk rule.
    RuleId;
    /// One drift scan.
    ScanId;
    /// One drifted resource, followed over time.
    FindingId;
    /// One requested Compliance Pack.
    ExportId;
}

/// A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then the random bits.
///
/// Times before 1970 count as 1970.
pub fn v7(now: DateTime<Utc>, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_later_sort_later() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let earlier = v7(at(1_700_000_000), [0xff; 10]);
        let later = v7(at(1_700_000_001), [0; 10]);
        assert!(earlier < later);
        assert_eq!(later.get_version_num(), 7);
        assert_eq!(later.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn an_id_is_a_plain_string_in_json() {
        let id = OrgId(v7(DateTime::UNIX_EPOCH, [7; 10]));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<OrgId>(&json).unwrap(), id);
        assert_eq!(id.to_string().parse::<OrgId>().unwrap(), id);
    }
}
