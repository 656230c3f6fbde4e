//! An object on its way to storage, hashed on a thread of its own beside the writing.
//!
//! Invariant: what is hashed are the chunks that storage was given, all of them, in their order.

use std::io::{self, Write};

use bundle::digest::{Digest, Fingerprint, Sum};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::stage::Sink;

/// Chunks that may wait to be hashed.
const CHUNKS: usize = 4;

/// To be made and used on a blocking thread.
pub(crate) struct Hashed {
    sink: Sink,
    chunks: mpsc::Sender<Bytes>,
    hashes: JoinHandle<(Sum, Fingerprint)>,
}

/// What went to storage.
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) fingerprint: String,
}

impl Hashed {
    pub(crate) fn new(sink: Sink) -> Self {
        let (chunks, mut incoming) = mpsc::channel::<Bytes>(CHUNKS);
        let hashes = tokio::task::spawn_blocking(move || {
            let (mut sum, mut fingerprint) = (Sum::default(), Fingerprint::default());
            while let Some(chunk) = incoming.blocking_recv() {
                sum.update(&chunk);
                fingerprint.update(&chunk);
            }
            (sum, fingerprint)
        });
        Self { sink, chunks, hashes }
    }

    /// Finishes the object; without it the object means nothing.
    pub(crate) fn finish(mut self) -> io::Result<Stored> {
        let rest = self.sink.rest();
        self.send(rest)?;
        let Self { sink, chunks, hashes } = self;
        sink.finish()?;
        drop(chunks);
        let hashes = Handle::current().block_on(hashes).map_err(io::Error::other)?;
        let (sum, fingerprint) = hashes;
        Ok(Stored { digest: sum.finish(), fingerprint: fingerprint.finish() })
    }

    fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        self.chunks.blocking_send(chunk.clone()).map_err(io::Error::other)?;
        self.sink.send(chunk)
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(chunk) = self.sink.gather(bytes)? {
            self.send(chunk)?;
        }
        Ok(bytes.len())
    }

    /// Bytes go out in chunks, and all of them when finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
