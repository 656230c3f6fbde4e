//! Staged objects: what a step leaves in storage for the steps after it.
//!
//! Invariants
//! - A staged object is named by a checkpoint with its hash and read back against it, so an object that was lost, cut or mixed up
//!   is found before anything is made of it.
//! - The blocking ends ([`Sink`], [`Source`]) live on blocking threads and reach storage through the runtime's handle. They
//!   stop at the next chunk when the attempt they belong to is gone.

use std::io::{self, Write};
use std::pin::Pin;

use bundle::csv::Counted;
use bundle::digest::{self, Digest, Fingerprint};
use bundle::packed::Packed;
use bytes::{Bytes, BytesMut};
use engine::{Failure, StepContext};
use futures_util::future::BoxFuture;
use futures_util::{Stream, TryStreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use storage::{Attempt, Key, Storage, Writer};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{Ports, trouble};

/// What is gathered before it goes to storage, which gathers further.
const CHUNK_BYTES: usize = 256 * 1024;

/// A staged object, as checkpoints name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// The entry of the pack that it holds, or a name of our own.
    pub(crate) entry: String,
    pub(crate) key: Key,
    /// Data rows or lines; absent where the entry has none.
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: u64,
    /// Lower-case hex.
    pub(crate) sha256: String,
    /// Of an object that holds the entry's compressed bytes: all but `bytes` and `sha256`, which are the entry's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) packed: Option<Packed>,
}

/// A staged object that is not what its checkpoint says.
#[derive(Debug, thiserror::Error)]
#[error("the staged object {key} is not what was written there; retry from the step that made it")]
pub(crate) struct Altered {
    pub(crate) key: Key,
}

impl Altered {
    pub(crate) fn failure(key: &Key) -> Failure {
        Failure::permanent(Self { key: key.clone() }).code(trouble::STAGED)
    }
}

impl Staged {
    pub(crate) fn table(entry: &str, key: Key, counted: &Counted) -> Self {
        let Counted { rows, bytes, sha256, .. } = counted.clone();
        Self { entry: entry.to_owned(), key, rows: Some(rows), bytes, sha256, packed: None }
    }

    pub(crate) fn file(entry: &str, key: Key, digest: Digest) -> Self {
        Self {
            entry: entry.to_owned(),
            key,
            rows: None,
            bytes: digest.bytes,
            sha256: digest.sha256,
            packed: None,
        }
    }

    /// What is staged are the entry's compressed bytes.
    pub(crate) fn packed(self, packed: Packed) -> Self {
        Self { packed: Some(packed), ..self }
    }

    pub(crate) fn lines(entry: &str, key: Key, digest: Digest) -> Self {
        Self { rows: Some(digest.lines), ..Self::file(entry, key, digest) }
    }

    pub(crate) fn digest(&self) -> Digest {
        let lines = self.rows.unwrap_or_default();
        Digest { sha256: self.sha256.clone(), bytes: self.bytes, lines }
    }
}

/// The keys of one attempt of one step.
pub(crate) fn attempt(step: &StepContext<Ports>) -> Attempt {
    Attempt::new(step.run_id(), step.epoch(), step.attempt())
}

/// Work that ends at once when its run is cancelled; what it has under way on blocking threads stops with it.
pub(crate) fn unless_cancelled<'a, T>(
    cancelled: CancellationToken,
    work: impl Future<Output = Result<T, Failure>> + Send + 'a,
) -> BoxFuture<'a, Result<T, Failure>> {
    let work = Box::pin(work);
    Box::pin(async move {
        let done = cancelled.run_until_cancelled_owned(work).await;
        done.unwrap_or_else(|| Err(Failure::transient(Cancelled).code(trouble::CANCELLED)))
    })
}

/// The engine ends the run after this; nobody reads it as a reason.
#[derive(Debug, thiserror::Error)]
#[error("the run was cancelled")]
struct Cancelled;

/// Stages bytes at hand.
pub(crate) async fn put(
    storage: &Storage,
    key: Key,
    entry: &str,
    bytes: Vec<u8>,
) -> Result<Staged, Failure> {
    let digest = digest::of(&bytes);
    let mut writer = storage.writer(&key).await.map_err(trouble::storage)?;
    writer.write(bytes.into()).await.map_err(trouble::storage)?;
    writer.close().await.map_err(trouble::storage)?;
    Ok(Staged::file(entry, key, digest))
}

