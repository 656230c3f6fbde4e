//! The report as HTML: one page for Chromium to print, complete in itself.
//!
//! The templates hold the words and the order; this module gives them what they ask for. Values reach the page through
//! `{{ }}` and thereby through the escaper of `escape.rs`; only the two charts, which hold nothing from outside, are inserted as they are.

use askama::Template;
use evidence::pack::{Coverage, Gap, Sla, TopRisk};

use crate::chart;
use crate::format;
use crate::report::Report;

/// The longest address or name that is printed whole; longer ones are cut and stand whole in `data.json`.
const TEXT_MAX_CHARS: usize = 160;

/// How many changed attributes of a finding are named.
const ATTRIBUTES_MAX: usize = 6;

/// The framework whose controls are printed in full; the others are in `controls.csv`.
const FRAMEWORK: &str = "SOC 2";

/// Why there is no page; the templates are checked when compiled, so only a lack of memory can do it.
#[derive(Debug, thiserror::Error)]
#[error("the report could not be written as HTML")]
pub struct Error(#[from] askama::Error);

/// The whole report as one HTML page, deterministic in `report`.
pub fn html(report: &Report) -> Result<String, Error> {
    let page = Page {
        report,
        coverage_chart: chart::coverage(&report.summary.coverage),
        level_chart: chart::levels(&report.summary.sla),
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    coverage_chart: String,
    level_chart: String,
}

/// One number of the first page, with what it is a part of.
struct Figure {
    value: String,
    label: &'static str,
    note: String,
}

impl Page<'_> {
    fn figures(&self) -> Vec<Figure> {
        let headline = &self.report.summary.headline;
        let roll = &headline.roll_forward;
        let closed = roll.resolved + roll.accepted + roll.false_positive;
        let scans = headline.scans_done + headline.scans_partial + headline.scans_failed;
        let (scans, sources) = (format::count(scans), format::count(headline.sources));
        let figure = |value, label, note| Figure { value, label, note };
        vec![
            figure(
                format::percent(headline.scope_coverage),
                "scope coverage",
                format!(
                    "{} state-months with a complete scan",
                    format::parts(headline.scope_coverage)
                ),
            ),
            figure(
                format::percent(headline.within_sla),
                "within target time",
                format!("{} findings closed or overdue", format::parts(headline.within_sla)),
            ),
            figure(
                format::count(roll.open_at_end),
                "open at the end",
                format!("of {} in the period", format::count(headline.findings_in_period)),
            ),
            figure(
                format::count(closed),
                "closed",
                format!("{} opened or reopened", format::count(roll.opened + roll.reopened)),
            ),
            figure(
                format::hours(headline.hours_to_resolve.median),
                "median time to resolve",
                format!("of {} resolutions", format::count(headline.hours_to_resolve.count)),
            ),
            figure(
                format::count(headline.scans_done),
                "complete scans",
                format!("of {scans} scans; states in scope: {sources}"),
            ),
        ]
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

    fn controls(&self) -> impl Iterator<Item = &evidence::control::Control> {
        self.report.controls.iter().filter(|control| control.framework.starts_with(FRAMEWORK))
    }

    /// How many rows of `controls.csv`, which has one per control and entry, are not printed.
    fn control_rows_elsewhere(&self) -> Option<String> {
        let controls = self.report.controls.iter();
        let elsewhere = controls.filter(|control| !control.framework.starts_with(FRAMEWORK));
        let rows: usize = elsewhere.map(|control| control.entries.len()).sum();
        (rows > 0).then(|| format::count(rows as u64))
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

fn text(text: &str) -> String {
    format::cut(text, TEXT_MAX_CHARS)
}
