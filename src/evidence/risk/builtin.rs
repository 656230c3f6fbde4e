//! The built-in risk rules, for AWS, Azure and Google Cloud.
//!
//! Types and attributes are globs (`*` and `?`). Attributes are the dotted names of a drift.

use super::RiskLevel;
use super::pattern::matches;
use crate::scan::{Drift, DriftType};

/// One built-in rule.
#[derive(Debug)]
pub struct Builtin {
    /// Stable; stands in findings and packs.
    pub id: &'static str,
    pub title: &'static str,
    pub level: RiskLevel,
    pub when: When,
}

/// When a rule applies. An empty list does not restrict.
#[derive(Debug)]
pub struct When {
    pub drift_types: &'static [DriftType],
    /// The resource type must match one of these, in one of the lists.
    pub resource_types: &'static [&'static [&'static str]],
    /// One changed attribute must match one of these.
    pub any_attribute: &'static [&'static str],
    /// There are changed attributes, and each must match one of these.
    pub every_attribute: &'static [&'static str],
}

const ANY: When =
    When { drift_types: &[], resource_types: &[], any_attribute: &[], every_attribute: &[] };

const IDENTITY: &[&str] = &[
    "aws_iam_*",
    "aws_identitystore_*",
    "aws_ssoadmin_*",
    "aws_organizations_policy*",
    "azurerm_role_*",
    "azurerm_user_assigned_identity",
    "azurerm_federated_identity_credential",
    "azuread_*",
    "google_*_iam_*",
    "google_service_account",
    "google_iam_*",
];

const KEYS: &[&str] = &[
    "aws_iam_access_key",
    "aws_kms_*",
    "aws_secretsmanager_*",
    "aws_ssm_parameter",
    "aws_acm_certificate*",
    "azurerm_key_vault*",
    "google_kms_*",
    "google_secret_manager_*",
    "google_service_account_key",
];

const NETWORK: &[&str] = &[
    "aws_security_group*",
    "aws_default_security_group",
    "aws_vpc_security_group_*",
    "aws_network_acl*",
    "aws_default_network_acl",
    "aws_networkfirewall_*",
    "aws_wafv2_*",
    "aws_eip*",
    "aws_lb*",
    "aws_alb*",
    "aws_elb",
    "aws_internet_gateway*",
    "aws_route",
    "aws_route_table*",
    "aws_default_route_table",
    "azurerm_network_security_*",
    "azurerm_firewall*",
    "azurerm_public_ip*",
    "azurerm_lb*",
    "azurerm_application_gateway",
    "azurerm_route*",
    "google_compute_firewall*",
    "google_compute_address",
    "google_compute_global_address",
    "google_compute_*forwarding_rule",
    "google_compute_security_policy",
    "google_compute_route",
];

const PUBLIC: &[&str] = &[
    "aws_s3_bucket_public_access_block",
    "aws_s3_account_public_access_block",
    "aws_s3_bucket_acl",
    "aws_s3_bucket_policy",
    "aws_s3_access_point*",
    "aws_ecr_repository_policy",
    "aws_lambda_permission",
    "azurerm_storage_account_network_rules",
    "google_storage_*_iam_*",
    "google_storage_*acl",
    "google_storage_*access_control",
];

const PUBLIC_ATTRIBUTES: &[&str] = &[
    "publicly_accessible",
    "*.publicly_accessible",
    "acl",
    "public_network_access*",
    "allow_blob_public_access",
    "allow_nested_items_to_be_public",
    "public_access_prevention",
    "uniform_bucket_level_access",
    "endpoint_public_access",
    "*.endpoint_public_access",
    "*.public_access_cidrs",
    "associate_public_ip_address",
    "map_public_ip_on_launch",
    "*.authorized_networks*",
];

const TAGS: &[&str] = &[
    "tags",
    "tags.*",
    "tags_all",
    "tags_all.*",
    "labels",
    "labels.*",
    "effective_labels",
    "effective_labels.*",
    "terraform_labels",
    "terraform_labels.*",
    "user_labels",
    "user_labels.*",
];

/// Asked in this order; the first that matches decides.
pub const BUILTIN: &[Builtin] = &[
    Builtin {
        id: "tags_only",
        title: "Only tags or labels changed",
        level: RiskLevel::Low,
        when: When { drift_types: &[DriftType::Changed], every_attribute: TAGS, ..ANY },
    },
    Builtin {
        id: "unmanaged_sensitive",
        title: "Unmanaged identity, key, network or public access resource",
        level: RiskLevel::High,
        when: When {
            drift_types: &[DriftType::Extra],
            resource_types: &[PUBLIC, KEYS, IDENTITY, NETWORK],
            ..ANY
        },
    },
    Builtin {
        id: "public_access",
        title: "Public access to data",
        level: RiskLevel::Critical,
        when: When { resource_types: &[PUBLIC], ..ANY },
    },
    Builtin {
        id: "public_access_attribute",
        title: "A switch for public access changed",
        level: RiskLevel::Critical,
        when: When { any_attribute: PUBLIC_ATTRIBUTES, ..ANY },
    },
    Builtin {
        id: "keys_and_secrets",
        title: "Keys, secrets and certificates",
        level: RiskLevel::High,
        when: When { resource_types: &[KEYS], ..ANY },
    },
    Builtin {
        id: "identity",
        title: "Identities and what they may do",
        level: RiskLevel::Critical,
        when: When { resource_types: &[IDENTITY], ..ANY },
    },
    Builtin {
        id: "network_exposure",
        title: "Network exposure",
        level: RiskLevel::High,
        when: When { resource_types: &[NETWORK], ..ANY },
    },
    Builtin {
        id: "deleted_outside",
        title: "Deleted outside Terraform",
        level: RiskLevel::High,
        when: When { drift_types: &[DriftType::Missing], ..ANY },
    },
    Builtin {
        id: "unmanaged",
        title: "Unmanaged resource",
        level: RiskLevel::Medium,
        when: When { drift_types: &[DriftType::Extra], ..ANY },
    },
];

/// The first built-in rule that covers the drift.
pub(super) fn find(drift: &Drift) -> Option<&'static Builtin> {
    BUILTIN.iter().find(|rule| rule.when.covers(drift))
}

impl When {
    fn covers(&self, drift: &Drift) -> bool {
        let one_of = |globs: &[&str], name: &str| globs.iter().any(|glob| matches(glob, name));
        let attributes = &drift.changed_attributes;
        (self.drift_types.is_empty() || self.drift_types.contains(&drift.drift_type))
            && (self.resource_types.is_empty()
                || self.resource_types.iter().any(|globs| one_of(globs, &drift.resource_type)))
            && (self.any_attribute.is_empty()
                || attributes.iter().any(|name| one_of(self.any_attribute, name)))
            && (self.every_attribute.is_empty()
                || !attributes.is_empty()
                    && attributes.iter().all(|name| one_of(self.every_attribute, name)))
    }
}
