//! The charts, drawn as SVG by hand: no script, no library, the same bytes for the same numbers.
//!
//! Texts in a chart are ours (month labels, risk levels, formatted numbers); nothing from outside is drawn. Lengths are in
//! user units of a 680-wide picture that is scaled to the page.

use std::fmt::Write as _;

use evidence::pack::{Coverage, OpenMonth, Sla};
use evidence::risk::RiskLevel;

use crate::format;

/// At most so many months are drawn, the latest ones; more would be hairlines on a page.
pub(crate) const MONTHS_MAX: usize = 36;

const WIDTH: f64 = 680.0;
const LEFT: f64 = 44.0;
const INK: &str = "#16202b";
const PALE: &str = "#556372";
const RULE: &str = "#dde3e9";
const ACCENT: &str = "#1f5f7a";

const SERIES: [(&str, &str); 3] =
    [("opened or reopened", "#b4543a"), ("closed", "#2f7d5b"), ("open at the end", "#8a97a6")];

/// Of each level, the most severe first; dark enough that neighbours differ in grey, too.
const LEVELS: [(RiskLevel, &str); 4] = [
    (RiskLevel::Critical, "#7d1a1a"),
    (RiskLevel::High, "#c2593f"),
    (RiskLevel::Medium, "#d9a441"),
    (RiskLevel::Low, "#a9b7c4"),
];

