//! What a pack says of history that retention had removed before it was made: in words, among what it leaves out.

use bundle::provenance::Exclusion;
use evidence::time::{Time, stamp};

use super::collect::Notes;

/// What the pack leaves out or sets aside; what is gone stands first.
pub(super) fn exclusions(notes: &Notes) -> Vec<Exclusion> {
    let removed = notes.retained.map(|retained| {
        let what = format!("History from before {}", stamp(retained.kept_from));
        let why = if reaches_into(notes).is_some() {
            "It was removed by retention, and this period begins before it: what is told of that time is what happens to be left, and a zero there does not mean that there was nothing."
        } else {
            "It was removed by retention. Nothing of this period is missing, and the numbers of the findings that went are no gaps."
        };
        let count = Some(retained.scans + retained.findings);
        Exclusion { count, ..Exclusion::new(&what, why) }
    });
    removed.into_iter().chain(Exclusion::of(&notes.summary)).collect()
}

/// From when on history is whole, where the period begins before that.
pub(super) fn reaches_into(notes: &Notes) -> Option<Time> {
    let kept_from = notes.retained?.kept_from;
    (kept_from > notes.summary.period.start).then_some(kept_from)
}
