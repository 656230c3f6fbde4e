//! Report logic: which statements each entry was made from, as they were asked. It goes into `provenance.json`.

use bundle::provenance::Query;
use db::section::QUERIES;
use evidence::ids::OrgId;
use evidence::pack;
use evidence::time::Period;

/// What a query is asked about.
#[derive(Clone, Copy)]
pub(super) struct Logic {
    pub(super) org: OrgId,
    pub(super) period: Period,
}

/// Of the numbers whose gaps are reported.
const SEQUENCES: [&str; 3] = ["sequence", "audit_log", RETENTION];
const RETENTION: &str = "retention";
/// In no entry but `provenance.json`, or in one of its own.
const NOT_IN_DATA: [&str; 4] = ["sequence", RETENTION, AUDIT_EVENTS, AUDIT_ACTIONS];
const AUDIT_ACTIONS: &str = "audit_actions";
const AUDIT_EVENTS: &str = "audit_events";

impl Logic {
    /// The statements behind an entry: those of every section and of the summary for `data.json`, one for any other; none where
    /// nothing was asked of the database.
    pub(super) fn of_entry(self, entry: &str) -> Vec<Query> {
        match entry {
            pack::DATA_JSON => self.queries(|name| !NOT_IN_DATA.contains(&name)),
            pack::AUDIT_EVENTS => self.queries(|name| name == AUDIT_EVENTS),
            table => self.queries(|name| table.strip_suffix(".csv") == Some(name)),
        }
    }

    /// The statements behind the reported gaps.
    pub(super) fn of_sequences(self) -> Vec<Query> {
        self.queries(|name| SEQUENCES.contains(&name))
    }

    /// The statement behind what was done in the period.
    pub(super) fn of_changes(self) -> Vec<Query> {
        self.queries(|name| name == AUDIT_ACTIONS)
    }

    fn queries(self, wanted: impl Fn(&str) -> bool) -> Vec<Query> {
        let wanted = QUERIES.iter().filter(|query| wanted(query.name));
        wanted.map(|query| self.asked(query)).collect()
    }

    fn asked(self, query: &db::section::Query) -> Query {
        let values = query.parameters.iter().map(|parameter| parameter.text(self.org, self.period));
        let named = values.enumerate().map(|(at, value)| (format!("${}", at + 1), value));
        Query::new(query.name, query.sql, named.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entry: &str) -> Vec<String> {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        let end = "2026-02-01T00:00:00Z".parse().unwrap();
        let logic =
            Logic { org: OrgId(uuid::Uuid::nil()), period: Period::new(start, end).unwrap() };
        logic.of_entry(entry).into_iter().map(|query| query.name).collect()
    }

    #[test]
    fn every_entry_that_is_asked_for_names_its_statements() {
        for table in bundle::section::ALL.into_iter().filter(|table| table.entry != pack::CONTROLS)
        {
            assert_eq!(names(table.entry), [table.name]);
        }
        assert_eq!(names(pack::AUDIT_EVENTS), ["audit_events"]);
        assert!(names(pack::CONTROLS).is_empty());
        let data = names(pack::DATA_JSON);
        assert_eq!(data.len(), QUERIES.len() - NOT_IN_DATA.len());
        for name in ["headline", "gaps", "plan", "top_risks", "exceptions", "audit_log", "findings"]
        {
            assert!(data.contains(&name.to_owned()), "{name}");
        }
    }

    #[test]
    fn every_statement_names_just_the_parameters_that_it_has() {
        for query in QUERIES {
            let count = query.parameters.len();
            let named = |at: usize| query.sql.contains(&format!("${at}"));
            assert!((1..=count).all(named) && !named(count + 1), "{}", query.name);
        }
    }
}
