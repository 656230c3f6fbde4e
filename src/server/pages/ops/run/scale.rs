//! Where a moment lies on a drawing: straight, but stretches in which nothing was worked on are drawn shorter than they were.
//!
//! A run that failed on Friday and was sent back on Monday would else be two strokes at the edges.

use chrono::TimeDelta;
use engine::Time;

/// A stretch between two moments.
pub(super) type Span = (Time, Time);

/// Idle stretches longer than so many times the drawn length of the longest allowed one are cut.
const CUT_FROM: i64 = 3;

/// Microseconds from the beginning, and where that is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: i64,
    x: f64,
}

/// A straight line between neighbouring points.
#[derive(Debug)]
pub(super) struct Scale {
    begin: Time,
    points: Vec<Point>,
    /// Stretches that are drawn shorter: from, to, and how long they were.
    pub(super) cuts: Vec<(f64, f64, TimeDelta)>,
}

impl Scale {
    /// `span` between `left` and `right`; `busy`: when something was worked on.
    pub(super) fn new(span: Span, busy: &[Span], (left, right): (f64, f64)) -> Self {
        let (begin, whole) = (span.0, micros(span.1 - span.0).max(1));
        let busy = merged(begin, whole, busy);
        let work: i64 = busy.iter().map(|(from, to)| to - from).sum();
        let longest = if work == 0 { whole } else { (work / 4).max(1) };
        let mut pieces = Vec::new();
        let mut at = 0;
        for (from, to) in busy.into_iter().chain([(whole, whole)]) {
            let idle = from - at;
            let is_cut = idle > longest.saturating_mul(CUT_FROM);
            pieces.push((idle, if is_cut { longest } else { idle }));
            pieces.push((to - from, to - from));
            at = to;
        }
        let drawn: i64 = pieces.iter().map(|(_, drawn)| drawn).sum();
        let unit = (right - left) / float(drawn.max(1));
        let mut scale = Self { begin, points: vec![Point { at: 0, x: left }], cuts: vec![] };
        for (long, drawn) in pieces.into_iter().filter(|(long, _)| *long > 0) {
            scale.push(long, float(drawn) * unit, drawn < long);
        }
        scale
    }

    fn push(&mut self, long: i64, width: f64, is_cut: bool) {
        let from = self.points[self.points.len() - 1];
        let to = Point { at: from.at + long, x: from.x + width };
        if is_cut {
            self.cuts.push((from.x, to.x, TimeDelta::microseconds(long)));
        }
        self.points.push(to);
    }

    /// Where a moment is drawn; one outside of the drawing, at its edge.
    pub(super) fn x(&self, at: Time) -> f64 {
        let at = micros(at - self.begin);
        let after = self.points.partition_point(|point| point.at <= at);
        match (after.checked_sub(1).and_then(|n| self.points.get(n)), self.points.get(after)) {
            (Some(from), Some(to)) => {
                from.x + (to.x - from.x) * float(at - from.at) / float((to.at - from.at).max(1))
            }
            (Some(edge), None) | (None, Some(edge)) => edge.x,
            (None, None) => 0.0,
        }
    }

    /// The time since the beginning that is drawn at `x`.
    pub(super) fn at(&self, x: f64) -> TimeDelta {
        let after = self.points.partition_point(|point| point.x <= x);
        let (from, to) = match (after.checked_sub(1), self.points.get(after)) {
            (Some(from), Some(to)) => (self.points[from], *to),
            _ => return TimeDelta::microseconds(self.points[self.points.len() - 1].at),
        };
        let share = (x - from.x) / (to.x - from.x).max(f64::EPSILON);
        from_micros(float(from.at) + float(to.at - from.at) * share)
    }
}

/// The stretches within the drawing, in order, without overlaps.
fn merged(begin: Time, whole: i64, busy: &[Span]) -> Vec<(i64, i64)> {
    let clamped = |at: Time| micros(at - begin).clamp(0, whole);
    let mut spans: Vec<_> = busy.iter().map(|(from, to)| (clamped(*from), clamped(*to))).collect();
    spans.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
    for (from, to) in spans.into_iter().filter(|(from, to)| from < to) {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn micros(span: TimeDelta) -> i64 {
    span.num_microseconds().unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[expect(clippy::cast_precision_loss, reason = "a drawing has a few hundred pixels")]
fn float(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a label of a drawing")]
fn from_micros(micros: f64) -> TimeDelta {
    TimeDelta::microseconds(micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_timestamp(1_770_000_000 + second, 0).unwrap()
    }

    #[test]
    fn without_long_pauses_time_is_drawn_straight() {
        let scale = Scale::new((at(0), at(10)), &[(at(0), at(4)), (at(5), at(10))], (100.0, 200.0));
        assert!(scale.cuts.is_empty());
        assert!((scale.x(at(5)) - 150.0).abs() < 1e-6);
        assert_eq!(scale.at(150.0).num_seconds(), 5);
    }

    #[test]
    fn a_day_between_two_seconds_of_work_is_cut_and_told() {
        let day = 86_400;
        let busy = [(at(0), at(1)), (at(day), at(day + 1))];
        let scale = Scale::new((at(0), at(day + 1)), &busy, (0.0, 100.0));
        assert_eq!(scale.cuts.len(), 1);
        assert_eq!(scale.cuts[0].2.num_seconds(), day - 1);
        assert!((scale.x(at(1)) - 40.0).abs() < 1e-6, "{}", scale.x(at(1)));
        assert!((scale.x(at(day)) - 60.0).abs() < 1e-6);
        assert!(scale.x(at(-5)) >= 0.0 && scale.x(at(9 * day)) <= 100.0);
    }

    #[test]
    fn a_run_that_takes_no_time_and_clocks_that_disagree_are_drawn_all_the_same() {
        let scale = Scale::new((at(5), at(5)), &[(at(9), at(2))], (0.0, 100.0));
        assert!((0.0..=100.0).contains(&scale.x(at(5))));
        let back = Scale::new((at(5), at(1)), &[], (0.0, 100.0));
        assert!((0.0..=100.0).contains(&back.x(at(3))));
    }
}
