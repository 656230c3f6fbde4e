//! Enums of the domain as words of the document: each lists its words, and reads them exactly.

use poem_openapi::Enum;

/// An enum of the document with the same words as one of the domain; a test holds them together.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident = $domain:ty { $($variant:ident),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        #[oai(rename_all = "snake_case")]
        pub(crate) enum $name { $($variant),+ }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $domain {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    )+

        #[cfg(test)]
        mod tests {
            use poem_openapi::types::ToJSON as _;

            #[test]
            fn every_word_is_spelled_as_in_the_domain() {
                $(for value in <$domain>::ALL.iter().copied() {
                    let word = super::$name::from(value);
                    assert_eq!(word.to_json(), Some(value.as_str().into()));
                    assert_eq!(<$domain>::from(word), value);
                })+
            }
        }
    };
}

words! {
    /// `pending → running → done → expired`, or `failed`, or `deleted`.
    ExportStatus = db::exports::Status { Pending, Running, Done, Failed, Expired, Deleted }

    /// How much a scan could see: everything in its scope, some of it, nothing.
    ScanStatus = evidence::scan::ScanStatus { Done, Partial, Failed }

    /// How the infrastructure differs from what Terraform recorded.
    DriftType = evidence::scan::DriftType { Missing, Extra, Changed }

    /// How much a drift matters.
    RiskLevel = evidence::risk::RiskLevel { Critical, High, Medium, Low }

    /// Where a finding stands.
    FindingStatus = evidence::finding::Status { Open, Resolved, Accepted, FalsePositive }

    /// How a finding was closed.
    FindingResolution = evidence::finding::Resolution {
        NoLongerObserved, Reverted, Codified, AcceptedRisk, FalsePositive
    }

    /// What happened to a finding.
    FindingEventKind = evidence::finding::EventKind {
        Detected, Updated, Regraded, Moved, Resolved, Reopened, Accepted, FalsePositive
    }

    /// What a member may do.
    MemberRole = evidence::org::Role { Owner, Admin, Member, Viewer }

    /// What the organisation has bought.
    OrgPlan = evidence::org::Plan { Free, Team, Enterprise }

    /// Where an invitation stands.
    InvitationStatus = evidence::org::InvitationStatus { Pending, Accepted, Revoked, Expired }

    /// Where a Terraform state lies.
    SourceKind = evidence::scan::SourceKind { S3, Gcs, AzureBlob, Tfc, Local, Upload }

    /// What an API key may do.
    KeyScope = evidence::org::Scope { Read, Write }

    /// Where a run stands.
    WorkflowRunState = engine::RunState {
        Queued, Running, Waiting, Paused, Succeeded, Failed, Cancelled
    }

    /// What verification found.
    VerificationStatus = evidence::chain::Status { Ok, Broken, Truncated, Empty }

    /// What is wrong with an entry.
    FaultKind = evidence::chain::BadKind { Content, Link, Gap, Columns, Head }
}

/// What a custom rule says: a level, or that the drift becomes no finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum CustomRuleLevel {
    Critical,
    High,
    Medium,
    Low,
    /// No finding, but counted in `exceptions.csv`.
    Ignore,
}

impl From<CustomRuleLevel> for evidence::risk::CustomLevel {
    fn from(level: CustomRuleLevel) -> Self {
        use evidence::risk::RiskLevel;
        match level {
            CustomRuleLevel::Critical => Self::Risk(RiskLevel::Critical),
            CustomRuleLevel::High => Self::Risk(RiskLevel::High),
            CustomRuleLevel::Medium => Self::Risk(RiskLevel::Medium),
            CustomRuleLevel::Low => Self::Risk(RiskLevel::Low),
            CustomRuleLevel::Ignore => Self::Ignore,
        }
    }
}

impl From<evidence::risk::CustomLevel> for CustomRuleLevel {
    fn from(level: evidence::risk::CustomLevel) -> Self {
        use evidence::risk::{CustomLevel, RiskLevel};
        match level {
            CustomLevel::Risk(RiskLevel::Critical) => Self::Critical,
            CustomLevel::Risk(RiskLevel::High) => Self::High,
            CustomLevel::Risk(RiskLevel::Medium) => Self::Medium,
            CustomLevel::Risk(RiskLevel::Low) => Self::Low,
            CustomLevel::Ignore => Self::Ignore,
        }
    }
}

/// What a person decides about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Decision {
    /// The risk is accepted: open → accepted.
    AcceptedRisk,
    /// It is none: open → false positive.
    FalsePositive,
    /// Back to open.
    Reopen,
}

impl From<Decision> for evidence::finding::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::AcceptedRisk => Self::Accept,
            Decision::FalsePositive => Self::FalsePositive,
            Decision::Reopen => Self::Reopen,
        }
    }
}

/// How an attempt or a run failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WorkflowFailureKind {
    /// Trying again can help.
    Transient,
    /// Trying again cannot help.
    Permanent,
    /// The code panicked.
    Panicked,
    /// The attempt took longer than it may.
    TimedOut,
    /// The worker died.
    WorkerLost,
    /// The code asked for something that the run's record contradicts.
    Nondeterministic,
    /// The input does not parse.
    Input,
}

impl From<engine::FailureKind> for WorkflowFailureKind {
    fn from(kind: engine::FailureKind) -> Self {
        match kind {
            engine::FailureKind::Transient => Self::Transient,
            engine::FailureKind::Permanent => Self::Permanent,
            engine::FailureKind::Panicked => Self::Panicked,
            engine::FailureKind::TimedOut => Self::TimedOut,
            engine::FailureKind::WorkerLost => Self::WorkerLost,
            engine::FailureKind::Nondeterministic => Self::Nondeterministic,
            engine::FailureKind::Input => Self::Input,
        }
    }
}
