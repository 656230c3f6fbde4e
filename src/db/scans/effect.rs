//! What a scan does to the findings of its source: pure, before anything is written.

use std::collections::{BTreeMap, HashMap, HashSet};

use evidence::finding::{EventKind, Scan as Moment, Seen, on_not_seen, on_seen};
use evidence::ids;
use evidence::risk::{Grade, RuleRef, Rules};
use evidence::scan::{Drift, DriftType, Move, Observation, ScanStatus};
use evidence::time::Time;

use super::{Ingested, Scan};
use crate::findings::store::{Fresh, Glimpse, State, Stored};

/// What is to be written. Numbers of fresh findings are still to be given.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) fresh: Vec<Fresh>,
    pub(super) changed: Vec<State>,
    pub(super) glimpsed: Vec<Glimpse>,
    suppressed: BTreeMap<(&'static str, String), Sum>,
}

/// How much a rule kept from being findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) resources: u64,
    pub(super) attributes: u64,
}

/// How many findings went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) opened: u64,
    pub(super) reopened: u64,
    pub(super) updated: u64,
    pub(super) moved: u64,
    pub(super) resolved: u64,
}

/// The identity of a finding within its source.
type Key = (String, DriftType);

impl Effect {
    pub(super) fn new(
        observation: &Observation,
        rules: &Rules,
        stored: Vec<Stored>,
        scan: Moment,
    ) -> Self {
        let mut effect = Self::default();
        for noise in &observation.noise {
            effect.suppress("noise", noise.rule.to_owned(), noise.attributes.len());
        }
        let known = after_moves(stored, &observation.moves);
        let mut unseen: HashSet<&Key> = known.keys().collect();
        for drift in &observation.drifts {
            let grade = rules.grade(drift);
            if let (None, RuleRef::Custom(rule)) = (grade.level, grade.rule) {
                effect.suppress("ignored", rule.to_string(), drift.changed_attributes.len());
            }
            let key = (drift.address.clone(), drift.drift_type);
            unseen.remove(&key);
            effect.see(drift, grade, known.get(&key), scan);
        }
        let mut unseen: Vec<_> = unseen.into_iter().collect();
        unseen.sort();
        for key in unseen {
            let stored = &known[key];
            if let Some(event) = on_not_seen(&stored.current, scan, &key.0) {
                effect.changed.push(State::next(stored, event, None));
            }
        }
        effect
    }

    /// The time of the latest complete scan before this one.
    pub(super) fn after(mut self, newest_done_at: Option<Time>) -> Self {
        for fresh in &mut self.fresh {
            fresh.state.opened_after(newest_done_at);
        }
        for state in &mut self.changed {
            if state.kind() == EventKind::Reopened {
                state.opened_after(newest_done_at);
            }
        }
        self
    }

    pub(super) fn suppressed(&self) -> impl Iterator<Item = ((&'static str, &str), Sum)> {
        self.suppressed.iter().map(|((kind, rule), sum)| ((*kind, rule.as_str()), *sum))
    }

    /// Drifts that a custom rule keeps from being findings.
    pub(super) fn ignored(&self) -> u64 {
        self.suppressed()
            .filter(|((kind, _), _)| *kind == "ignored")
            .map(|(_, s)| s.resources)
            .sum()
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |kind| self.changed.iter().filter(|state| state.kind() == kind).count() as u64;
        Counts {
            opened: self.fresh.len() as u64,
            reopened: count(EventKind::Reopened),
            updated: count(EventKind::Updated),
            moved: count(EventKind::Moved),
            resolved: count(EventKind::Resolved),
        }
    }

    fn see(&mut self, drift: &Drift, grade: Grade, stored: Option<&Stored>, scan: Moment) {
        let seen = Seen {
            address: &drift.address,
            changed_attributes: &drift.changed_attributes,
            level: grade.level,
        };
        let event = on_seen(stored.map(|stored| &stored.current), scan, seen);
        match (stored, event) {
            (None, Some(event)) => self.fresh.push(Fresh {
                state: State::first(ids::v7(scan.observed_at, rand::random()), event),
                number: 0,
                resource_type: drift.resource_type.clone(),
                resource_name: drift.resource_name.clone(),
                provider: drift.provider.clone(),
                drift_type: drift.drift_type,
                risk_rule: rule_name(grade.rule),
            }),
            (Some(stored), Some(event)) => {
                self.changed.push(State::next(stored, event, None).seen(grade.level));
            }
            (Some(stored), None) if !scan.late && scan.status != ScanStatus::Failed => {
                self.glimpsed.push(Glimpse { id: stored.id, risk_level_now: grade.level });
            }
            (_, None) => {}
        }
    }

    fn suppress(&mut self, kind: &'static str, rule: String, attributes: usize) {
        let sum = self.suppressed.entry((kind, rule)).or_default();
        sum.resources += 1;
        sum.attributes += attributes as u64;
    }
}

impl Counts {
    pub(super) fn of(self, scan: Scan, duplicate: bool) -> Ingested {
        let Self { opened, reopened, updated, moved, resolved } = self;
        Ingested { scan, duplicate, opened, reopened, updated, moved, resolved }
    }
}

/// The findings by the identity that they have after the moves.
///
/// All moves happen at once (two resources may have changed places). Where a move would give a
/// finding the identity of another one that stays, it keeps its own.
fn after_moves(stored: Vec<Stored>, moves: &[Move]) -> HashMap<Key, Stored> {
    let target: HashMap<&str, &str> =
        moves.iter().map(|step| (step.from.as_str(), step.to.as_str())).collect();
    let (moving, staying): (Vec<_>, Vec<_>) = stored
        .into_iter()
        .partition(|finding| target.contains_key(finding.current.address.as_str()));
    let mut known: HashMap<Key, Stored> = HashMap::new();
    for finding in staying {
        let key = (finding.current.address.clone(), finding.current.drift_type);
        known.insert(key, finding);
    }
    // What is blocked keeps its address, and so may block another one in turn.
    let mut moving = moving;
    loop {
        let (free, blocked): (Vec<_>, Vec<_>) = moving.into_iter().partition(|finding| {
            let to = target[finding.current.address.as_str()].to_owned();
            !known.contains_key(&(to, finding.current.drift_type))
        });
        moving = free;
        if blocked.is_empty() {
            break;
        }
        for finding in blocked {
            let key = (finding.current.address.clone(), finding.current.drift_type);
            known.insert(key, finding);
        }
    }
    for finding in moving {
        let from = (finding.current.address.clone(), finding.current.drift_type);
        let to = (target[from.0.as_str()].to_owned(), from.1);
        // Two moves to one address: the first has it.
        let key = if known.contains_key(&to) { from } else { to };
        known.insert(key, finding);
    }
    known
}

fn rule_name(rule: RuleRef) -> String {
    match rule {
        RuleRef::Builtin(id) => format!("builtin:{id}"),
        RuleRef::Custom(id) => format!("custom:{id}"),
        RuleRef::Default => "default".to_owned(),
    }
}
