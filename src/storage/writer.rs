//! Writing one object in chunks.
//!
//! Nothing is promised of an object whose writer was not closed; it may exist in part. That is harmless under `staging/`, where
//! only a checkpoint gives an object a meaning, and the run's sweep takes it away.

use bytes::{Bytes, BytesMut};

use crate::{CHUNK_BYTES, Error, Key, Operation, Stat, Storage};

/// An object that is being written.
pub struct Writer {
    storage: Storage,
    key: Key,
    inner: opendal::Writer,
    waiting: BytesMut,
    written_bytes: u64,
}

impl Storage {
    /// Starts an object at `key`, or starts it afresh.
    pub async fn writer(&self, key: &Key) -> Result<Writer, Error> {
        self.require(Operation::Write, key.as_str())?;
        let inner = self.operator.writer(key.as_str()).await;
        let inner = inner.map_err(|e| self.error(Operation::Write, key, e))?;
        Ok(Writer {
            storage: self.clone(),
            key: key.clone(),
            inner,
            waiting: BytesMut::new(),
            written_bytes: 0,
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

    /// Finishes the object: its bytes and its name are on disk when this returns.
    pub async fn close(mut self) -> Result<Stat, Error> {
        let rest = self.waiting.split().freeze();
        if !rest.is_empty() || self.written_bytes == 0 {
            self.send(rest).await?;
        }
        let closed = self.inner.close().await;
        closed.map_err(|e| self.storage.error(Operation::Write, &self.key, e))?;
        self.storage.sync_folders(&self.key).await?;
        Ok(Stat { size_bytes: self.written_bytes })
    }

    /// Gives the object up and removes what was written of it.
    pub async fn abort(mut self) -> Result<(), Error> {
        match self.inner.abort().await {
            Err(e) if e.kind() == opendal::ErrorKind::Unsupported => {
                let Self { storage, key, .. } = self;
                storage.remove(&key).await
            }
            aborted => aborted.map_err(|e| self.storage.error(Operation::Write, &self.key, e)),
        }
    }

    async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        let sent = self.inner.write(chunk).await;
        sent.map_err(|e| self.storage.error(Operation::Write, &self.key, e))
    }
}
