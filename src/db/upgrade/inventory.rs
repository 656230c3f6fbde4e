//! What a database holds that programs rely on or stumble over, and what becomes of it from one moment to the next.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::PgConnection;

use crate::Result;

/// What programs of an earlier version use. Such things may come; they may not go or become others.
const RELIED_ON: [&str; 12] = [
    "table",
    "view",
    "sequence",
    "column",
    "default",
    "unique",
    "policy",
    "function",
    "type",
    "label",
    "grant",
    "row security",
];

/// What refuses a row or hides one. On tables that an earlier version knows such things may go; they may not come.
const DEMANDS: [&str; 6] =
    ["not null", "check", "foreign key", "exclusion", "unique", "restriction"];

/// Everything in a database, by what it is and what it is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inventory(BTreeMap<(String, String), Thing>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    /// What of it may change while the name stays.
    detail: String,
    /// The table or type that it stands on.
    of: String,
    /// The columns that it is about.
    columns: Vec<String>,
}

/// What came, went and became another, in words such as `column public.findings.number`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub made: Vec<String>,
    pub changed: Vec<String>,
    pub taken_away: Vec<String>,
}

impl Inventory {
    /// What is there now, as the transaction sees it.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn take(conn: &mut PgConnection) -> Result<Self> {
        type Row = (String, String, String, String, Vec<String>);
        let rows: Vec<Row> =
            sqlx::query_as(include_str!("../sql/inventory.sql")).fetch_all(conn).await?;
        let thing =
            |(class, name, detail, of, columns)| ((class, name), Thing { detail, of, columns });
        Ok(Self(rows.into_iter().map(thing).collect()))
    }

    /// From here to `later`.
    pub fn until(&self, later: &Self) -> Difference {
        let name = |(class, name): &(String, String)| format!("{class} {name}");
        let here = |key: &&(String, String)| self.0.contains_key(*key);
        let there = |key: &&(String, String)| later.0.contains_key(*key);
        let both = self.0.keys().filter(there);
        Difference {
            made: later.0.keys().filter(|key| !here(key)).map(name).collect(),
            changed: both.filter(|key| self.0[*key] != later.0[*key]).map(name).collect(),
            taken_away: self.0.keys().filter(|key| !there(key)).map(name).collect(),
        }
    }

    /// What programs that were written for this would miss or stumble over in `later`, in words. It cannot be seen here what the
    /// bodies of functions and triggers do, and whether a check with a new column in it holds where that column is empty.
    pub fn broken_by(&self, later: &Self) -> Vec<String> {
        let mut breaches = Vec::new();
        for (key @ (class, name), thing) in &self.0 {
            if !RELIED_ON.contains(&class.as_str()) {
                continue;
            }
            match later.0.get(key) {
                None => breaches.push(format!("takes away: {class} {name}")),
                Some(now) if now != thing && class != "function" && class != "default" => {
                    breaches.push(format!("makes another of: {class} {name}"));
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<_> = self.of_class("table").chain(self.of_class("type")).collect();
        for (key @ (class, name), thing) in &later.0 {
            let is_new = self.0.get(key) != Some(thing);
            if is_new
                && DEMANDS.contains(&class.as_str())
                && known.contains(thing.of.as_str())
                && !self.cannot_feel(class, thing, later)
            {
                breaches.push(format!("demands of what was there: {class} {name}"));
            }
        }
        for name in later.of_class("row security") {
            if known.contains(name) && !self.of_class("row security").any(|had| had == name) {
                breaches.push(format!("hides rows of what was there: row security {name}"));
            }
        }
        breaches
    }

    /// Whether a demand is about a column that an earlier version leaves out, and does no harm there.
    fn cannot_feel(&self, class: &str, demand: &Thing, later: &Self) -> bool {
        let has = |all: &Self, class: &str, column: &String| {
            all.0.contains_key(&(class.to_owned(), format!("{}.{column}", demand.of)))
        };
        let mut new = demand.columns.iter().filter(|column| !has(self, "column", column));
        match class {
            "not null" => new.any(|column| has(later, "default", column)),
            _ => new.next().is_some(),
        }
    }

    fn of_class<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |((of, _), _)| of == class).map(|((_, name), _)| name.as_str())
    }
}
