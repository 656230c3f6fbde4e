//! What can go wrong with bytes at rest, and whether trying again can help.
//!
//! An object that is missing stays missing, unless the whole place is away; bytes that are not the ones that were written stay so, and
//! so does a place that is misconfigured: permanent. Everything else (no permission, no space, a read-only or absent folder, a
//! bucket that is gone, a service that is away) is healed by somebody sooner or later: transient. The message names the object and
//! the way out; the cause is kept as the source.

use std::fmt;

use crate::place::{Place, is_marked};

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Open,
    Stat,
    Read,
    Write,
    Publish,
    Remove,
    Sweep,
    List,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open the storage",
            Self::Stat => "look up object",
            Self::Read => "read object",
            Self::Write => "write object",
            Self::Publish => "publish object",
            Self::Remove => "remove object",
            Self::Sweep => "sweep",
            Self::List => "list",
        })
    }
}

/// An operation on storage that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} {object}: {cause}")]
pub struct Error {
    operation: Operation,
    object: String,
    cause: Cause,
    source: Box<opendal::Error>,
}

#[derive(Debug)]
enum Cause {
    Missing,
    Altered,
    Misconfigured,
    /// The service knows us and says no, or does not know us.
    Refused(Place),
    /// The bucket is not there, or is not the one that it was.
    NoBucket(Place),
    Unavailable(Place),
}

impl Cause {
    fn of(operation: Operation, place: &Place, source: &opendal::Error) -> Self {
        use opendal::ErrorKind as Kind;
        match source.kind() {
            Kind::NotFound
                if is_about_an_object(operation) && place.folder().is_none_or(is_marked) =>
            {
                Self::Missing
            }
            Kind::ConfigInvalid if operation == Operation::Open => Self::Misconfigured,
            Kind::NotFound | Kind::ConfigInvalid if place.is_bucket() => {
                Self::NoBucket(place.clone())
            }
            Kind::PermissionDenied if place.is_bucket() => Self::Refused(place.clone()),
            Kind::Unsupported | Kind::RangeNotSatisfied => Self::Misconfigured,
            _ => Self::Unavailable(place.clone()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such object"),
            Self::Altered => f.write_str(
                "its bytes are not the ones that were written; bring it back from a backup, or make it again",
            ),
            Self::Misconfigured => {
                f.write_str("the storage does not offer this; check its configuration")
            }
            Self::Refused(place) => write!(
                f,
                "{place} refuses it; check the credentials, this machine's clock, and that they may read, write, list and delete \
                 there; the work goes on by itself once it is so"
            ),
            Self::NoBucket(place) => write!(
                f,
                "check that the bucket of {place} exists, is the one that it was, and lies in the configured region; the work goes on \
                 by itself once it is so"
            ),
            Self::Unavailable(Place::Folder(root)) => write!(
                f,
                "check that the folder {} exists, that its volume is mounted, that this process may write to it and that its \
                 disk is not full; \
                 the work goes on by itself once it is so",
                root.display()
            ),
            Self::Unavailable(place) => write!(
                f,
                "the storage {place} is unavailable; the work goes on by itself once it is back"
            ),
        }
    }
}

impl Error {
    pub(crate) fn new(
        operation: Operation,
        object: String,
        place: &Place,
        source: opendal::Error,
    ) -> Self {
        let cause = Cause::of(operation, place, &source);
        Self { operation, object, cause, source: Box::new(source) }
    }

    /// What was missing is so because the place is.
    pub(crate) fn because(self, place: &Place, source: opendal::Error) -> Self {
        let cause = Cause::of(Operation::Write, place, &source);
        Self { cause, source: Box::new(source), ..self }
    }

    /// The object is there, and its bytes are others than were written.
    pub(crate) fn altered(object: String) -> Self {
        let source = opendal::Error::new(opendal::ErrorKind::Unexpected, "the digests differ");
        Self { operation: Operation::Read, object, cause: Cause::Altered, source: source.into() }
    }

    /// Whether the same call may succeed later without a change of program or data.
    pub fn is_transient(&self) -> bool {
        matches!(self.cause, Cause::Unavailable(_) | Cause::Refused(_) | Cause::NoBucket(_))
    }

    /// Whether the object is not there. A whole place that is away is a trouble, not a missing object.
    pub fn is_missing(&self) -> bool {
        matches!(self.cause, Cause::Missing)
    }

    /// Whether the object is there with other bytes than were written.
    pub fn is_altered(&self) -> bool {
        matches!(self.cause, Cause::Altered)
    }

    pub fn operation(&self) -> Operation {
        self.operation
    }
}

/// Whether "not found" speaks of an object. For a write it speaks of the folder or the bucket above.
fn is_about_an_object(operation: Operation) -> bool {
    matches!(operation, Operation::Stat | Operation::Read | Operation::Publish)
}
