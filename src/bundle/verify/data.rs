//! `data.json`, member by member and row by row, in constant memory.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read};

use evidence::pack::{AuditRange, Org, Summary};
use evidence::time::{Period, Time};
use serde::Deserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::meter::Allowance;
use super::tables::{Rows, Values};
use crate::json::{Chain, MEMBERS, SCHEMA};
use crate::section;
use crate::table::{Column, Kind, LIST_SEPARATOR, Table};

/// What was read; the rows only as counts and digests.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) generated_at: Time,
    pub(super) org: Org,
    pub(super) period: Period,
    pub(super) summary: Summary,
    /// By CSV entry.
    pub(super) sections: BTreeMap<&'static str, Rows>,
    pub(super) audit_log: AuditRange,
    pub(super) chain: Chain,
}

pub(super) fn read(reader: &mut dyn Read, allowance: &Allowance) -> Result<Document, String> {
    // serde_json takes byte by byte: the buffer must be of a type that it can see through.
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(reader));
    let document = deserializer
        .deserialize_map(Members { allowance })
        .and_then(|document| deserializer.end().map(|()| document));
    document.map_err(|error| error.to_string())
}

/// The members in their order, each once.
struct Members<'a> {
    allowance: &'a Allowance,
}

impl Members<'_> {
    fn next<'de, T: DeserializeOwned, A: MapAccess<'de>>(
        &self,
        name: &'static str,
        map: &mut A,
    ) -> Result<T, A::Error> {
        self.key(name, map)?;
        map.next_value()
    }

    fn key<'de, A: MapAccess<'de>>(&self, name: &'static str, map: &mut A) -> Result<(), A::Error> {
        self.allowance.renew();
        match map.next_key::<String>()? {
            Some(key) if key == name => Ok(()),
            _ => Err(A::Error::custom(format!("the member {name} is not at its place"))),
        }
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the members {}", MEMBERS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let schema: String = self.next("schema", &mut map)?;
        if schema != SCHEMA {
            return Err(A::Error::custom(
                "its schema is not one this verifier knows; use a newer one",
            ));
        }
        let generated_at = self.next("generated_at", &mut map)?;
        let org = self.next("org", &mut map)?;
        let period = self.next("period", &mut map)?;
        let summary = self.next("summary", &mut map)?;
        let mut sections = BTreeMap::new();
        for table in section::ALL {
            self.key(table.name, &mut map)?;
            let rows = map.next_value_seed(Array { table, allowance: self.allowance })?;
            sections.insert(table.entry, rows);
        }
        let audit_log = self.next("audit_log", &mut map)?;
        let chain = self.next("chain", &mut map)?;
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("there is a member that does not belong there"));
        }
        Ok(Document { generated_at, org, period, summary, sections, audit_log, chain })
    }
}

/// The array of a section.
struct Array<'a> {
    table: &'static Table,
    allowance: &'a Allowance,
}

impl<'de> DeserializeSeed<'de> for Array<'_> {
    type Value = Rows;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rows, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Array<'_> {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the array {}", self.table.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows, A::Error> {
        let (mut values, mut rows) = (Values::default(), 0);
        while seq.next_element_seed(Object { table: self.table, values: &mut values })?.is_some() {
            self.allowance.renew();
            rows += 1;
        }
        Ok(values.finish(rows))
    }
}

/// One row: the keys of the header, in its order.
struct Object<'a> {
    table: &'static Table,
    values: &'a mut Values,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {}", self.table.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        for column in self.table.columns {
            if map.next_key_seed(Name(column.name))? != Some(true) {
                let (table, column) = (self.table.name, column.name);
                return Err(A::Error::custom(format!(
                    "a row of {table} lacks {column} at its place"
                )));
            }
            map.next_value_seed(Scalar { table: self.table, column, values: &mut *self.values })?;
        }
        match map.next_key::<String>()? {
            None => Ok(()),
            Some(_) => {
                Err(A::Error::custom(format!("a row of {} has a key too many", self.table.name)))
            }
        }
    }
}

/// A key: whether it is this one.
struct Name(&'static str);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {}", self.0)
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// One value or list of texts, put into the digest of its section without being kept.
struct Scalar<'a> {
    table: &'static Table,
    column: &'static Column,
    values: &'a mut Values,
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Scalar<'_> {
    /// Refuses a value of another kind than the column's.
    fn put<E: serde::de::Error>(
        self,
        kinds: &[Kind],
        put: impl FnOnce(&mut Values),
    ) -> Result<(), E> {
        if !kinds.contains(&self.column.kind) {
            let (table, column) = (self.table.name, self.column.name);
            return Err(E::custom(format!("{table}.{column} holds another kind of value")));
        }
        put(self.values);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a plain value in {}.{}", self.table.name, self.column.name)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.values.blank();
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.put(&[Kind::Flag], |values| values.flag(flag))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.put(&[Kind::Number], |values| values.integer(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        let number = i64::try_from(number).map_err(|_| E::custom("a number is too large"))?;
        self.visit_i64(number)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.put(&[Kind::Number], |values| values.decimal(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        // A blank is null, never an empty text.
        let kinds = if text.is_empty() { &[][..] } else { &[Kind::Text, Kind::Time] };
        self.put(kinds, |values| values.text(text))
    }

    /// A list is compared as the CSV shows it; the allowance of the row bounds it.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut parts: Vec<String> = Vec::new();
        while let Some(part) = seq.next_element()? {
            parts.push(part);
        }
        let joined = parts.join(LIST_SEPARATOR);
        self.put(&[Kind::List], |values| {
            if joined.is_empty() { values.blank() } else { values.text(&joined) }
        })
    }
}
