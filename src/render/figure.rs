//! The figures of a pack as text, each beside its definition: the same in the PDF and in `index.html`.

use evidence::definition::{self, Definition};
use evidence::pack::{Coverage, Summary};

use crate::format::{self, NONE};

/// A figure or a word, what it is in this pack, and what it means.
pub(crate) struct Figure {
    pub(crate) definition: Definition,
    /// Absent where a word is explained, or where the figure is a table.
    pub(crate) value: Option<String>,
    /// What the value is a part of.
    pub(crate) parts: String,
}

pub(crate) fn all(summary: &Summary) -> Vec<Figure> {
    let figure = |definition: Definition| {
        let (value, parts) = shown(definition.name, summary).unzip();
        Figure { definition, value, parts: parts.unwrap_or_default() }
    };
    definition::all().into_iter().map(figure).collect()
}

/// Whether nothing was looked at: then no count of what is open says anything.
pub(crate) fn is_blind(summary: &Summary) -> bool {
    summary.headline.scans_done == 0
}

/// What was open at the end; a dash where nobody looked and nothing is known from before.
pub(crate) fn open_at_end(summary: &Summary) -> String {
    match summary.headline.roll_forward.open_at_end {
        0 if is_blind(summary) => NONE.to_owned(),
        open => format::count(open),
    }
}

/// The value of a definition, and its parts.
fn shown(name: &str, summary: &Summary) -> Option<(String, String)> {
    let headline = &summary.headline;
    let (roll, times) = (&headline.roll_forward, &headline.hours_to_resolve);
    let ratio = |ratio| (format::percent(ratio), format::parts(ratio));
    let shown = match name {
        "Scope coverage" => ratio(headline.scope_coverage),
        "Cadence" => ratio(headline.cadence),
        "Gap" => (
            format::hours(headline.longest_gap_hours),
            format!("the longest of {}", format::count(summary.gaps_total)),
        ),
        "Managed" => of_last_month(summary, |month| month.iac)?,
        "Drifted" => of_last_month(summary, |month| month.drift)?,
        "Finding" => (
            format::count(headline.findings_in_period),
            format!("from {} scans", format::count(scans(summary))),
        ),
        "Open at start, open at end" => (
            open_at_end(summary),
            format!(
                "{} + {} + {} − {} − {} − {}",
                format::count(roll.open_at_start),
                format::count(roll.opened),
                format::count(roll.reopened),
                format::count(roll.resolved),
                format::count(roll.accepted),
                format::count(roll.false_positive)
            ),
        ),
        "Closed" => (
            format::count(roll.resolved + roll.accepted + roll.false_positive),
            format!(
                "{} resolved, {} accepted, {} false positive",
                format::count(roll.resolved),
                format::count(roll.accepted),
                format::count(roll.false_positive)
            ),
        ),
        "Time to resolve" => (
            format::hours(times.mean),
            format!("mean of {}; {} open", format::count(times.count), open_at_end(summary)),
        ),
        "Median, 90th percentile" => (
            format!("{}, {}", format::hours(times.median), format::hours(times.p90)),
            format!("of {} resolutions", format::count(times.count)),
        ),
        "Within target" => within(summary),
        "Age" => {
            (format::hours(oldest(summary)), format!("the oldest of {} open", open_at_end(summary)))
        }
        "Set aside" => set_aside(summary),
        _ => return None,
    };
    Some(shown)
}

fn within(summary: &Summary) -> (String, String) {
    let within = summary.headline.within_sla;
    let not_due = format::count(not_due(summary));
    (format::percent(within), format!("{}; {not_due} open and not due", format::parts(within)))
}

/// Open findings whose time is not up.
pub(crate) fn not_due(summary: &Summary) -> u64 {
    let overdue: u64 = summary.sla.iter().map(|level| level.overdue_open).sum();
    summary.headline.roll_forward.open_at_end.saturating_sub(overdue)
}

pub(crate) fn scans(summary: &Summary) -> u64 {
    let headline = &summary.headline;
    headline.scans_done + headline.scans_partial + headline.scans_failed
}

fn set_aside(summary: &Summary) -> (String, String) {
    let aside = &summary.exceptions;
    let by_rule = aside.noise_resources + aside.ignored_by_custom_rules;
    let by_person = aside.accepted_risks + aside.false_positives;
    let parts =
        format!("{} by rules, {} by people", format::count(by_rule), format::count(by_person));
    (format::count(by_rule + by_person), parts)
}

fn oldest(summary: &Summary) -> Option<f64> {
    summary.sla.iter().filter_map(|level| level.oldest_open_hours).reduce(f64::max)
}

fn of_last_month(
    summary: &Summary,
    ratio: fn(&Coverage) -> evidence::metrics::Ratio,
) -> Option<(String, String)> {
    let month = summary.coverage.last()?;
    let ratio = ratio(month);
    Some((format::percent(ratio), format!("{} in {}", format::parts(ratio), month.month)))
}
