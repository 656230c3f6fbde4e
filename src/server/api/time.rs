//! Times of the document: read as RFC 3339 only, written as everywhere in the product.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Utc};
use evidence::time::{Time, stamp};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde_json::Value;

/// A moment. Written with six digits and `Z` (`2026-01-31T23:59:59.000000Z`); any offset is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) Time);

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        Self(time)
    }
}

impl Timestamp {
    fn read(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.with_timezone(&Utc)))
    }
}

/// What the database and every part can count with.
pub(super) fn is_in_range(time: Time) -> bool {
    (1970..=9999).contains(&time.year())
}

impl Type for Timestamp {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_date-time".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "date-time")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Timestamp {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        let Value::String(text) = &value else { return Err(ParseError::expected_type(value)) };
        Self::read(text).ok_or_else(|| ParseError::custom(EXPECTED))
    }
}

/// A parameter goes to the database as it is, so it has to be a time that the database knows.
impl ParseFromParameter for Timestamp {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let read = Self::read(text).filter(|at| is_in_range(at.0));
        read.ok_or_else(|| ParseError::custom(EXPECTED))
    }
}

impl ToJSON for Timestamp {
    fn to_json(&self) -> Option<Value> {
        Some(stamp(self.0).into())
    }
}

const EXPECTED: &str =
    "a time must look like 2026-01-31T23:59:59Z (RFC 3339) and lie between the years 1970 and 9999";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_z() {
        let at = Timestamp::parse_from_parameter("2026-01-31T23:59:59+02:00").unwrap();
        assert_eq!(at.to_json(), Some("2026-01-31T21:59:59.000000Z".into()));
        let again = Timestamp::parse_from_json(at.to_json()).unwrap();
        assert_eq!(again, at);
    }

    #[test]
    fn what_is_no_rfc_3339_time_of_our_era_is_refused_as_a_parameter() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T23:59:59",
            "31 Jan 2026 23:59:59 +0000",
            "-5000-01-01T00:00:00Z",
            "+12026-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59-01:00",
            "2026-01-31T23:59:59Z\0",
        ] {
            assert!(Timestamp::parse_from_parameter(text).is_err(), "{text}");
        }
    }
}
