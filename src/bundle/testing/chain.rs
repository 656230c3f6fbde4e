//! The audit chain of the story, and its attestation.

use evidence::chain::{
    Action, Actor, CANONICAL_VERSION, ChainId, Draft, Outcome, Sealed, Status, seal,
};
use evidence::ids::{ExportId, OrgId, UserId};
use evidence::time::Time;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::at;
use crate::attestation::{Attestation, PeriodRange, Position, SCHEMA};

pub const ORG: OrgId = OrgId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
pub(super) const OWNER: UserId = UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
/// The pack that is being built.
pub const EXPORT: ExportId = ExportId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003));

/// All entries, the first at index 0.
pub struct Chain(pub Vec<Sealed>);

impl Chain {
    /// The entries of the period.
    pub fn of_period(&self) -> impl Iterator<Item = &Sealed> {
        let period = super::period();
        self.0.iter().filter(move |entry| period.contains(entry.created_at))
    }

    pub fn hash_hex(&self, seq: i64) -> String {
        let entry = self.0.iter().find(|entry| entry.seq == seq);
        hex::encode(entry.expect("the chain has the entry").hash)
    }
}

/// The story, entry by entry.
pub fn chain() -> Chain {
    told("first")
}

/// The story as somebody tells it who wants the first scan forgotten: all entries from the fourth on are others.
pub fn rewritten() -> Chain {
    told("nothing to see")
}

fn told(first_scan: &str) -> Chain {
    let story: [(Action, Time, &str); 12] = [
        (Action::OrgCreated, at(1, 1, 0) - chrono::Duration::days(30), "acme"),
        (Action::MemberAdded, at(1, 1, 0) - chrono::Duration::days(29), "owner"),
        (Action::StateSourceCreated, at(1, 1, 0) - chrono::Duration::days(28), "prod"),
        (Action::ScanIngested, at(1, 10, 6), first_scan),
        (Action::ScanIngested, at(2, 10, 6), "second"),
        (
            Action::FindingResolutionChanged,
            at(2, 11, 9),
            "accepted: reviewed «ünïcode» \n two lines",
        ),
        (Action::ScanIngested, at(3, 10, 6), "third"),
        (Action::CustomRuleCreated, at(3, 11, 12), "iam"),
        (Action::ApiKeyCreated, at(4, 2, 8), "ci"),
        (Action::AuditLogVerified, at(4, 2, 9), "scheduled"),
        (Action::AuditExportRequested, at(4, 3, 10), "this pack"),
        (Action::ScanIngested, at(4, 3, 11), "fourth"),
    ];
    let mut entries: Vec<Sealed> = Vec::new();
    for (position, (action, created_at, what)) in story.into_iter().enumerate() {
        let seq = i64::try_from(position).expect("twelve") + 1;
        let detail: Map<String, Value> =
            [("what".to_owned(), Value::from(what))].into_iter().collect();
        let draft = Draft {
            id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0001_0000 + position as u128),
            actor: Actor::user(OWNER),
            action,
            detail,
            origin: format!("request-{seq}"),
            outcome: Outcome::Success,
        };
        let previous = entries.last().map(|entry| entry.hash);
        let sealed = seal(draft, ChainId::Org(ORG), seq, created_at, previous);
        entries.push(sealed.expect("the story obeys the chain"));
    }
    Chain(entries)
}

/// The attestation of the story, not signed.
pub fn attestation() -> Attestation {
    let chain = chain();
    let head = chain.0.last().expect("twelve entries");
    let seqs: Vec<_> = chain.of_period().map(|entry| entry.seq).collect();
    Attestation {
        schema: SCHEMA.to_owned(),
        chain: ChainId::Org(ORG).to_string(),
        canonical_version: CANONICAL_VERSION.to_owned(),
        verified_at: at(4, 3, 12),
        status: Status::Ok,
        checked: 12,
        head_seq: head.seq,
        head_hash_hex: hex::encode(head.hash),
        genesis_hash_hex: chain.hash_hex(1),
        period: PeriodRange { first_seq: seqs.first().copied(), last_seq: seqs.last().copied() },
        requested: Position { seq: 11, hash_hex: chain.hash_hex(11) },
        previous_attestations: Vec::new(),
        verify_url: format!(
            "https://driftpack.example/api/v2/orgs/{ORG}/audit-log/verify?at_seq={}",
            head.seq
        ),
        signature: None,
    }
}
