//! Columns as the domain's types: words become enums, 32 bytes become a digest.
//!
//! `evidence` knows no SQL, so its types cannot be decoded directly; the macros of sqlx call `into`
//! on what they decode, and these wrappers are what they decode.

use std::str::FromStr;

use evidence::action::{Action, ActorKind};
use evidence::chain::{BadKind, Extent};
use evidence::finding::{EventKind, Resolution, Status};
use evidence::org::{InvitationStatus, Plan, Role};
use evidence::risk::{CustomLevel, RiskLevel};
use evidence::scan::{DriftType, ScanStatus, SourceKind};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef, Postgres};
use sqlx::{Decode, Type, ValueRef};

/// A text column that holds one of the words of `T`.
#[derive(Debug)]
pub(crate) struct Word<T>(T);

/// The same, or null.
#[derive(Debug)]
pub(crate) struct MaybeWord<T>(Option<T>);

/// A bytea column that holds a SHA-256.
#[derive(Debug)]
pub(crate) struct Digest([u8; 32]);

/// The same, or null.
#[derive(Debug)]
pub(crate) struct MaybeDigest(Option<[u8; 32]>);

/// A column that counts something: never negative.
#[derive(Debug)]
pub(crate) struct Count(u64);

/// The same, or null.
#[derive(Debug)]
pub(crate) struct MaybeCount(Option<u64>);

macro_rules! stored_as {
    ($($name:ident $(<$param:ident>)? => $stored:ty;)+) => {$(
        impl$(<$param>)? Type<Postgres> for $name$(<$param>)? {
            fn type_info() -> PgTypeInfo {
                <$stored as Type<Postgres>>::type_info()
            }

            fn compatible(found: &PgTypeInfo) -> bool {
                <$stored as Type<Postgres>>::compatible(found)
            }
        }
    )+};
}

stored_as! {
    Word<T> => String;
    MaybeWord<T> => String;
    Digest => Vec<u8>;
    MaybeDigest => Vec<u8>;
    Count => i64;
    MaybeCount => i64;
}

impl<'r, T> Decode<'r, Postgres> for Word<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Postgres>>::decode(value)?.parse()?))
    }
}

impl<'r, T> Decode<'r, Postgres> for MaybeWord<T>
where
    Word<T>: Decode<'r, Postgres>,
{
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() { Ok(Self(None)) } else { Word::decode(value).map(|w| Self(Some(w.0))) }
    }
}

impl<'r> Decode<'r, Postgres> for Digest {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<&[u8] as Decode<Postgres>>::decode(value)?.try_into()?))
    }
}

impl<'r> Decode<'r, Postgres> for MaybeDigest {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            Ok(Self(None))
        } else {
            Digest::decode(value).map(|d| Self(Some(d.0)))
        }
    }
}

impl<'r> Decode<'r, Postgres> for Count {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<i64 as Decode<Postgres>>::decode(value)?.try_into()?))
    }
}

impl<'r> Decode<'r, Postgres> for MaybeCount {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() { Ok(Self(None)) } else { Count::decode(value).map(|c| Self(Some(c.0))) }
    }
}

impl From<Digest> for [u8; 32] {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl From<MaybeDigest> for Option<[u8; 32]> {
    fn from(digest: MaybeDigest) -> Self {
        digest.0
    }
}

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0
    }
}

impl From<MaybeCount> for Option<u64> {
    fn from(count: MaybeCount) -> Self {
        count.0
    }
}

macro_rules! words {
    ($($word:ty,)+) => {$(
        impl From<Word<$word>> for $word {
            fn from(column: Word<$word>) -> Self {
                column.0
            }
        }

        impl From<MaybeWord<$word>> for Option<$word> {
            fn from(column: MaybeWord<$word>) -> Self {
                column.0
            }
        }
    )+};
}

words! {
    Action,
    ActorKind,
    BadKind,
    CustomLevel,
    DriftType,
    EventKind,
    Extent,
    InvitationStatus,
    Plan,
    Resolution,
    RiskLevel,
    Role,
    ScanStatus,
    SourceKind,
    Status,
    crate::exports::Status,
    evidence::chain::Status,
}

/// A number that the database keeps as `bigint`; what does not fit is cut to the largest that does.
pub(crate) fn bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
