//! What was looked at and what is wrong, for people and for programs.

use serde::Serialize;

use crate::say;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    status: Status,
    /// What was found, faults aside.
    found: String,
    faults: Vec<Fault>,
}

/// Something that is not as it must be.
#[derive(Debug, Serialize)]
struct Fault {
    fault: String,
    way_out: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Faulty,
}

impl Check {
    pub(super) fn new(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), faults: Vec::new() }
    }

    pub(super) fn fault(mut self, fault: impl Into<String>, way_out: impl Into<String>) -> Self {
        self.status = Status::Faulty;
        self.faults.push(Fault { fault: fault.into(), way_out: way_out.into() });
        self
    }
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) checks: Vec<Check>,
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            status: Status,
            checks: &'a [Check],
        }
        let status = if self.is_ok() { Status::Ok } else { Status::Faulty };
        Whole { status, checks: &self.checks }.serialize(serializer)
    }
}

impl Report {
    pub(super) fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.status == Status::Ok)
    }

    pub(super) fn for_people(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.checks {
            let word = if check.status == Status::Ok { "ok    " } else { "FAULTY" };
            lines.push(format!("{word}  {:<16} {}", check.name, say::printable(&check.found)));
            for Fault { fault, way_out } in &check.faults {
                lines.push(format!("          {}", say::printable(fault)));
                lines.push(format!("            way out: {}", say::printable(way_out)));
            }
        }
        let faults: usize = self.checks.iter().map(|check| check.faults.len()).sum();
        lines.push(match faults {
            0 => "Everything is as it must be.".to_owned(),
            1 => "One thing is not as it must be.".to_owned(),
            faults => format!("{faults} things are not as they must be."),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_stands_below_its_check_with_its_way_out() {
        let report = Report {
            checks: vec![
                Check::new("redis", "it answers"),
                Check::new("row security", "23 tables").fault("x is \u{1b}[2Jopen", "close it;"),
            ],
        };
        assert!(!report.is_ok());
        insta::assert_snapshot!(report.for_people(), @r"
        ok      redis            it answers
        FAULTY  row security     23 tables
                  x is �[2Jopen
                    way out: close it;
        One thing is not as it must be.
        ");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["status"], "faulty");
        assert_eq!(json["checks"][0]["status"], "ok");
        assert_eq!(json["checks"][1]["faults"][0]["way_out"], "close it;");
    }
}
