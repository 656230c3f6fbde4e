//! The place as a whole: whether it is there, told from whether an object is.
//!
//! A folder where a volume should be mounted, and a bucket that is gone or is another one, look alike: nothing is found there, and much
//! can be written. A marker tells them from the place that we know.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opendal::Operator;

/// The object that says that a place is the storage.
const MARKER: &str = ".driftpack-storage";
const MARKER_TEXT: &str = "The packs and the work in progress of driftpack. While this file is missing, the place that holds it counts as away.\n";

/// What kind of place it is, and what a person would look at.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Folder(PathBuf),
    /// Such as `s3://packs/production`.
    Bucket(String),
    /// One in which our objects are never written over.
    WriteOnceBucket(String),
    Memory,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(root) => write!(f, "{}", root.display()),
            Self::Bucket(name) | Self::WriteOnceBucket(name) => f.write_str(name),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl Place {
    pub(crate) fn is_bucket(&self) -> bool {
        matches!(self, Self::Bucket(_) | Self::WriteOnceBucket(_))
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(root) => Some(root),
            _ => None,
        }
    }
}

/// Looks for the marker, and sets it the first time that the place can be written to.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    operator: Operator,
    place: Place,
    /// Whether it was there once; from then on its absence means that the place is away.
    is_known: Arc<AtomicBool>,
}

impl Marker {
    pub(crate) fn new(operator: Operator, place: Place) -> Self {
        Self { operator, place, is_known: Arc::default() }
    }

    /// Whether the place is there, at the cost of at most one call.
    pub(crate) async fn look(&self) -> opendal::Result<()> {
        match &self.place {
            Place::Memory => Ok(()),
            Place::Folder(root) => {
                self.look_in(root).then_some(()).ok_or_else(|| away(&self.place))
            }
            Place::Bucket(_) | Place::WriteOnceBucket(_) => self.look_in_bucket().await,
        }
    }

    /// As [`Self::look`]; asks nothing of a bucket that was there once, because a write to one that is gone fails by itself.
    pub(crate) async fn look_before_write(&self) -> opendal::Result<()> {
        if self.place.is_bucket() && self.is_known.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.look().await
    }

    /// Marks a folder when it is opened. A bucket is not asked then: the program starts without it, and says what is missing.
    pub(crate) fn open(&self) {
        if let Place::Folder(root) = &self.place {
            self.look_in(root);
        }
    }

    fn look_in(&self, root: &Path) -> bool {
        if self.is_known.load(Ordering::Relaxed) {
            return is_marked(root);
        }
        let marked = mark(root);
        if let Err(error) = &marked {
            tracing::warn!(%error, root = %root.display(), "the storage cannot be written to");
        }
        self.is_known.store(marked.is_ok(), Ordering::Relaxed);
        marked.is_ok()
    }

    async fn look_in_bucket(&self) -> opendal::Result<()> {
        match self.operator.stat(MARKER).await {
            Ok(_) => {}
            Err(error) if error.kind() != opendal::ErrorKind::NotFound => return Err(error),
            Err(_) if self.is_known.load(Ordering::Relaxed) => return Err(away(&self.place)),
            Err(_) => {
                let written = self.operator.write_with(MARKER, MARKER_TEXT);
                written.content_type("text/plain").await?;
            }
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn away(place: &Place) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::ConfigInvalid, "the place is away")
        .with_context("place", place.to_string())
}

/// Whether the folder that holds the objects is there.
pub(crate) fn is_marked(root: &Path) -> bool {
    root.join(MARKER).is_file()
}

/// Says that `root` is the storage, unless it says so already.
fn mark(root: &Path) -> std::io::Result<()> {
    if is_marked(root) {
        return Ok(());
    }
    std::fs::create_dir_all(root)?;
    std::fs::write(root.join(MARKER), MARKER_TEXT)
}
