//! Writing one object in chunks.
//!
//! In a bucket an object appears when its writer is closed, and not before. In a folder one whose writer was not closed may exist in
//! part: harmless under `staging/`, where only a checkpoint gives an object a meaning, and the run's sweep takes it away.

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use crate::place::Place;
use crate::{CHUNK_BYTES, Error, Key, Operation, Stat, Storage};

/// How much goes to a bucket at once. Services take parts of 5 MiB or more and 10,000 of them, so an object may have 80 GB.
const PART_BYTES: usize = 8 << 20;

/// How much of a file may wait in memory before it is sent to the disk, while more of it comes: a file of hundreds of megabytes would keep whoever closes
/// it waiting for the disk alone.
const FLUSH_BYTES: u64 = 32 << 20;

/// Nobody but us reads an object; what it is stands elsewhere.
const CONTENT_TYPE: &str = "application/octet-stream";

/// An object that is being written.
pub struct Writer {
    storage: Storage,
    key: Key,
    /// Absent once it is closed or given up.
    inner: Option<opendal::Writer>,
    waiting: BytesMut,
    written_bytes: u64,
    flush: Flush,
}

impl Storage {
    /// Starts an object at `key`. Keys of writers are used once; a folder would write over what is there.
    pub async fn writer(&self, key: &Key) -> Result<Writer, Error> {
        self.require(Operation::Write, key.as_str()).await?;
        let writer = self.operator.writer_with(key.as_str());
        let inner = match &self.place {
            Place::Folder(_) | Place::Memory => writer.await,
            Place::Bucket(_) => writer.chunk(PART_BYTES).content_type(CONTENT_TYPE).await,
            // An upload that is begun this way and never ended goes by itself after a week.
            Place::WriteOnceBucket(_) => {
                writer.if_not_exists(true).content_type(CONTENT_TYPE).await
            }
        };
        let inner = inner.map_err(|e| self.error(Operation::Write, key, e))?;
        Ok(Writer {
            storage: self.clone(),
            key: key.clone(),
            inner: Some(inner),
            waiting: BytesMut::new(),
            written_bytes: 0,
            flush: Flush::of(&self.place, key),
        })
    }

    /// Copies an object through this process, for services that cannot do it themselves.
    pub(crate) async fn copy_through(&self, from: &Key, to: &Key) -> Result<(), Error> {
        use futures_util::TryStreamExt as _;
        let mut source = self.read(from).await?;
        let mut target = self.writer(to).await?;
        while let Some(chunk) = source.try_next().await? {
            target.write(chunk).await?;
        }
        target.close().await?;
        Ok(())
    }
}

impl Writer {
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Adds bytes; small pieces are gathered to chunks.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.written_bytes += bytes.len() as u64;
        if self.waiting.is_empty() && bytes.len() >= CHUNK_BYTES {
            return self.send(bytes).await;
        }
        self.waiting.extend_from_slice(&bytes);
        if self.waiting.len() >= CHUNK_BYTES {
            let chunk = self.waiting.split().freeze();
            self.send(chunk).await?;
        }
        Ok(())
    }

    /// Finishes the object: its bytes and its name are at rest when this returns.
    pub async fn close(mut self) -> Result<Stat, Error> {
        let rest = self.waiting.split().freeze();
        if !rest.is_empty() || self.written_bytes == 0 {
            self.send(rest).await?;
        }
        if let Some(inner) = &mut self.inner {
            let closed = inner.close().await;
            closed.map_err(|e| self.storage.error(Operation::Write, &self.key, e))?;
        }
        self.inner = None;
        self.storage.sync_folders(&self.key).await?;
        Ok(Stat { size_bytes: self.written_bytes })
    }

    /// Gives the object up and removes what was written of it.
    pub async fn abort(mut self) -> Result<(), Error> {
        let Some(mut inner) = self.inner.take() else { return Ok(()) };
        match inner.abort().await {
            Err(e) if e.kind() == opendal::ErrorKind::Unsupported => {
                self.storage.remove(&self.key).await
            }
            aborted => aborted.map_err(|e| self.storage.error(Operation::Write, &self.key, e)),
        }
    }

    async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        let bytes = chunk.len() as u64;
        let sent = inner.write(chunk).await;
        sent.map_err(|e| self.storage.error(Operation::Write, &self.key, e))?;
        self.flush.more(bytes);
        Ok(())
    }
}

/// Sends a file to the disk while it is written. Only a head start: whether all of it is there is for the sync that ends the file to
/// say, over its own descriptor, which learns of each failed write whoever else has learnt of it.
struct Flush {
    /// In a folder.
    file: Option<PathBuf>,
    waiting_bytes: u64,
    running: Option<JoinHandle<()>>,
}

impl Flush {
    fn of(place: &Place, key: &Key) -> Self {
        let file = place.folder().map(|root| root.join(key.as_str()));
        Self { file, waiting_bytes: 0, running: None }
    }

    fn more(&mut self, bytes: u64) {
        self.waiting_bytes += bytes;
        let is_busy = self.running.as_ref().is_some_and(|running| !running.is_finished());
        if self.waiting_bytes < FLUSH_BYTES || is_busy {
            return;
        }
        let Some(file) = self.file.clone() else { return };
        self.waiting_bytes = 0;
        self.running = Some(tokio::task::spawn_blocking(move || {
            let synced = std::fs::File::open(&file).and_then(|file| file.sync_data());
            if let Err(error) = synced {
                tracing::debug!(%error, file = %file.display(), "a file could not be sent to the disk early");
            }
        }));
    }
}

impl Drop for Writer {
    /// Whoever drops a writer has failed or was cancelled: the parts that a bucket keeps for it are given up behind it.
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take().filter(|_| self.storage.place.is_bucket()) else {
            return;
        };
        let key = self.key.clone();
        // Outside a runtime only when the process ends; the bucket's own rules take the parts away then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = inner.abort().await {
                    tracing::warn!(%key, %error, "an unfinished upload could not be given up; the bucket's lifecycle rule ends it");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use uuid::Uuid;

    use super::*;
    use crate::{Attempt, Options};

    #[tokio::test]
    async fn a_large_file_goes_to_the_disk_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(&Options::Fs { root: folder.path().to_owned() }).unwrap();
        let key = Key::staging(&Attempt::new(Uuid::nil(), 0, 1), "data.json");
        let mut writer = storage.writer(&key).await.unwrap();
        let piece = Bytes::from(vec![7; CHUNK_BYTES]);
        while writer.written_bytes < 2 * FLUSH_BYTES {
            writer.write(piece.clone()).await.unwrap();
            assert_eq!(writer.flush.running.is_some(), writer.written_bytes >= FLUSH_BYTES);
        }
        let written = writer.close().await.unwrap().size_bytes;
        let chunks: Vec<Bytes> = storage.read(&key).await.unwrap().try_collect().await.unwrap();
        assert_eq!(written, chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>());
        assert!(chunks.iter().all(|chunk| *chunk == piece));
    }
}
