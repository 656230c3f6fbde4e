//! The top level of a single JSON document: which keys it has, without reading what is under them.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Code, DRIFTS_MAX, Error, textual};

/// No resource of a real plan comes near; it bounds the memory that comparing one takes.
const RESOURCE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Slices of the file under the keys that any of the formats uses; all other keys are skipped.
#[derive(Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) format_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) plan_format_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) terraform_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) timestamp: Option<&'a RawValue>,
    pub(super) errored: Option<bool>,
    pub(super) complete: Option<bool>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) resource_drift: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) resource_changes: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) prior_state: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) planned_values: Option<&'a RawValue>,
    pub(super) values: Option<IgnoredAny>,

    #[serde(borrow)]
    pub(super) summary: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) unmanaged: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) managed: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) missing: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) differences: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) alerts: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) date: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) provider_name: Option<&'a RawValue>,
    pub(super) coverage: Option<IgnoredAny>,

    #[serde(borrow)]
    pub(super) version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) serial: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) lineage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) resources: Option<&'a RawValue>,
}

pub(super) enum Kind {
    Plan,
    Driftctl,
    State,
}

/// A key that is there is there, also when it says null.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Document<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Error> {
        if !text.trim_start().starts_with('{') {
            serde_json::from_str::<IgnoredAny>(text).map_err(|fault| refuse(&fault))?;
            return Err(unknown_format());
        }
        serde_json::from_str(text).map_err(|fault| refuse(&fault))
    }

    pub(super) fn kind(&self) -> Result<Kind, Error> {
        let plan = self.resource_drift.is_some()
            || self.resource_changes.is_some()
            || self.planned_values.is_some()
            || self.prior_state.is_some();
        if self.format_version.is_some() || self.plan_format_version.is_some() {
            return match plan {
                true => Ok(Kind::Plan),
                // `terraform show -json` without a plan file shows the state.
                false if self.values.is_some() => Err(super::state::not_a_scan()),
                false => Err(Error::new(
                    Code::UnknownFormat,
                    "the file names a format version but holds no plan; run `terraform show -json \
                     <planfile>` with the file that `terraform plan -out` wrote",
                )),
            };
        }
        if self.summary.is_some() && self.coverage.is_some() {
            return Ok(Kind::Driftctl);
        }
        let state = self.serial.is_some() || self.lineage.is_some() || self.resources.is_some();
        if self.version.is_some() && state {
            return Ok(Kind::State);
        }
        Err(unknown_format())
    }
}

fn unknown_format() -> Error {
    Error::new(
        Code::UnknownFormat,
        "this is not a plan JSON (`terraform show -json <planfile>`), a plan stream (`terraform \
         plan -json`) or a driftctl report (`driftctl scan -o json://file`)",
    )
}

/// A parser's complaint, without quoting the file.
pub(super) fn refuse(fault: &serde_json::Error) -> Error {
    let (line, column) = (fault.line(), fault.column());
    let said = fault.to_string();
    if said.starts_with("recursion limit") {
        return textual::too_deep();
    }
    let message = match fault.classify() {
        Category::Eof => "the JSON ends early; the file was cut off, make it again".to_owned(),
        _ if said.contains("surrogate") => {
            format!("line {line}, column {column}: half of a surrogate pair is not text")
        }
        Category::Data => {
            return Error::new(
                Code::InvalidField,
                format!(
                    "line {line}, column {column}: a field is missing, doubled or of a wrong type"
                ),
            );
        }
        Category::Syntax | Category::Io => {
            format!("line {line}, column {column}: this is not JSON; make the file again")
        }
    };
    Error::new(Code::InvalidJson, message)
}

/// Reads an item that must be an object (a list would pass for its fields in order).
pub(super) fn object<'a, T: Deserialize<'a>>(item: &'a str) -> Result<T, Error> {
    if !item.trim_start().starts_with('{') {
        return Err(Error::field("every entry of a list of resources", "an object"));
    }
    serde_json::from_str(item).map_err(|fault| refuse(&fault))
}

/// Reads one field of a known type out of its slice.
pub(super) fn field<'a, T: Deserialize<'a>>(
    name: &str,
    wanted: &str,
    raw: Option<&'a RawValue>,
) -> Result<Option<T>, Error> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|_| Error::field(name, wanted)))
        .transpose()
        .map(Option::flatten)
}

/// Hands the items of an array to `each`, one at a time; null is an empty array.
pub(super) fn each_item<'a>(
    name: &'static str,
    raw: Option<&'a RawValue>,
    mut each: impl FnMut(&'a str) -> Result<(), Error>,
) -> Result<usize, Error> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(0) };
    let mut items = Items { name, count: 0, refused: None, each: &mut each };
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let outcome = (&mut items).deserialize(&mut deserializer);
    match (items.refused, outcome) {
        (Some(refused), _) => Err(refused),
        (None, Err(_)) => Err(Error::field(name, "a list")),
        (None, Ok(())) => Ok(items.count),
    }
}

struct Items<'f, F> {
    name: &'static str,
    count: usize,
    refused: Option<Error>,
    each: &'f mut F,
}

impl<'de, F: FnMut(&'de str) -> Result<(), Error>> Items<'_, F> {
    fn take(&mut self, item: &'de RawValue) -> Result<(), Error> {
        self.count += 1;
        if self.count > DRIFTS_MAX {
            return Err(Error::new(
                Code::TooManyResources,
                format!("{} has more than {DRIFTS_MAX} entries; split the state", self.name),
            ));
        }
        if item.get().len() > RESOURCE_BYTES_MAX {
            return Err(Error::new(
                Code::ResourceTooLarge,
                format!("an entry of {} is larger than 8 MiB", self.name),
            ));
        }
        (self.each)(item.get())
    }
}

impl<'de, F: FnMut(&'de str) -> Result<(), Error>> DeserializeSeed<'de> for &mut Items<'_, F> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&'de str) -> Result<(), Error>> Visitor<'de> for &mut Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            if let Err(refused) = self.take(item) {
                self.refused = Some(refused);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}
