//! What can go wrong with bytes at rest, and whether trying again can help.
//!
//! An object that is missing stays missing, unless the whole folder is away; and a place that is misconfigured stays so: permanent. Everything else (no
//! permission, no space, a read-only or absent folder, a service that is away) is healed by somebody sooner or later:
//! transient. The message names the object and the way out; the cause is kept as the source.

use std::fmt;
use std::path::{Path, PathBuf};

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
    Misconfigured,
    /// The folder that a person would look at, where there is one.
    Unavailable(Option<PathBuf>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such object"),
            Self::Misconfigured => {
                f.write_str("the storage does not offer this; check its configuration")
            }
            Self::Unavailable(Some(root)) => write!(
                f,
                "check that the folder {} exists, that its volume is mounted, that this process may write to it and that its \
                 disk is not full; \
                 the work goes on by itself once it is so",
                root.display()
            ),
            Self::Unavailable(None) => f.write_str(
                "the storage is unavailable; the work goes on by itself once it is back",
            ),
        }
    }
}

impl Error {
    pub(crate) fn new(
        operation: Operation,
        object: String,
        root: Option<&Path>,
        source: opendal::Error,
    ) -> Self {
        use opendal::ErrorKind as Kind;
        let cause = match source.kind() {
            Kind::NotFound if is_about_an_object(operation) && root.is_none_or(is_here) => {
                Cause::Missing
            }
            Kind::Unsupported | Kind::RangeNotSatisfied => Cause::Misconfigured,
            _ => Cause::Unavailable(root.map(Path::to_path_buf)),
        };
        Self { operation, object, cause, source: Box::new(source) }
    }

    /// Whether the same call may succeed later without a change of program or data.
    pub fn is_transient(&self) -> bool {
        matches!(self.cause, Cause::Unavailable(_))
    }

    /// Whether the object is not there. A whole folder that is away is a trouble, not a missing object.
    pub fn is_missing(&self) -> bool {
        matches!(self.cause, Cause::Missing)
    }

    pub fn operation(&self) -> Operation {
        self.operation
    }
}

/// The file that says that a folder is the storage, and not the empty place where its volume should be.
const MARKER: &str = ".driftpack-storage";
const MARKER_TEXT: &str = "The packs and the work in progress of driftpack. While this file is missing, its volume counts as away.\n";

/// Whether the folder that holds the objects is there.
pub(crate) fn is_here(root: &Path) -> bool {
    root.join(MARKER).is_file()
}

/// Says that `root` is the storage, unless it says so already.
pub(crate) fn mark(root: &Path) -> std::io::Result<()> {
    if is_here(root) {
        return Ok(());
    }
    std::fs::create_dir_all(root)?;
    std::fs::write(root.join(MARKER), MARKER_TEXT)
}

/// Whether "not found" speaks of an object. For a write it speaks of the folder above.
fn is_about_an_object(operation: Operation) -> bool {
    matches!(operation, Operation::Stat | Operation::Read | Operation::Publish)
}