/// Reads a small staged document back.
pub(crate) async fn load<T: DeserializeOwned>(
    storage: &Storage,
    staged: &Staged,
) -> Result<T, Failure> {
    let mut chunks = storage.read(&staged.key).await.map_err(trouble::storage)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.try_next().await.map_err(trouble::storage)? {
        bytes.extend_from_slice(&chunk);
    }
    if digest::sha256_hex(&bytes) != staged.sha256 {
        return Err(Altered::failure(&staged.key));
    }
    serde_json::from_slice(&bytes).map_err(trouble::internal)
}

/// The fingerprint of what an object in storage really holds.
pub(crate) async fn fingerprint_of(storage: &Storage, key: &Key) -> Result<String, Failure> {
    let mut chunks = storage.read(key).await.map_err(trouble::storage)?;
    let mut fingerprint = Fingerprint::default();
    while let Some(chunk) = chunks.try_next().await.map_err(trouble::storage)? {
        fingerprint.update(&chunk);
    }
    Ok(fingerprint.finish())
}

/// The blocking end of an object that is being written.
pub(crate) struct Sink {
    writer: Writer,
    runtime: Handle,
    stop: CancellationToken,
    buffer: BytesMut,
}

impl Sink {
    /// To be made and used on a blocking thread.
    pub(crate) fn create(
        storage: &Storage,
        key: &Key,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        halt_if(stop)?;
        let runtime = Handle::current();
        let writer = runtime.block_on(storage.writer(key)).map_err(io::Error::other)?;
        Ok(Self { writer, runtime, stop: stop.clone(), buffer: BytesMut::new() })
    }

    /// Finishes the object; without it the object means nothing.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let rest = self.rest();
        self.send(rest)?;
        self.runtime.block_on(self.writer.close()).map(drop).map_err(io::Error::other)
    }

    /// Takes bytes, and gives them back as a chunk once there are enough to be sent.
    pub(crate) fn gather(&mut self, bytes: &[u8]) -> io::Result<Option<Bytes>> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(None);
        }
        halt_if(&self.stop)?;
        Ok(Some(self.rest()))
    }

    /// What was gathered and not yet given back.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }

    pub(crate) fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        self.runtime.block_on(self.writer.write(chunk)).map_err(io::Error::other)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(chunk) = self.gather(bytes)? {
            self.send(chunk)?;
        }
        Ok(bytes.len())
    }

    /// Bytes go out in chunks, and all of them when finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, storage::Error>> + Send>>;

/// The blocking end of an object that is being read.
pub(crate) struct Source {
    chunks: Chunks,
    runtime: Handle,
    stop: CancellationToken,
    rest: Bytes,
}

impl Source {
    /// To be made and used on a blocking thread.
    pub(crate) fn open(storage: &Storage, key: &Key, stop: &CancellationToken) -> io::Result<Self> {
        halt_if(stop)?;
        let runtime = Handle::current();
        let chunks = runtime.block_on(storage.read(key)).map_err(io::Error::other)?;
        Ok(Self { chunks: Box::pin(chunks), runtime, stop: stop.clone(), rest: Bytes::new() })
    }
}

impl Source {
    /// Hands everything to a writer, chunk by chunk as it comes from storage.
    pub(crate) fn pour(mut self, writer: &mut impl Write) -> io::Result<()> {
        loop {
            writer.write_all(&std::mem::take(&mut self.rest))?;
            halt_if(&self.stop)?;
            match self.runtime.block_on(self.chunks.try_next()).map_err(io::Error::other)? {
                Some(chunk) => self.rest = chunk,
                None => return Ok(()),
            }
        }
    }
}

fn halt_if(stop: &CancellationToken) -> io::Result<()> {
    if stop.is_cancelled() {
        return Err(io::Error::other("the attempt that this belongs to is gone"));
    }
    Ok(())
}

/// The failure behind an error of a blocking thread: storage's own, where that is the cause.
pub(crate) fn unwrapped(error: bundle::Error) -> Failure {
    match error {
        bundle::Error::Io(error) => from_io(error),
        other if innermost_io(&other) => Failure::transient(other).code(trouble::STORAGE),
        other => trouble::internal(other),
    }
}

pub(crate) fn from_io(error: io::Error) -> Failure {
    match error.downcast::<storage::Error>() {
        Ok(error) => trouble::storage(error),
        Err(error) => Failure::transient(error).code(trouble::STORAGE),
    }
}

/// Whether an I/O error lies beneath: the CSV and ZIP writers wrap those of the sink.
fn innermost_io(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<io::Error>() || error.is::<storage::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}
