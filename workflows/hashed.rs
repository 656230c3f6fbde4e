//! An object on its way to storage, hashed on a thread of its own beside the writing.
//!
//! Invariant: what is hashed are the chunks that storage was given, all of them, in their order.

use std::io::{self, Write};

use bundle::digest::{Digest, Sum};
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
    sum: JoinHandle<Sum>,
}

impl Hashed {
    pub(crate) fn new(sink: Sink) -> Self {
        let (chunks, mut incoming) = mpsc::channel::<Bytes>(CHUNKS);
        let sum = tokio::task::spawn_blocking(move || {
            let mut sum = Sum::default();
            while let Some(chunk) = incoming.blocking_recv() {
                sum.update(&chunk);
            }
            sum
        });
        Self { sink, chunks, sum }
    }

    /// Finishes the object; without it the object means nothing. Says what went to storage.
    pub(crate) fn finish(mut self) -> io::Result<Digest> {
        let rest = self.sink.rest();
        self.send(rest)?;
        let Self { sink, chunks, sum } = self;
        sink.finish()?;
        drop(chunks);
        let sum = Handle::current().block_on(sum).map_err(io::Error::other)?;
        Ok(sum.finish())
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
