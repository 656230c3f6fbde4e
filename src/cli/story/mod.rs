//! A story of drift: three months and the days since, as the scans of three state sources.
//!
//! It is what the demo feeds to the service and what tests run on: drift appears, is fixed, comes back; a resource moves;
//! a scan breaks off; nobody scans for a week; two scans stand on either side of midnight at the end of a month; one
//! file arrives late; noise; a secret; names that attack a spreadsheet or a browser.
//!
//! Invariants
//! - The same `now` gives the same bytes.
//! - No scan lies in the future of `now`.
//! - Files have the format that `terraform show -json` writes (`format_version` 1.2).
//! - Secrets in it are all of the shape `never-in-a-pack-…`, so that a search finds a leak.

mod estate;
mod plan;
mod script;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, Days, Months, NaiveTime, TimeDelta, Utc};
use serde_json::Value;

use script::Episode;

/// A state source that the story scans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) location: &'static str,
    pub(crate) interval_hours: u32,
}

/// The state sources of the story.
pub(crate) const SOURCES: [Source; 3] = [
    Source {
        name: "prod",
        kind: "s3",
        location: "s3://acme-terraform/prod/terraform.tfstate",
        interval_hours: 48,
    },
    Source {
        name: "staging",
        kind: "s3",
        location: "s3://acme-terraform/staging/terraform.tfstate",
        interval_hours: 168,
    },
    Source {
        name: "shared",
        kind: "gcs",
        location: "gs://acme-shared/terraform/default.tfstate",
        interval_hours: 168,
    },
];

/// One scan: a file as a person would have uploaded it.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) source: &'static str,
    /// As the plan's `timestamp` says, too.
    pub(crate) observed_at: DateTime<Utc>,
    /// Sorts by time: `prod-20260803T060000Z.json`.
    pub(crate) file_name: String,
    pub(crate) plan: Value,
}

/// What a person decided about a finding of `prod`, once all scans are in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision {
    pub(crate) address: &'static str,
    /// `accepted_risk` or `false_positive`.
    pub(crate) resolution: &'static str,
    pub(crate) reason: &'static str,
}

/// The scans in the order of their upload, and what a person decided.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// The first moment of the first month.
    pub(crate) start: DateTime<Utc>,
    pub(crate) scans: Vec<Scan>,
    pub(crate) decisions: &'static [Decision],
}

impl Story {
    /// The story as it stands at `now`.
    pub(crate) fn until(now: DateTime<Utc>) -> Self {
        let calendar = Calendar::before(now);
        let episodes = script::episodes(&calendar);
        let mut slots = slots(&calendar);
        slots.retain(|slot| slot.observed_at < now);
        let mut scans: Vec<_> = slots.iter().map(|slot| scan(slot, &episodes)).collect();
        deliver_late(&mut scans);
        Self { start: calendar.start, scans, decisions: script::DECISIONS }
    }
}

/// The months of the story.
pub(super) struct Calendar {
    /// The first moment of the third calendar month before the current one.
    start: DateTime<Utc>,
    /// The first moment of the month after.
    second_month: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Calendar {
    fn before(now: DateTime<Utc>) -> Self {
        let first = now.date_naive().with_day(1).expect("every month has a first day");
        let midnight =
            |months_back| (first - Months::new(months_back)).and_time(NaiveTime::MIN).and_utc();
        Self { start: midnight(3), second_month: midnight(2), end: now }
    }

    /// The moment `hour` hours into day `day`, counted from 0.
    fn at(&self, day: u64, hour: i64) -> DateTime<Utc> {
        self.start + Days::new(day) + TimeDelta::hours(hour)
    }
}

/// A moment at which a source is scanned.
struct Slot {
    source: &'static str,
    observed_at: DateTime<Utc>,
    is_partial: bool,
}

/// Days on which nobody scanned `prod`: the runner's credentials had expired.
const GAP: std::ops::Range<u64> = 68..76;

/// The day on which a scan of `prod` broke off half-way.
const BROKEN: u64 = 36;

fn slots(calendar: &Calendar) -> Vec<Slot> {
    let days = (calendar.end - calendar.start).num_days().unsigned_abs();
    let mut slots = Vec::new();
    for source in SOURCES {
        let step = u64::from(source.interval_hours / 24);
        for day in (0..=days).step_by(usize::try_from(step).expect("a few days")) {
            if source.name == "prod" && GAP.contains(&day) {
                continue;
            }
            slots.push(Slot {
                source: source.name,
                observed_at: calendar.at(day, 6),
                is_partial: source.name == "prod" && day == BROKEN,
            });
        }
    }
    for minutes in [-20, 20] {
        slots.push(Slot {
            source: "prod",
            observed_at: calendar.second_month + TimeDelta::minutes(minutes),
            is_partial: false,
        });
    }
    slots.sort_by_key(|slot| (slot.observed_at, slot.source));
    slots
}

fn scan(slot: &Slot, episodes: &[Episode]) -> Scan {
    let seen: Vec<_> = episodes
        .iter()
        .filter(|episode| episode.source == slot.source && episode.is_seen(slot.observed_at))
        .collect();
    let file_name = format!("{}-{}.json", slot.source, slot.observed_at.format("%Y%m%dT%H%M%SZ"));
    Scan {
        source: slot.source,
        observed_at: slot.observed_at,
        file_name,
        plan: plan::write(&estate::of(slot.source), &seen, slot.observed_at, slot.is_partial),
    }
}

/// The fourth scan of `staging` arrives after the fifth: its pipeline had been waiting for approval.
fn deliver_late(scans: &mut Vec<Scan>) {
    let staging: Vec<_> = scans
        .iter()
        .enumerate()
        .filter(|(_, scan)| scan.source == "staging")
        .map(|(index, _)| index)
        .collect();
    if let [_, _, _, fourth, fifth, ..] = staging[..] {
        let late = scans.remove(fourth);
        scans.insert(fifth, late);
    }
}
