#![doc = include_str!("README.md")]

mod error;
mod keys;
mod listing;
mod options;
mod place;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use opendal::Operator;
use tokio::sync::Mutex;
use uuid::Uuid;

pub use error::{Error, Operation};
pub use keys::{Attempt, Key, KeyError};
pub use listing::Artifact;
pub use options::{AccessKey, Encryption, Gcs, GcsCredentials, Options, S3};
pub use writer::Writer;

use options::Patience;
use place::{Marker, Place};

/// How many bytes travel at once. Large enough that system calls do not show, small enough that a dozen open
/// objects cost little.
pub const CHUNK_BYTES: usize = 1 << 20;

/// A handle to the objects; cheap to clone.
#[derive(Clone, Debug)]
pub struct Storage {
    operator: Operator,
    place: Place,
    marker: Marker,
    /// The object of this process's readiness probe; one probe at a time, or one would remove what another looks for.
    probe: Arc<Mutex<Key>>,
}

/// What is known of an object without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub size_bytes: u64,
}

impl Storage {
    /// Opens the place that `options` name. A bucket is not asked yet: whether it answers is for [`Self::check`] to say.
    ///
    /// Errors when the options cannot be used.
    pub fn open(options: &Options) -> Result<Self, Error> {
        Self::open_patiently(options, &Patience::default())
    }

    fn open_patiently(options: &Options, patience: &Patience) -> Result<Self, Error> {
        let (operator, place) = options::operator(options, patience);
        let operator =
            operator.map_err(|e| Error::new(Operation::Open, place.to_string(), &place, e))?;
        let marker = Marker::new(operator.clone(), place.clone());
        marker.open();
        Ok(Self { operator, place, marker, probe: Arc::new(Mutex::new(Key::probe())) })
    }

    /// What is known of an object; `None` when there is none.
    pub async fn find(&self, key: &Key) -> Result<Option<Stat>, Error> {
        match self.stat(key).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What is known of an object; an error with `is_missing()` when there is none.
    pub async fn stat(&self, key: &Key) -> Result<Stat, Error> {
        match self.operator.stat(key.as_str()).await {
            Ok(found) => Ok(Stat { size_bytes: found.content_length() }),
            Err(e) => Err(self.doubt(self.error(Operation::Stat, key, e)).await),
        }
    }

    pub async fn exists(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.find(key).await?.is_some())
    }

    /// Moves a finished staging object to its lasting key.
    ///
    /// May be repeated: when the target stands and the source is gone, it was done before.
    pub async fn publish(&self, from: &Key, to: &Key) -> Result<(), Error> {
        match self.rename(from, to).await {
            Ok(()) => self.sync_folders(to).await,
            Err(e) if e.is_missing() && self.exists(to).await? => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn rename(&self, from: &Key, to: &Key) -> Result<(), Error> {
        if self.operator.info().capability().rename {
            let renamed = self.operator.rename(from.as_str(), to.as_str()).await;
            return renamed.map_err(|e| self.error(Operation::Publish, from, e));
        }
        if self.operator.info().capability().copy {
            let copied = self.operator.copy(from.as_str(), to.as_str()).await;
            if let Err(e) = copied {
                return Err(self.doubt(self.error(Operation::Publish, from, e)).await);
            }
        } else {
            self.copy_through(from, to).await?;
        }
        self.remove(from).await
    }

    /// Removes an object; one that is not there counts as removed.
    pub async fn remove(&self, key: &Key) -> Result<(), Error> {
        self.require(Operation::Remove, key.as_str()).await?;
        let removed = self.operator.delete(key.as_str()).await;
        removed.map_err(|e| self.error(Operation::Remove, key, e))
    }

    /// Removes everything that a run has staged, finished or not.
    pub async fn sweep(&self, run_id: Uuid) -> Result<(), Error> {
        self.remove_all(keys::staging_prefix(run_id)).await
    }

    /// Removes whatever was published for an export.
    pub async fn remove_artifacts(&self, org: Uuid, export: Uuid) -> Result<(), Error> {
        self.remove_all(keys::artifacts_prefix(org, export)).await
    }

    /// Removes what readiness checks have left that were killed. A check that is under way begins again.
    pub async fn sweep_probes(&self) -> Result<(), Error> {
        self.remove_all(keys::probes_root().to_owned()).await
    }

    async fn remove_all(&self, prefix: String) -> Result<(), Error> {
        self.require(Operation::Sweep, &prefix).await?;
        let removed = self.operator.delete_with(&prefix).recursive(true).await;
        removed.map_err(|e| Error::new(Operation::Sweep, prefix, &self.place, e))
    }

    /// Whether objects can be written, read back and removed at this moment.
    pub async fn check(&self) -> Result<(), Error> {
        let mut key = self.probe.lock().await;
        match self.probe(&key).await {
            Ok(()) => return Ok(()),
            // What a probe that failed has left may never be written again; the next retention takes it away.
            Err(e) if !e.is_missing() => {
                *key = Key::probe();
                return Err(e);
            }
            Err(_) => *key = Key::probe(),
        }
        self.probe(&key).await
    }

    async fn probe(&self, key: &Key) -> Result<(), Error> {
        const PROBE: &[u8] = b"driftpack readiness probe\n";
        let mut writer = self.writer(key).await?;
        writer.write(PROBE.into()).await?;
        writer.close().await?;
        let found = self.stat(key).await?;
        self.remove(key).await?;
        if found.size_bytes == PROBE.len() as u64 {
            return Ok(());
        }
        let short = opendal::Error::new(opendal::ErrorKind::Unexpected, "the probe came back cut");
        Err(self.error(Operation::Read, key, short))
    }

    /// Makes the names of an object and of its folders outlive a power failure.
    ///
    /// opendal syncs the bytes of a file, not the folder that holds its name. Services other than a file system
    /// promise durability when they acknowledge.
    async fn sync_folders(&self, key: &Key) -> Result<(), Error> {
        let Place::Folder(root) = self.place.clone() else { return Ok(()) };
        let object = root.join(key.as_str());
        let synced = tokio::task::spawn_blocking(move || {
            let folders = object.ancestors().skip(1).take_while(|folder| folder.starts_with(&root));
            folders.into_iter().try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
        });
        let synced = synced.await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        synced.map_err(|e| {
            let e = opendal::Error::new(opendal::ErrorKind::Unexpected, "folder not synced")
                .set_source(e);
            self.error(Operation::Write, key, e)
        })
    }

    /// Refuses what would go, unseen, to the empty place where a volume should be.
    async fn require(&self, operation: Operation, object: &str) -> Result<(), Error> {
        let looked = self.marker.look_before_write().await;
        looked.map_err(|e| Error::new(operation, object.to_owned(), &self.place, e))
    }

    /// An object that is missing, unless its whole bucket is: the two look alike to who asks for an object.
    async fn doubt(&self, error: Error) -> Error {
        if !error.is_missing() || !self.place.is_bucket() {
            return error;
        }
        match self.marker.look().await {
            Ok(()) => error,
            Err(e) => error.because(&self.place, e),
        }
    }

    fn error(&self, operation: Operation, key: &Key, source: opendal::Error) -> Error {
        Error::new(operation, key.to_string(), &self.place, source)
    }
}
