//! What is graded how, and what a pattern matches.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn drift(drift_type: DriftType, resource_type: &str, attributes: &[&str]) -> Drift {
    Drift {
        address: format!("module.m.{resource_type}.name[\"k\"]"),
        resource_type: resource_type.to_owned(),
        resource_name: "name".to_owned(),
        provider: None,
        drift_type,
        changed_attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn rule(id: u128, resource: &str, level: CustomLevel) -> CustomRule {
    CustomRule {
        id: RuleId(Uuid::from_u128(id)),
        name: "rule".to_owned(),
        resource_pattern: resource.to_owned(),
        attribute_pattern: None,
        drift_type: None,
        level,
        reason: "reason".to_owned(),
        enabled: true,
    }
}

#[test]
fn the_built_in_table_grades_like_this() {
    use DriftType::{Changed, Extra, Missing};
    use RiskLevel::{Critical, High, Low, Medium};
    for (drift_type, resource_type, attributes, level, id) in [
        (Changed, "aws_iam_role_policy", &["policy"][..], Critical, "identity"),
        (Changed, "aws_iam_role", &["tags", "tags_all.Owner"], Low, "tags_only"),
        (Changed, "aws_iam_role", &["tags", "path"], Critical, "identity"),
        (Missing, "azurerm_role_assignment", &[], Critical, "identity"),
        (Changed, "google_project_iam_member", &["role"], Critical, "identity"),
        (Changed, "google_compute_instance", &["labels.env"], Low, "tags_only"),
        (Changed, "aws_kms_key", &["policy"], High, "keys_and_secrets"),
        (Changed, "aws_iam_access_key", &["status"], High, "keys_and_secrets"),
        (Changed, "azurerm_key_vault_secret", &[], High, "keys_and_secrets"),
        (Changed, "aws_security_group", &["ingress"], High, "network_exposure"),
        (Missing, "aws_security_group", &[], High, "network_exposure"),
        (Changed, "azurerm_network_security_rule", &["x"], High, "network_exposure"),
        (Changed, "google_compute_firewall", &["allow"], High, "network_exposure"),
        (Changed, "aws_s3_bucket_public_access_block", &["x"], Critical, "public_access"),
        (Changed, "google_storage_bucket_iam_member", &["x"], Critical, "public_access"),
        (Changed, "aws_db_instance", &["publicly_accessible"], Critical, "public_access_attribute"),
        (
            Changed,
            "azurerm_storage_account",
            &["public_network_access_enabled"],
            Critical,
            "public_access_attribute",
        ),
        (Missing, "aws_instance", &[], High, "deleted_outside"),
        (Extra, "aws_iam_user", &[], High, "unmanaged_sensitive"),
        (Extra, "aws_sqs_queue", &[], Medium, "unmanaged"),
    ] {
        let grade = Rules::default().grade(&drift(drift_type, resource_type, attributes));
        let expected = Grade { level: Some(level), rule: RuleRef::Builtin(id) };
        assert_eq!(grade, expected, "{drift_type} {resource_type} {attributes:?}");
    }
    let plain = Rules::default().grade(&drift(Changed, "aws_instance", &["ami"]));
    assert_eq!(plain, Grade { level: Some(Medium), rule: RuleRef::Default });
    let unknown = Rules::default().grade(&drift(Changed, "aws_instance", &[]));
    assert_eq!(unknown.rule, RuleRef::Default);
}

#[test]
fn every_built_in_rule_has_its_own_id_and_sound_patterns() {
    for (n, rule) in BUILTIN.iter().enumerate() {
        assert!(BUILTIN[..n].iter().all(|other| other.id != rule.id), "{}", rule.id);
        let lists = [rule.when.any_attribute, rule.when.every_attribute];
        let globs = rule.when.resource_types.iter().chain(&lists).copied().flatten();
        assert!(globs.copied().all(|glob| Pattern::new(glob).is_ok()), "{}", rule.id);
    }
}

#[test]
fn an_organisation_s_rules_come_first_in_their_order() {
    let low = CustomLevel::Risk(RiskLevel::Low);
    let disabled = CustomRule { enabled: false, ..rule(1, "*", low) };
    let narrow = CustomRule {
        attribute_pattern: Some("ingress*".to_owned()),
        drift_type: Some(DriftType::Changed),
        ..rule(2, "aws_security_group", CustomLevel::Ignore)
    };
    let rules =
        Rules::compile(vec![disabled, narrow, rule(3, "module.m.aws_security_*", low)]).unwrap();
    let grade = |drift_type, attributes| {
        let grade = rules.grade(&drift(drift_type, "aws_security_group", attributes));
        let RuleRef::Custom(RuleId(id)) = grade.rule else { panic!("a custom rule decides") };
        (grade.level, id.as_u128())
    };
    assert_eq!(grade(DriftType::Changed, &["ingress"]), (None, 2));
    assert_eq!(grade(DriftType::Changed, &["egress"]), (Some(RiskLevel::Low), 3));
    assert_eq!(grade(DriftType::Missing, &[]), (Some(RiskLevel::Low), 3));
}

#[test]
fn bad_patterns_are_refused_by_field_also_in_disabled_rules() {
    let bad = CustomRule { enabled: false, ..rule(1, " ", CustomLevel::Ignore) };
    let error = Rules::compile(vec![bad]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "resource_pattern of a custom rule is empty; use * to match everything"
    );
    let bad = CustomRule {
        attribute_pattern: Some("x".repeat(513)),
        ..rule(1, "*", CustomLevel::Ignore)
    };
    assert_eq!(Rules::compile(vec![bad]).unwrap_err().field, "attribute_pattern");
}

#[test]
fn brackets_and_braces_are_ordinary() {
    let matches = |pattern: &str, name: &str| Pattern::new(pattern).unwrap().matches(name);
    for (pattern, name, expected) in [
        ("aws_iam_user.u[\"a\"]", "aws_iam_user.u[\"a\"]", true),
        ("aws_iam_user.u[\"a\"]", "aws_iam_user.ua", false),
        ("*", "", true),
        ("?", "", false),
        ("?", "é", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-b-b", false),
        ("*.tags", "root[].tags", true),
        ("{a,b}", "a", false),
        ("AWS_*", "aws_vpc", false),
        ("a**", "a", true),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
    }
}

#[test]
fn a_level_reads_back_as_written() {
    for word in ["critical", "high", "medium", "low", "ignore"] {
        assert_eq!(word.parse::<CustomLevel>().unwrap().as_str(), word);
    }
    assert!("none".parse::<CustomLevel>().is_err());
}

/// The plain recursive meaning of a glob.
fn naive(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            naive(rest, name) || !name.is_empty() && naive(pattern, &name[1..])
        }
        (['?', rest @ ..], [_, name @ ..]) => naive(rest, name),
        ([p, rest @ ..], [n, name @ ..]) => p == n && naive(rest, name),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..Default::default() })]

    #[test]
    fn matching_means_what_globs_mean(pattern in "[ab*?]{1,8}", name in "[ab]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = naive(&chars(&pattern), &chars(&name));
        prop_assert_eq!(Pattern::new(&pattern).unwrap().matches(&name), expected);
    }
}