/// Scope coverage per month in percent, one bar a month. A month in which nothing was in scope has a dash, not a bar of height 0.
pub(crate) fn coverage(months: &[Coverage]) -> String {
    const TOP: f64 = 22.0;
    const HEIGHT: f64 = 150.0;
    let months = &months[months.len().saturating_sub(MONTHS_MAX)..];
    let mut svg = open(TOP + HEIGHT + 22.0, "Scope coverage per month in percent");
    for percent in [0, 25, 50, 75, 100] {
        let y = TOP + HEIGHT * (1.0 - f64::from(percent) / 100.0);
        line(&mut svg, y);
        text(&mut svg, (LEFT - 6.0, y + 3.5), "end", PALE, &format!("{percent} %"));
    }
    let slot = (WIDTH - LEFT) / as_f64(months.len().max(1));
    let width = (slot * 0.62).min(46.0);
    for (at, month) in months.iter().enumerate() {
        let middle = LEFT + slot * (as_f64(at) + 0.5);
        let percent = month.scope.percent();
        let height = HEIGHT * percent.unwrap_or(0.0) / 100.0;
        let y = TOP + HEIGHT - height;
        bar(&mut svg, (middle - width / 2.0, y), (width, height), ACCENT);
        let label = percent.map_or_else(|| format::NONE.to_owned(), |p| label(p, months.len()));
        text(&mut svg, (middle, y - 4.0), "middle", INK, &label);
        month_label(
            &mut svg,
            (middle, TOP + HEIGHT + 14.0),
            months.len(),
            (&month.month, month.partial_month),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// What was open at the end of each month, one bar a month, the levels on top of each other. A month in which no complete scan
/// looked at anything has its number in brackets: it is what was known before, not what was seen.
pub(crate) fn open_findings(months: &[OpenMonth], coverage: &[Coverage]) -> String {
    const TOP: f64 = 40.0;
    const HEIGHT: f64 = 132.0;
    let first = months.len().saturating_sub(MONTHS_MAX);
    let months = &months[first..];
    let most = months.iter().map(|month| month.total().open_at_end).max().unwrap_or(0).max(1);
    let mut svg =
        open(TOP + HEIGHT + 22.0, "Findings open at the end of each month, per risk level");
    for (at, (level, colour)) in LEVELS.into_iter().enumerate() {
        legend_item(&mut svg, LEFT + as_f64(at) * 90.0, &capital(level.as_str()), colour);
    }
    line(&mut svg, TOP + HEIGHT);
    let slot = (WIDTH - LEFT) / as_f64(months.len().max(1));
    let width = (slot * 0.62).min(46.0);
    for (at, month) in months.iter().enumerate() {
        let middle = LEFT + slot * (as_f64(at) + 0.5);
        let mut y = TOP + HEIGHT;
        for (level, colour) in LEVELS.into_iter().rev() {
            let height = HEIGHT * number_f64(month.open(level)) / number_f64(most);
            y -= height;
            bar(&mut svg, (middle - width / 2.0, y), (width, height), colour);
        }
        let total = short(month.total().open_at_end, months.len());
        let is_seen = coverage.get(first + at).is_some_and(|month| month.scans_done > 0);
        let label = if is_seen { total } else { format!("({total})") };
        text(&mut svg, (middle, y - 4.0), "middle", INK, &label);
        month_label(
            &mut svg,
            (middle, TOP + HEIGHT + 14.0),
            months.len(),
            (&month.month, month.partial_month),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A count above a bar: in full where there is room, else in thousands or millions, cut and not rounded.
fn short(number: u64, months: usize) -> String {
    let room = if months > 18 { 1_000 } else { 1_000_000 };
    match number {
        number if number < room => format::count(number),
        1_000..1_000_000 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}

/// A percentage above a bar. Where many bars leave no room for a decimal, it is cut and not rounded: 100 is all of it, 0 nothing.
fn label(percent: f64, months: usize) -> String {
    if months > 18 {
        let least = if percent > 0.0 { 1.0 } else { 0.0 };
        return format!("{:.0}", percent.floor().max(least));
    }
    let shown = format!("{percent:.1}");
    shown.strip_suffix(".0").unwrap_or(&shown).to_owned()
}

/// Opened, closed and still open findings per risk level, as horizontal bars on one scale.
pub(crate) fn levels(levels: &[Sla]) -> String {
    const ROW: f64 = 47.0;
    const BAR: f64 = 11.0;
    const LABEL: f64 = 84.0;
    let most = levels.iter().flat_map(bars_of).max().unwrap_or(0).max(1);
    let mut svg = open(
        34.0 + ROW * as_f64(levels.len()),
        "Findings opened, closed and open at the end, per risk level",
    );
    legend(&mut svg, LABEL);
    for (at, level) in levels.iter().enumerate() {
        let top = 34.0 + ROW * as_f64(at);
        let name = capital(level.risk_level.as_str());
        text(&mut svg, (LABEL - 10.0, top + 21.0), "end", INK, &name);
        for (nth, (number, (_, colour))) in bars_of(level).into_iter().zip(SERIES).enumerate() {
            let y = top + as_f64(nth) * (BAR + 2.0);
            let length = (WIDTH - LABEL - 90.0) * number_f64(number) / number_f64(most);
            let length = if number == 0 { 0.0 } else { length.max(1.5) };
            bar(&mut svg, (LABEL, y), (length, BAR), colour);
            text(&mut svg, (LABEL + length + 5.0, y + 9.5), "start", INK, &format::count(number));
        }
    }
    svg.push_str("</svg>");
    svg
}

fn legend(svg: &mut String, left: f64) {
    for (at, (label, colour)) in SERIES.into_iter().enumerate() {
        legend_item(svg, left + as_f64(at) * 150.0, label, colour);
    }
}

fn legend_item(svg: &mut String, x: f64, label: &str, colour: &str) {
    bar(svg, (x, 4.0), (11.0, 11.0), colour);
    text(svg, (x + 17.0, 13.5), "start", PALE, label);
}

/// The numbers of a level, in the order of [`SERIES`].
fn bars_of(level: &Sla) -> [u64; 3] {
    let roll = level.roll_forward;
    let closed = roll.resolved + roll.accepted + roll.false_positive;
    [roll.opened + roll.reopened, closed, roll.open_at_end]
}

/// Every month up to 12, then every third or sixth, so that labels do not run into each other.
fn month_label(svg: &mut String, at: (f64, f64), months: usize, (month, is_partial): (&str, bool)) {
    let every = match months {
        0..=12 => 1,
        13..=24 => 3,
        _ => 6,
    };
    let number = month.rsplit('-').next().and_then(|m| m.parse::<u32>().ok()).unwrap_or(1);
    if !(number - 1).is_multiple_of(every) {
        return;
    }
    let label = if is_partial { format!("{month}*") } else { month.to_owned() };
    text(svg, at, "middle", PALE, &label);
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">"
    )
}

fn line(svg: &mut String, y: f64) {
    write_to(svg, format_args!(r#"<path d="M{LEFT} {y:.1}H{WIDTH}" stroke="{RULE}"/>"#));
}

fn bar(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    let size = format_args!(r#"width="{width:.1}" height="{height:.1}""#).to_string();
    write_to(svg, format_args!(r#"<rect x="{x:.1}" y="{y:.1}" {size} fill="{colour}"/>"#));
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, words: &str) {
    let place = format_args!(r#"x="{x:.1}" y="{y:.1}" text-anchor="{anchor}""#).to_string();
    write_to(svg, format_args!(r#"<text {place} fill="{colour}">{words}</text>"#));
}

fn write_to(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    svg.write_fmt(piece).expect("writing to a String cannot fail");
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn as_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar needs no 53 bits")]
fn number_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_without_room_is_cut_and_not_rounded() {
        let labels = |months| [999, 1_999, 999_999, 2_999_999].map(|number| short(number, months));
        assert_eq!(labels(12), ["999", "1,999", "999,999", "2M"]);
        assert_eq!(labels(36), ["999", "1k", "999k", "2M"]);
    }

    #[test]
    fn only_all_is_labelled_100_and_only_nothing_0() {
        let labels =
            |months| [0.0, 0.1, 50.0, 66.7, 99.9, 100.0].map(|percent| label(percent, months));
        assert_eq!(labels(12), ["0", "0.1", "50", "66.7", "99.9", "100"]);
        assert_eq!(labels(36), ["0", "1", "50", "66", "99", "100"]);
    }
}
