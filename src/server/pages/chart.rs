//! Drawings, as SVG that the server writes: numbers in, no text from outside.
//!
//! Every drawing has a title for those who do not see it; colours come from classes, so that light and dark both fit.

use std::fmt::Write as _;

use askama::filters::Safe;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 8.0;

/// One column: its label, and its value; `None`: not known, which is not nought.
pub(super) struct Column {
    pub(super) label: String,
    pub(super) value: Option<f64>,
    /// What the pointer tells.
    pub(super) told: String,
}

/// Columns over a scale from 0 to `top`; `unit` stands behind the numbers of the scale.
pub(super) fn columns(title: &str, columns: &[Column], top: f64, unit: &str) -> Safe<String> {
    let mut svg = open(title);
    let top = if top > 0.0 { top } else { 1.0 };
    scale(&mut svg, top, unit);
    let step = (WIDTH - LEFT) / count(columns.len().max(1));
    for (n, column) in columns.iter().enumerate() {
        let (x, width) = (LEFT + step * count(n) + step * 0.15, step * 0.7);
        let height = column.value.map_or(HEIGHT - BOTTOM - TOP, |value| {
            ((HEIGHT - BOTTOM - TOP) * value / top).max(1.0)
        });
        let class = if column.value.is_some() { "bar" } else { "none" };
        let y = HEIGHT - BOTTOM - height;
        let _ = write!(
            svg,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2"><title>{}</title></rect>"#,
            escaped(&column.told)
        );
        // With many columns every second label, or fewer.
        let every = columns.len().div_ceil(12).max(1);
        if n % every == 0 {
            let (at, y) = (x + width / 2.0, HEIGHT - 6.0);
            let _ = write!(
                svg,
                r#"<text x="{at:.1}" y="{y}" text-anchor="middle">{}</text>"#,
                escaped(&column.label)
            );
        }
    }
    svg.push_str("</svg>");
    Safe(svg)
}

/// Parts of a whole in one bar, each with its class.
pub(super) fn stacked(title: &str, parts: &[(&'static str, u64)]) -> Safe<String> {
    let total: u64 = parts.iter().map(|(_, part)| part).sum();
    let mut svg = format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} 14" preserveAspectRatio="none" role="img"><title>{}</title>"#,
        escaped(title)
    );
    let mut x = 0.0;
    for (class, part) in parts.iter().filter(|(_, part)| *part > 0) {
        let width = WIDTH * float(*part) / float(total.max(1));
        let _ = write!(
            svg,
            r#"<rect class="bar {class}" x="{x:.1}" y="0" width="{width:.1}" height="14"><title>{part}</title></rect>"#
        );
        x += width;
    }
    if total == 0 {
        let _ = write!(svg, r#"<rect class="none" width="{WIDTH}" height="14"/>"#);
    }
    svg.push_str("</svg>");
    Safe(svg)
}

/// A line without axes, the newest value at the right.
pub(super) fn sparkline(title: &str, values: &[u64]) -> Safe<String> {
    let top = float(values.iter().copied().max().unwrap_or(0).max(1));
    let step = 120.0 / count(values.len().saturating_sub(1).max(1));
    let points: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(n, value)| {
            format!("{:.1},{:.1}", step * count(n), 26.0 - 24.0 * float(*value) / top)
        })
        .collect();
    Safe(format!(
        r#"<svg class="chart spark" viewBox="0 0 120 28" width="120" height="28" role="img"><title>{}</title><polyline class="line" points="{}"/></svg>"#,
        escaped(title),
        points.join(" ")
    ))
}

fn open(title: &str) -> String {
    format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{}</title>"#,
        escaped(title)
    )
}

fn scale(svg: &mut String, top: f64, unit: &str) {
    for part in [0.0, 0.5, 1.0] {
        let y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * part;
        let value = top * part;
        let shown =
            if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
        let (end, text) = (LEFT - 6.0, y + 4.0);
        let _ = write!(
            svg,
            r#"<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}"/><text x="{end}" y="{text:.1}" text-anchor="end">{shown}{unit}</text>"#
        );
    }
}

/// The least round number that is not smaller: 1, 2, 5, 10, 20, 50, …
pub(super) fn round_up(value: f64) -> f64 {
    let mut scale = 1.0;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if step * scale >= value {
                return step * scale;
            }
        }
        scale *= 10.0;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing of a few columns")]
fn count(number: usize) -> f64 {
    number as f64
}

/// For drawing only.
#[expect(clippy::cast_precision_loss, reason = "a drawing has a few hundred pixels")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

/// A text within the drawing.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_drawn_otherwise_than_nought() {
        let column = |value| Column { label: "Jan".into(), value, told: "told & said".into() };
        let Safe(svg) = columns("Coverage", &[column(None), column(Some(0.0))], 100.0, " %");
        assert_eq!(
            (svg.matches("class=\"none\"").count(), svg.matches("class=\"bar\"").count()),
            (1, 1)
        );
        assert!(svg.contains("told &amp; said") && svg.contains(">100 %<"), "{svg}");
    }

    #[test]
    fn the_top_of_a_scale_is_round() {
        let tops = [0.0, 1.0, 3.0, 7.0, 11.0, 51.0, 1234.0].map(round_up);
        assert_eq!(tops.map(|top| format!("{top}")), ["1", "1", "5", "10", "20", "100", "2000"]);
    }
}
