//! Reading objects in chunks.
//!
//! A folder is read chunk by chunk. A bucket is asked once and its answer is read as it comes; what breaks off is asked for again
//! from there on.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use crate::{CHUNK_BYTES, Error, Key, Operation, Storage};

impl Storage {
    /// The bytes of an object, in chunks of at most [`CHUNK_BYTES`], the next of which is read while one is worked on.
    ///
    /// Errors with `is_missing()` when there is no such object.
    pub async fn read(
        &self,
        key: &Key,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let size_bytes = self.stat(key).await?.size_bytes;
        self.stream(key, 0..size_bytes, 2).await
    }

    /// The bytes of an object of this size and digest, in chunks of at most [`CHUNK_BYTES`].
    ///
    /// The last chunk is held back until everything before it and it have the digest; if they have not, the stream ends with an
    /// error with `is_altered()` instead, so that nobody can take other bytes for the whole object.
    pub async fn read_whole(
        &self,
        key: &Key,
        size_bytes: u64,
        sha256: [u8; 32],
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let inner = self.read_range(key, 0..size_bytes).await?;
        let verified = Verified { inner, sum: Sha256::new(), held: None, sha256, key: key.clone() };
        Ok(Box::pin(stream::try_unfold(verified, Verified::next)))
    }

    /// The bytes `range` of an object, in chunks of at most [`CHUNK_BYTES`].
    ///
    /// The first item errors with `is_missing()` when there is no such object; the stream errors when the object ends before
    /// the range.
    pub async fn read_range(
        &self,
        key: &Key,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        self.stream(key, range, 1).await
    }

    /// Of a folder's file `at_once` chunks are read at once: more than one for who works on each, not for who waits for a slow reader.
    async fn stream(
        &self,
        key: &Key,
        range: Range<u64>,
        at_once: usize,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let reader = self.operator.reader_with(key.as_str());
        let reader = if self.place.is_bucket() {
            reader
        } else {
            reader.chunk(CHUNK_BYTES).concurrent(at_once)
        };
        let reader = reader.await.map_err(|e| self.error(Operation::Read, key, e))?;
        let stream = reader.into_bytes_stream(range).await;
        let stream = stream.map_err(|e| self.error(Operation::Read, key, e))?;
        let (storage, key) = (self.clone(), key.clone());
        let read = move |read: std::io::Result<Bytes>| {
            let (storage, key) = (storage.clone(), key.clone());
            async move {
                match read {
                    Ok(bytes) => Ok(bytes),
                    Err(e) => {
                        Err(storage.doubt(storage.error(Operation::Read, &key, unwrapped(e))).await)
                    }
                }
            }
        };
        Ok(Box::pin(stream.then(read)))
    }
}

/// A whole object on its way, one chunk behind.
struct Verified<S> {
    inner: S,
    sum: Sha256,
    held: Option<Bytes>,
    sha256: [u8; 32],
    key: Key,
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Verified<S> {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        while let Some(chunk) = self.inner.try_next().await? {
            self.sum.update(&chunk);
            if let Some(before) = self.held.replace(chunk) {
                return Ok(Some((before, self)));
            }
        }
        if self.sum.clone().finalize()[..] != self.sha256 {
            return Err(Error::altered(self.key.to_string()));
        }
        Ok(self.held.take().map(|last| (last, self)))
    }
}

/// opendal's own error again, which its stream wraps as an I/O error; its kind tells a missing object from a trouble.
fn unwrapped(error: std::io::Error) -> opendal::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<opendal::Error>());
    let kind = match (inner, error.kind()) {
        (Some(inner), _) => inner.kind(),
        (None, std::io::ErrorKind::NotFound) => opendal::ErrorKind::NotFound,
        (None, _) => opendal::ErrorKind::Unexpected,
    };
    opendal::Error::new(kind, "the stream broke off").set_source(error)
}
