//! Gathering what a scan saw: one entry per address and type of drift, bounded, counted.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, DRIFTS_MAX, Error, diff, textual};
use crate::scan::{
    Drift, DriftType, Format, Move, Noise, Observation, ScanStatus, Standing, Warning,
};

/// Everything found so far.
#[derive(Default)]
pub(super) struct Collected {
    drifts: BTreeMap<(String, DriftType), Drift>,
    moves: BTreeSet<(String, String)>,
    noise: BTreeMap<String, BTreeSet<String>>,
    /// How often each warning was met.
    warnings: BTreeMap<&'static str, u64>,
    /// Why the scan is not complete.
    reasons: Vec<String>,
}

/// The words for each warning, after its count.
const WARNINGS: &[(&str, &str)] = &[
    ("data_sources_ignored", "data sources differ; they are not infrastructure and are left out"),
    ("duplicate_resources", "resources are listed more than once and were merged"),
    ("unchanged_resources", "resources are listed as drifted without any difference"),
    ("unknown_actions", "resources have an action that is read as a change"),
    ("unreadable_lines", "lines are not messages and were passed over"),
];

impl Collected {
    pub(super) fn drift(&mut self, drift: Drift) -> Result<(), Error> {
        let key = (drift.address.clone(), drift.drift_type);
        if let Some(known) = self.drifts.get_mut(&key) {
            let names = known.changed_attributes.drain(..).chain(drift.changed_attributes);
            known.changed_attributes = diff::bounded(names.collect());
            self.warn("duplicate_resources");
            return Ok(());
        }
        if self.drifts.len() >= DRIFTS_MAX {
            return Err(Error::new(
                Code::TooManyResources,
                format!("more than {DRIFTS_MAX} resources drifted; split the state"),
            ));
        }
        self.drifts.insert(key, drift);
        Ok(())
    }

    pub(super) fn moved(&mut self, from: String, to: String) {
        if from != to {
            self.moves.insert((from, to));
        }
    }

    pub(super) fn noise(&mut self, address: &str, attributes: Vec<String>) {
        if !attributes.is_empty() {
            self.noise.entry(address.to_owned()).or_default().extend(attributes);
        }
    }

    pub(super) fn warn(&mut self, code: &'static str) {
        *self.warnings.entry(code).or_default() += 1;
    }

    pub(super) fn incomplete(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drifts.is_empty() && self.moves.is_empty() && self.noise.is_empty()
    }

    /// The observation, without what only the format knows. `saw_something`: an incomplete scan is
    /// `partial` if it did, `failed` if not.
    pub(super) fn observation(
        self,
        format: Format,
        tool: &'static str,
        saw_something: bool,
    ) -> Observation {
        let status = match (self.reasons.is_empty(), saw_something) {
            (true, _) => ScanStatus::Done,
            (false, true) => ScanStatus::Partial,
            (false, false) => ScanStatus::Failed,
        };
        Observation {
            format,
            tool,
            tool_version: None,
            observed_at: None,
            status,
            error: (!self.reasons.is_empty()).then(|| textual::reasons(&self.reasons)),
            drift_reported: true,
            resources_total: None,
            resources_managed: None,
            drifts: self.drifts.into_values().collect(),
            moves: self.moves.into_iter().map(|(from, to)| Move { from, to }).collect(),
            noise: self.noise.into_iter().map(noise).collect(),
            warnings: self.warnings.into_iter().map(warning).collect(),
            serial: None,
            lineage: None,
            standing: Standing::default(),
        }
    }
}

fn noise((address, attributes): (String, BTreeSet<String>)) -> Noise {
    let attributes = diff::bounded(attributes);
    Noise { rule: diff::NULL_EMPTY_EQUIVALENCE, address, attributes }
}

fn warning((code, count): (&'static str, u64)) -> Warning {
    let words = WARNINGS.iter().find(|(known, _)| *known == code).map_or("", |(_, words)| words);
    Warning { code, message: format!("{count} {words}") }
}
