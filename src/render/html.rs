//! The report as HTML: one page for Chromium to print, complete in itself.
//!
//! The templates hold the words and the order; this module gives them what they ask for. Values reach the page through
//! `{{ }}` and thereby through the escaper of `escape.rs`; inserted as they are only the charts and the fonts, which hold nothing
//! from outside, and the words in the margins, which are CSS and come from `css.rs`.

use askama::Template;
use evidence::control::Control;
use evidence::pack::{Coverage, Gap, Sla, TopRisk};

use crate::chart;
use crate::css;
use crate::figure::{self, Figure};
use crate::fonts;
use crate::format;
use crate::report::Report;

/// The longest address or name that is printed whole; longer ones are cut and stand whole in `data.json`.
const TEXT_MAX_CHARS: usize = 160;

/// The longest name in the head of a page, which has one line.
const NAME_MAX_CHARS: usize = 60;

/// How many changed attributes of a finding are named.
const ATTRIBUTES_MAX: usize = 6;

/// Why there is no page; the templates are checked when compiled, so only a lack of memory can do it.
#[derive(Debug, thiserror::Error)]
#[error("the report could not be written as HTML")]
pub struct Error(#[from] askama::Error);

/// The whole report as one HTML page, deterministic in `report`.
pub fn html(report: &Report) -> Result<String, Error> {
    let summary = &report.summary;
    let page = Page {
        report,
        fonts: fonts::style(),
        coverage_chart: chart::coverage(&summary.coverage),
        open_chart: chart::open_findings(&summary.open_monthly, &summary.coverage),
        level_chart: chart::levels(&summary.sla),
        figures: figure::all(summary),
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    fonts: &'static str,
    coverage_chart: String,
    open_chart: String,
    level_chart: String,
    figures: Vec<Figure>,
}

/// One number of the first page, with what it is a part of.
struct Tile {
    value: String,
    label: &'static str,
    note: String,
}

impl Page<'_> {
    /// What stands at the top of every page but the first, as CSS.
    fn running_head(&self) -> String {
        let summary = &self.report.summary;
        css::string(&format!(
            "{} · {}",
            format::cut(&summary.org.name, NAME_MAX_CHARS),
            format::days(summary.period)
        ))
    }

    /// What stands at the bottom of every page but the first, as CSS.
    fn running_foot(&self) -> String {
        let name = format::cut(&self.report.file_name, TEXT_MAX_CHARS / 2);
        css::string(&format!("Compliance Pack · {name}"))
    }

    fn tiles(&self) -> Vec<Tile> {
        let headline = &self.report.summary.headline;
        let (roll, times) = (&headline.roll_forward, &headline.hours_to_resolve);
        let closed = roll.resolved + roll.accepted + roll.false_positive;
        let tile = |value, label, note| Tile { value, label, note };
        let (covered, kept) =
            (format::parts(headline.scope_coverage), format::parts(headline.cadence));
        vec![
            tile(
                format::percent(headline.scope_coverage),
                "scope coverage",
                format!("{covered} state-months with a complete scan"),
            ),
            tile(
                format::percent(headline.cadence),
                "cadence",
                format!("{kept} scans that were due by schedule"),
            ),
            tile(
                figure::open_at_end(&self.report.summary),
                "open at the end",
                format!("of {} in the period", format::count(headline.findings_in_period)),
            ),
            tile(
                format::count(closed),
                "closed",
                format!("{} opened or reopened", format::count(roll.opened + roll.reopened)),
            ),
            tile(
                format::hours(times.median),
                "median time to resolve",
                format!(
                    "of {} resolutions; {} still open",
                    format::count(times.count),
                    figure::open_at_end(&self.report.summary)
                ),
            ),
            tile(
                format::percent(headline.within_sla),
                "within target time",
                format!("{} resolved or overdue", format::parts(headline.within_sla)),
            ),
        ]
    }

    /// Whether no complete scan looked at anything in the period.
    fn is_blind(&self) -> bool {
        figure::is_blind(&self.report.summary)
    }

    /// The months that the chart and the table show.
    fn months(&self) -> &[Coverage] {
        let months = &self.report.summary.coverage;
        &months[months.len().saturating_sub(chart::MONTHS_MAX)..]
    }

    fn months_left_out(&self) -> usize {
        self.report.summary.coverage.len() - self.months().len()
    }

    fn has_partial_month(&self) -> bool {
        self.months().iter().any(|month| month.partial_month)
    }

    fn levels(&self) -> &[Sla] {
        &self.report.summary.sla
    }

    /// The controls, framework by framework.
    fn frameworks(&self) -> impl Iterator<Item = &[Control]> {
        self.report.controls.chunk_by(|one, next| one.framework == next.framework)
    }

    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn not_due(&self, level: &Sla) -> String {
        format::count(level.roll_forward.open_at_end.saturating_sub(level.overdue_open))
    }

    fn top_risks(&self) -> &[TopRisk] {
        &self.report.summary.top_risks
    }

    fn gaps(&self) -> &[Gap] {
        &self.report.summary.gaps
    }

    fn is_chain_ok(&self) -> bool {
        self.report.chain.status == "ok"
    }
}

fn attributes(risk: &TopRisk) -> String {
    format::names(&risk.changed_attributes, ATTRIBUTES_MAX)
}

pub(crate) fn text(text: &str) -> String {
    format::cut(text, TEXT_MAX_CHARS)
}
