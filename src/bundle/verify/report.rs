//! What verification found, for programs (serde) and for people ([`Report::text`]).

use std::fmt::Write as _;

use evidence::ids::{ExportId, OrgId};
use evidence::time::{Period, Time, stamp};
use serde::{Deserialize, Serialize};

/// The form of the JSON report.
pub(super) const SCHEMA: &str = "driftpack.verification/v1";
/// More checks of one name and status than this are counted, not listed.
const LISTED_MAX: usize = 20;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was checked agrees.
    Ok,
    /// Nothing contradicts, but something that the answer needs is not there.
    Incomplete,
    /// The end of something is missing.
    Truncated,
    /// Something contradicts something else.
    Broken,
}

impl Outcome {
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Broken => 1,
            Self::Truncated => 2,
            Self::Incomplete => 3,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Broken => "broken",
            Self::Truncated => "truncated",
            Self::Incomplete => "incomplete",
        }
    }
}

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// Worth knowing; does not change the answer.
    Note,
    Incomplete,
    Truncated,
    Broken,
}

impl Status {
    const fn outcome(self) -> Outcome {
        match self {
            Self::Ok | Self::Note => Outcome::Ok,
            Self::Incomplete => Outcome::Incomplete,
            Self::Truncated => Outcome::Truncated,
            Self::Broken => Outcome::Broken,
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Incomplete => "INCOMPLETE",
            Self::Truncated => "TRUNCATED",
            Self::Broken => "BROKEN",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// One of a fixed set of words, for example `manifest`.
    pub name: String,
    pub status: Status,
    /// Plain words; free of control characters, whatever the pack contains.
    pub detail: String,
}

/// What the pack says of itself; to be believed only as far as the checks go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub org_id: OrgId,
    pub org_slug: String,
    pub period: Period,
    pub export_id: ExportId,
    pub chain: String,
    pub verified_at: Time,
    pub head_seq: i64,
    pub head_hash_hex: String,
    pub verify_url: String,
    pub manifest_sha256: String,
    pub zip_sha256: Option<String>,
    /// The id of the key whose signature was found right.
    pub signed_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `driftpack.verification/v1`.
    pub schema: String,
    pub result: Outcome,
    pub exit_code: u8,
    pub pack: Option<Facts>,
    pub checks: Vec<Check>,
}

impl Report {
    /// Adds a check made elsewhere (the live one), and brings the answer up to date.
    pub fn add(&mut self, name: &str, status: Status, detail: &str) {
        self.checks.push(Check::new(name, status, detail));
        self.result = self.result.max(status.outcome());
        self.exit_code = self.result.exit_code();
    }

    /// The statuses of all checks of a name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Status> + 'a {
        self.checks.iter().filter(move |check| check.name == name).map(|check| check.status)
    }

    /// One line per check, for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(pack) = &self.pack {
            let (from, to) = (stamp(pack.period.start), stamp(pack.period.end));
            let _ =
                writeln!(text, "pack of {}, from {from} until before {to}", plain(&pack.org_slug));
            let _ =
                writeln!(text, "audit chain {} at entry {}\n", plain(&pack.chain), pack.head_seq);
        }
        for Check { name, status, detail } in &self.checks {
            let _ = writeln!(text, "{:<10}  {name:<13}  {detail}", status.mark());
        }
        let _ = writeln!(text, "\nresult: {}", self.result.as_str());
        text
    }
}

impl Check {
    fn new(name: &str, status: Status, detail: &str) -> Self {
        Self { name: name.to_owned(), status, detail: plain(detail) }
    }
}

