//! How bad a drift is: the organisation's own rules first, then the built-in table, then `medium`.
//! Within each list the first rule that matches decides.
//!
//! Grading is pure: the same rules and the same drift give the same grade, on every machine.

mod builtin;
mod pattern;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use builtin::{BUILTIN, Builtin, When};
pub use pattern::Pattern;

use crate::ids::RuleId;
use crate::scan::{Drift, DriftType};
use crate::text::words;

words! {
    /// The most severe first.
    pub enum RiskLevel as "risk level" {
        Critical = "critical",
        High = "high",
        Medium = "medium",
        Low = "low",
    }
}

/// What a custom rule says: a level, or that the drift is not to become a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CustomLevel {
    Risk(RiskLevel),
    /// No finding, but counted in `exceptions.csv`.
    Ignore,
}

/// A rule of an organisation, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRule {
    pub id: RuleId,
    pub name: String,
    /// A [`Pattern`] on the address or the type of the resource.
    pub resource_pattern: String,
    /// A [`Pattern`] that one of the changed attributes must match.
    pub attribute_pattern: Option<String>,
    pub drift_type: Option<DriftType>,
    pub level: CustomLevel,
    pub reason: String,
    pub enabled: bool,
}

/// Which rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleRef {
    Builtin(&'static str),
    Custom(RuleId),
    /// None matched: `medium`.
    Default,
}

/// The level of a drift and the rule that gave it; no level: ignored by a custom rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grade {
    pub level: Option<RiskLevel>,
    pub rule: RuleRef,
}

/// Why a custom rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} of a custom rule {fault}")]
pub struct Error {
    pub rule: RuleId,
    /// `resource_pattern` or `attribute_pattern`.
    pub field: &'static str,
    pub fault: &'static str,
}

/// The rules of one organisation, ready to grade.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    custom: Vec<Compiled>,
}

#[derive(Debug, Clone)]
struct Compiled {
    id: RuleId,
    resource: Pattern,
    attribute: Option<Pattern>,
    drift_type: Option<DriftType>,
    level: CustomLevel,
}

impl Rules {
    /// Takes the rules in the order in which they are to be asked; disabled ones are checked, then
    /// left out.
    pub fn compile(rules: Vec<CustomRule>) -> Result<Self, Error> {
        let mut custom = Vec::new();
        for rule in rules {
            let refuse = |field| move |fault| Error { rule: rule.id, field, fault };
            let resource =
                Pattern::new(&rule.resource_pattern).map_err(refuse("resource_pattern"))?;
            let attribute = rule
                .attribute_pattern
                .as_deref()
                .map(Pattern::new)
                .transpose()
                .map_err(refuse("attribute_pattern"))?;
            if rule.enabled {
                let (id, drift_type, level) = (rule.id, rule.drift_type, rule.level);
                custom.push(Compiled { id, resource, attribute, drift_type, level });
            }
        }
        Ok(Self { custom })
    }

    pub fn grade(&self, drift: &Drift) -> Grade {
        if let Some(rule) = self.custom.iter().find(|rule| rule.matches(drift)) {
            let level = match rule.level {
                CustomLevel::Risk(level) => Some(level),
                CustomLevel::Ignore => None,
            };
            return Grade { level, rule: RuleRef::Custom(rule.id) };
        }
        match builtin::find(drift) {
            Some(rule) => Grade { level: Some(rule.level), rule: RuleRef::Builtin(rule.id) },
            None => Grade { level: Some(RiskLevel::Medium), rule: RuleRef::Default },
        }
    }
}

impl Compiled {
    fn matches(&self, drift: &Drift) -> bool {
        self.drift_type.is_none_or(|wanted| wanted == drift.drift_type)
            && (self.resource.matches(&drift.address)
                || self.resource.matches(&drift.resource_type))
            && self.attribute.as_ref().is_none_or(|pattern| {
                drift.changed_attributes.iter().any(|name| pattern.matches(name))
            })
    }
}

impl CustomLevel {
    /// `critical`, `high`, `medium`, `low` or `ignore`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Risk(level) => level.as_str(),
            Self::Ignore => "ignore",
        }
    }
}

impl std::fmt::Display for CustomLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for CustomLevel {
    type Err = crate::Unknown;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "ignore" => Ok(Self::Ignore),
            _ => word.parse().map(Self::Risk).map_err(|_| crate::Unknown {
                what: "rule level",
                expected: "critical, high, medium, low, ignore",
            }),
        }
    }
}

impl Serialize for CustomLevel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for CustomLevel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}
