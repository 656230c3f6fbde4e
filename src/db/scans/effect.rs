//! What a scan does to the findings of its source: pure, before anything is written.

use std::collections::{BTreeMap, HashSet};

use evidence::finding::{EventKind, Scan as Moment, Seen, Status, on_not_seen, on_seen};
use evidence::ids;
use evidence::risk::{Grade, RuleRef};
use evidence::scan::{Drift, DriftType, Observation, ScanStatus};
use uuid::Uuid;

use super::hidden::Clean;
use super::moves::after_moves;
use super::{Ingested, Scan};
use crate::findings::store::{Fresh, State, Stored};
use crate::rules::Compiled;

/// What is to be written. Numbers of fresh findings are still to be given.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) fresh: Vec<Fresh>,
    pub(super) changed: Vec<State>,
    /// Findings that were seen and did not change.
    pub(super) glimpsed: Vec<Uuid>,
    /// Numbers of those of them of which history does not tell it.
    pub(super) sighted: Vec<i64>,
    /// Drifts that a custom rule keeps from being findings.
    pub(super) hidden: Vec<Key>,
    suppressed: BTreeMap<(&'static str, String), Sum>,
}

/// How much a rule kept from being findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Of a custom rule.
    pub(super) rule_version: Option<i32>,
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

/// The identity of a finding within its source and tool family: address and type of drift.
pub(super) type Key = (String, DriftType);

impl Effect {
    pub(super) fn new(
        observation: &Observation,
        rules: &Compiled,
        stored: Vec<Stored>,
        clean: &Clean,
        scan: Moment,
    ) -> Self {
        let mut effect = Self::default();
        for noise in &observation.noise {
            effect.suppress("noise", noise.rule.to_owned(), None, noise.attributes.len());
        }
        let known = after_moves(stored, &observation.moves);
        let mut unseen: HashSet<&Key> = known.keys().collect();
        for drift in &observation.drifts {
            let key = (drift.address.clone(), drift.drift_type);
            unseen.remove(&key);
            let stored = known.get(&key);
            let grade = grade(rules, drift, stored);
            if let (None, RuleRef::Custom(rule)) = (grade.level, grade.rule) {
                let (version, attributes) = (rules.version(rule), drift.changed_attributes.len());
                effect.suppress("ignored", rule.to_string(), version, attributes);
                if stored.is_none_or(|stored| stored.current.status == Status::Resolved) {
                    effect.hidden.push(key.clone());
                }
            }
            effect.see(drift, grade, stored, (clean, scan));
        }
        let mut unseen: Vec<_> = unseen.into_iter().collect();
        unseen.sort();
        for key in unseen {
            let stored = &known[key];
            let how = observation.standing.resolution(&key.0, key.1);
            if let Some(event) = on_not_seen(&stored.current, scan, &key.0, how) {
                effect.changed.push(State::next(stored, event, None));
            }
        }
        effect
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

    fn see(
        &mut self,
        drift: &Drift,
        grade: Grade,
        stored: Option<&Stored>,
        (clean, scan): (&Clean, Moment),
    ) {
        let seen = Seen {
            address: &drift.address,
            changed_attributes: &drift.changed_attributes,
            level: grade.level,
        };
        let event = on_seen(stored.map(|stored| &stored.current), scan, seen);
        let before = || clean.before(&(drift.address.clone(), drift.drift_type));
        match (stored, event) {
            (None, Some(event)) => self.fresh.push(Fresh {
                state: State::first(ids::v7(scan.observed_at, rand::random()), event)
                    .opened_after(before()),
                resource_type: drift.resource_type.clone(),
                resource_name: drift.resource_name.clone(),
                provider: drift.provider.clone(),
                drift_type: drift.drift_type,
                risk_rule: rule_name(grade.rule),
            }),
            (Some(stored), Some(event)) => {
                let state = State::next(stored, event, None).seen();
                let opens = state.kind() == EventKind::Reopened;
                self.changed.push(if opens { state.opened_after(before()) } else { state });
            }
            (Some(stored), None) if !scan.late && scan.status != ScanStatus::Failed => {
                self.glimpsed.push(stored.id);
                if !is_implied(stored, scan) {
                    self.sighted.push(stored.number);
                }
            }
            (_, None) => {}
        }
    }

    fn suppress(
        &mut self,
        kind: &'static str,
        rule: String,
        rule_version: Option<i32>,
        attributes: usize,
    ) {
        let sum = self.suppressed.entry((kind, rule)).or_default();
        sum.rule_version = rule_version;
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

/// Graded by the names that are known where the tool does not tell them: silence about them is no
/// better news.
fn grade(rules: &Compiled, drift: &Drift, stored: Option<&Stored>) -> Grade {
    let untold = drift.drift_type == DriftType::Changed && drift.changed_attributes.is_empty();
    match stored {
        Some(stored) if untold => {
            let changed_attributes = stored.current.changed_attributes.clone();
            rules.grade(&Drift { changed_attributes, ..drift.clone() })
        }
        _ => rules.grade(drift),
    }
}

/// A complete scan has seen every finding that stays open after it; that needs no writing down.
fn is_implied(stored: &Stored, scan: Moment) -> bool {
    scan.status == ScanStatus::Done
        && stored.current.status == Status::Open
        && scan.observed_at > stored.current.occurred_at
}

fn rule_name(rule: RuleRef) -> String {
    match rule {
        RuleRef::Builtin(id) => format!("builtin:{id}"),
        RuleRef::Custom(id) => format!("custom:{id}"),
        RuleRef::Default => "default".to_owned(),
    }
}
