//! Do the figures agree? CSV, `data.json`, `provenance.json`, and the sums over the rows.

use std::collections::BTreeMap;

use evidence::metrics::RollForward;
use evidence::pack;
use evidence::risk::RiskLevel;

use super::content::Contents;
use super::data::Document;
use super::report::Checks;
use super::summary;
use crate::digest::{Digest, sha256_hex};
use crate::provenance::{ControlTotals, Provenance, Query, Section};
use crate::section;
use crate::zip::DOS_SECONDS;

pub(super) fn check(contents: &Contents, checks: &mut Checks) {
    let rows: u64 = contents.tables.values().map(|table| table.rows).sum();
    if contents.tables.len() == section::ALL.len() {
        checks.ok_if_silent(
            "tables",
            format!("{rows} rows, every header and cell of the published form"),
        );
    }
    match &contents.data {
        None => checks
            .incomplete("data", "data.json cannot be compared: it is not there, or not readable"),
        Some(document) => data(document, contents, checks),
    }
    match &contents.provenance {
        None => checks.incomplete("provenance", "provenance.json is not there, or not readable"),
        Some(provenance) => self::provenance(provenance, contents, checks),
    }
    roll_forward(contents, checks);
}

/// `data.json` against the CSVs.
fn data(document: &Document, contents: &Contents, checks: &mut Checks) {
    for table in section::ALL {
        let (Some(json), Some(csv)) =
            (document.sections.get(table.entry), contents.tables.get(table.entry))
        else {
            continue;
        };
        if json.rows != csv.rows {
            let (json, csv) = (json.rows, csv.rows);
            checks.broken(
                "data",
                format!("data.json has {json} {}, {} has {csv}", table.name, table.entry),
            );
        } else if json != csv {
            checks.broken(
                "data",
                format!("data.json and {} differ in the values of a row", table.entry),
            );
        }
    }
    let summary = &document.summary;
    let same = summary.org == document.org
        && summary.period == document.period
        && summary.generated_at == document.generated_at
        && summary.audit == document.audit_log;
    checks.require(
        same,
        "data",
        "the summary in data.json is of another organisation, period or time",
    );
    summary::check(summary, contents, checks);
    checks.ok_if_silent(
        "data",
        "data.json says the same as the CSV files, row by row, and its summary follows from them",
    );
}

/// What provenance.json says, against what is there.
fn provenance(provenance: &Provenance, contents: &Contents, checks: &mut Checks) {
    if provenance.schema != crate::provenance::SCHEMA {
        checks.incomplete("provenance", "provenance.json has a schema this verifier does not know");
    }
    sections(provenance, contents, checks);
    if let Some(time) = contents.time {
        let end = provenance.period.end.timestamp().clamp(*DOS_SECONDS.start(), *DOS_SECONDS.end());
        let detail = "the files in the ZIP are not dated at the end of the period";
        checks.require(i64::from(time) == end, "archive", detail);
    }
    for tie in provenance.tie_out.checks.iter().filter(|tie| !tie.ties()) {
        checks.broken("provenance", format!("the builder's own check «{}» does not tie", tie.name));
    }
    if let Some(document) = &contents.data {
        let same = (document.org.id, document.org.slug.as_str(), document.period)
            == (provenance.org.id, provenance.org.slug.as_str(), provenance.period);
        checks.require(same, "provenance", "provenance.json and data.json are of different packs");
        let totals = ControlTotals::from(&document.summary) == provenance.control_totals;
        checks.require(totals, "provenance", "the control totals are not those of data.json");
    }
    let hashed = are_hashed(&provenance.sequence_gaps.queries);
    checks.require(hashed, "provenance", "a query of the sequences does not have its SHA-256");
    let detail = "rows, bytes and SHA-256 of every entry are as provenance.json says";
    checks.ok_if_silent("provenance", detail);
}

/// Every entry is described once, and nothing else is.
fn sections(provenance: &Provenance, contents: &Contents, checks: &mut Checks) {
    let sections: BTreeMap<_, _> =
        provenance.sections.iter().map(|section| (section.entry.as_str(), section)).collect();
    let once = sections.len() == provenance.sections.len();
    checks.require(once, "provenance", "an entry is described twice");
    for (name, digest) in contents.digests.iter().filter(|(name, _)| Section::is_due(name)) {
        match sections.get(name) {
            None => checks.broken("provenance", format!("nothing is said about {name}")),
            Some(section) => {
                let counted = match contents.tables.get(name) {
                    Some(table) => Some(table.rows),
                    None => (*name == pack::AUDIT_EVENTS).then_some(digest.lines),
                };
                self::section(section, digest, counted, checks);
            }
        }
    }
    for name in sections.keys().filter(|name| !contents.digests.contains_key(*name)) {
        let detail = format!("provenance.json describes {name}, which cannot be read in the pack");
        checks.broken("provenance", detail);
    }
}

/// `counted`: rows or lines, where the entry has any.
fn section(section: &Section, digest: &Digest, counted: Option<u64>, checks: &mut Checks) {
    let mut require = |holds: bool, what: &str| {
        let detail = format!("{} has other {what} than provenance.json says", section.entry);
        checks.require(holds, "provenance", detail);
    };
    require((&section.sha256, section.bytes) == (&digest.sha256, digest.bytes), "bytes");
    require(counted.is_none() || section.rows == counted, "rows");
    if !are_hashed(&section.queries) {
        let detail = format!("a query of {} does not have its SHA-256", section.entry);
        checks.broken("provenance", detail);
    }
}

fn are_hashed(queries: &[Query]) -> bool {
    queries.iter().all(|query| query.sql_sha256 == sha256_hex(query.sql.as_bytes()))
}

/// Three counts of the same: findings.csv, remediation_sla.csv, the summary.
fn roll_forward(contents: &Contents, checks: &mut Checks) {
    let recount = &contents.recount;
    let read = |entry| contents.tables.contains_key(entry);
    if !read(pack::FINDINGS) || !read(pack::REMEDIATION_SLA) {
        return checks
            .incomplete("roll_forward", "it cannot be recounted without both readable tables");
    }
    let levels: Vec<_> = recount.reported.keys().copied().collect();
    checks.require(
        levels == RiskLevel::ALL,
        "roll_forward",
        "remediation_sla.csv lacks a risk level",
    );
    if let Err(error) = recount.tally.check(&recount.reported) {
        checks.broken("roll_forward", error.to_string());
    }
    let total = recount.tally.total();
    if let Some(document) = &contents.data {
        let same = document.summary.headline.roll_forward == total;
        checks.require(
            same,
            "roll_forward",
            "the summary reports another roll-forward than the rows give",
        );
        let sla: BTreeMap<_, _> =
            document.summary.sla.iter().map(|sla| (sla.risk_level, sla.roll_forward)).collect();
        checks.require(
            sla == recount.reported,
            "roll_forward",
            "summary and remediation_sla.csv differ",
        );
    }
    if let Some(provenance) = &contents.provenance {
        let same = provenance.tie_out.levels == recount.reported;
        checks.require(same, "roll_forward", "provenance.json and remediation_sla.csv differ");
    }
    let RollForward {
        open_at_start,
        opened,
        reopened,
        resolved,
        accepted,
        false_positive,
        open_at_end,
    } = total;
    checks.ok_if_silent(
        "roll_forward",
        format!(
            "recounted from {} findings: {open_at_start} open at the start + {opened} opened + {reopened} reopened \
             - {resolved} resolved - {accepted} accepted - {false_positive} false positives = {open_at_end} open at the end",
            recount.tally.findings()
        ),
    );
}
