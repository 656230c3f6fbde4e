//! Reading objects in chunks.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};

use crate::{CHUNK_BYTES, Error, Key, Operation, Storage};

impl Storage {
    /// The bytes of an object, in chunks of at most [`CHUNK_BYTES`].
    ///
    /// Errors with `is_missing()` when there is no such object.
    pub async fn read(
        &self,
        key: &Key,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let size_bytes = self.stat(key).await?.size_bytes;
        self.read_range(key, 0..size_bytes).await
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
        let reader = self.operator.reader_with(key.as_str()).chunk(CHUNK_BYTES).await;
        let reader = reader.map_err(|e| self.error(Operation::Read, key, e))?;
        let stream = reader.into_bytes_stream(range).await;
        let stream = stream.map_err(|e| self.error(Operation::Read, key, e))?;
        let (storage, key) = (self.clone(), key.clone());
        Ok(stream.map_err(move |e| storage.error(Operation::Read, &key, unwrapped(e))))
    }
}

/// opendal's own error again, which its stream wraps as an I/O error; its kind tells a missing object from a trouble.
fn unwrapped(error: std::io::Error) -> opendal::Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => opendal::ErrorKind::NotFound,
        _ => opendal::ErrorKind::Unexpected,
    };
    opendal::Error::new(kind, "the stream broke off").set_source(error)
}
