//! An entry on its way to storage, compressed on a thread of its own.
//!
//! So that formatting and hashing the next rows, compressing the last ones and writing them to storage go on at once. Chunks come
//! through a bounded channel. When the sender goes away before [`Press::finish`], the thread ends with an error and what it wrote
//! counts for nothing.

use std::io::{self, Write};

use bundle::packed::{Packed, Packer};
use storage::{Key, Storage};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stage::Sink;

/// Enough that the channel does not show.
const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks under way.
const CHUNKS: usize = 4;

enum Piece {
    Bytes(Vec<u8>),
    End,
}

pub(super) struct Press {
    pieces: mpsc::Sender<Piece>,
    buffer: Vec<u8>,
    thread: JoinHandle<Result<Packed, bundle::Error>>,
}

impl Press {
    /// Starts the object at `key`. To be called on the runtime or on one of its blocking threads.
    pub(super) fn start(storage: &Storage, key: &Key, stop: &CancellationToken) -> Self {
        let (pieces, incoming) = mpsc::channel(CHUNKS);
        let (storage, key, stop) = (storage.clone(), key.clone(), stop.clone());
        let thread = tokio::task::spawn_blocking(move || press(&storage, &key, &stop, incoming));
        Self { pieces, buffer: Vec::new(), thread }
    }

    /// Adds bytes; not for blocking threads.
    pub(super) async fn add(&mut self, bytes: &[u8]) -> Result<(), bundle::Error> {
        if let Some(piece) = self.full(bytes.len())
            && self.pieces.send(piece).await.is_err()
        {
            return Err(early((&mut self.thread).await));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the object; without it the object means nothing. Not for blocking threads.
    pub(super) async fn finish(mut self) -> Result<Packed, bundle::Error> {
        let last = self.piece();
        // Should the thread be gone, its error comes below.
        if self.pieces.send(last).await.is_ok() {
            self.pieces.send(Piece::End).await.ok();
        }
        ended(self.thread.await)
    }

    /// [`Self::finish`] for blocking threads.
    pub(super) fn finish_blocking(self) -> Result<Packed, bundle::Error> {
        Handle::current().block_on(self.finish())
    }

    /// What is to be sent before so many bytes are added. A chunk is never outgrown, which would move it.
    fn full(&mut self, more: usize) -> Option<Piece> {
        let is_full = !self.buffer.is_empty() && self.buffer.len() + more > CHUNK_BYTES;
        is_full.then(|| self.piece())
    }

    fn piece(&mut self) -> Piece {
        Piece::Bytes(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES)))
    }
}

/// For blocking threads.
impl Write for Press {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(piece) = self.full(bytes.len())
            && self.pieces.blocking_send(piece).is_err()
        {
            return Err(match early(Handle::current().block_on(&mut self.thread)) {
                bundle::Error::Io(error) => error,
                error => io::Error::other(error),
            });
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Bytes go out in chunks, and all of them when finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Joined = Result<Result<Packed, bundle::Error>, tokio::task::JoinError>;

fn ended(thread: Joined) -> Result<Packed, bundle::Error> {
    thread.unwrap_or_else(|died| Err(io::Error::other(died).into()))
}

/// The thread ended before its time: its error is the cause.
fn early(thread: Joined) -> bundle::Error {
    ended(thread).err().unwrap_or_else(|| io::Error::other("an entry was closed too early").into())
}

fn press(
    storage: &Storage,
    key: &Key,
    stop: &CancellationToken,
    mut incoming: mpsc::Receiver<Piece>,
) -> Result<Packed, bundle::Error> {
    let mut packer = Packer::new(Sink::create(storage, key, stop)?);
    loop {
        match incoming.blocking_recv() {
            Some(Piece::Bytes(bytes)) => packer.write_all(&bytes)?,
            Some(Piece::End) => break,
            None => return Err(io::Error::other("the writer of the entry is gone").into()),
        }
    }
    let (sink, pressed) = packer.finish()?;
    sink.finish()?;
    Ok(pressed)
}