/// Text for a terminal: control characters and direction marks become escapes.
pub(super) fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::new(), |mut out, c| {
        if hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

/// The checks as they are made.
///
/// Memory is bounded, the answer is not: beyond [`LISTED_MAX`] of one name and status a check is counted under both, so that
/// no number of harmless ones can hide a fault.
#[derive(Debug, Default)]
pub(super) struct Checks {
    made: Vec<Check>,
    unlisted: Vec<(String, Status, usize)>,
}

impl Checks {
    pub(super) fn put(&mut self, name: &'static str, status: Status, detail: impl AsRef<str>) {
        self.push(Check::new(name, status, detail.as_ref()));
    }

    fn push(&mut self, check: Check) {
        let alike = |made: &&Check| made.name == check.name && made.status == check.status;
        if self.made.iter().filter(alike).count() < LISTED_MAX {
            return self.made.push(check);
        }
        self.count(check.name, check.status, 1);
    }

    fn count(&mut self, name: String, status: Status, more: usize) {
        let counted = self.unlisted.iter_mut().find(|(of, with, _)| *of == name && *with == status);
        match counted {
            Some((_, _, count)) => *count += more,
            None => self.unlisted.push((name, status, more)),
        }
    }

    /// Adds checks that were made elsewhere, as if they were made now.
    pub(super) fn append(&mut self, other: Self) {
        for check in other.made {
            self.push(check);
        }
        for (name, status, more) in other.unlisted {
            self.count(name, status, more);
        }
    }

    pub(super) fn ok(&mut self, name: &'static str, detail: impl AsRef<str>) {
        self.put(name, Status::Ok, detail);
    }

    pub(super) fn note(&mut self, name: &'static str, detail: impl AsRef<str>) {
        self.put(name, Status::Note, detail);
    }

    pub(super) fn broken(&mut self, name: &'static str, detail: impl AsRef<str>) {
        self.put(name, Status::Broken, detail);
    }

    pub(super) fn truncated(&mut self, name: &'static str, detail: impl AsRef<str>) {
        self.put(name, Status::Truncated, detail);
    }

    pub(super) fn incomplete(&mut self, name: &'static str, detail: impl AsRef<str>) {
        self.put(name, Status::Incomplete, detail);
    }

    /// `broken` unless `holds`.
    pub(super) fn require(&mut self, holds: bool, name: &'static str, detail: impl AsRef<str>) {
        if !holds {
            self.broken(name, detail);
        }
    }

    /// Adds `detail` as passed when no check of the name was put.
    pub(super) fn ok_if_silent(&mut self, name: &'static str, detail: impl AsRef<str>) {
        if !self.made.iter().any(|check| check.name == name) {
            self.ok(name, detail);
        }
    }

    pub(super) fn into_report(mut self, pack: Option<Facts>) -> Report {
        for (name, status, count) in self.unlisted {
            self.made.push(Check::new(&name, status, &format!("and {count} more of this kind")));
        }
        let result = self
            .made
            .iter()
            .map(|check| check.status.outcome())
            .max()
            .unwrap_or(Outcome::Incomplete);
        let exit_code = result.exit_code();
        Report { schema: SCHEMA.to_owned(), result, exit_code, pack, checks: self.made }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(passed: usize, then: &[(Status, usize)]) -> Report {
        let mut checks = Checks::default();
        for _ in 0..passed {
            checks.ok("continuity", "as attested");
        }
        for (status, times) in then {
            for _ in 0..*times {
                checks.put("continuity", *status, "rewritten");
            }
        }
        checks.into_report(None)
    }

    #[test]
    fn no_number_of_passed_checks_hides_a_fault() {
        for (status, result) in [
            (Status::Incomplete, Outcome::Incomplete),
            (Status::Truncated, Outcome::Truncated),
            (Status::Broken, Outcome::Broken),
        ] {
            let report = after(LISTED_MAX + 1, &[(status, 1)]);
            assert_eq!((report.result, report.exit_code), (result, result.exit_code()));
            assert!(report.text().contains("rewritten"), "{}", report.text());
        }
    }

    #[test]
    fn many_faults_are_counted_with_their_status_and_not_all_listed() {
        let many = LISTED_MAX * 10;
        let report = after(many, &[(Status::Incomplete, many), (Status::Broken, many)]);
        assert_eq!(report.result, Outcome::Broken);
        assert_eq!(report.checks.len(), 3 * (LISTED_MAX + 1));
        let left =
            format!("BROKEN      continuity     and {} more of this kind", many - LISTED_MAX);
        assert!(report.text().contains(&left), "{}", report.text());
    }

    #[test]
    fn faults_that_were_found_apart_are_counted_together() {
        let mut checks = Checks::default();
        for more in [LISTED_MAX - 1, LISTED_MAX + 3] {
            let mut apart = Checks::default();
            for _ in 0..more {
                apart.broken("tables", "a row");
            }
            checks.append(apart);
        }
        let report = checks.into_report(None);
        let left = format!("and {} more of this kind", LISTED_MAX + 2);
        assert_eq!(report.checks.len(), LISTED_MAX + 1);
        assert_eq!(report.checks.last().map(|check| &*check.detail), Some(&*left));
    }
}
