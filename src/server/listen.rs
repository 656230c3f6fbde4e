//! The connections that are served: so many at once, and none that does nothing for long.
//!
//! Invariants
//! - A connection on which no byte moves is cut, whatever it waits for: a head that never ends, a body
//!   that stalls, a reader who does not read. poem's own limit only asks it to end.
//! - At the cap nobody is refused: who comes waits in the operating system's queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Longer than the longest work on a request during which nothing is sent: verifying a large chain.
pub(crate) const STALLED: Duration = Duration::from_mins(5);
/// Below the usual limit of open files.
pub(crate) const CONNECTIONS: usize = 800;

/// Accepts what `inner` accepts, as long as there is room.
pub(crate) struct Bounded {
    inner: TcpAcceptor,
    rooms: Arc<Semaphore>,
    stalled: Duration,
}

impl Bounded {
    pub(crate) fn new(inner: TcpAcceptor, connections: usize, stalled: Duration) -> Self {
        Self { inner, rooms: Arc::new(Semaphore::new(connections)), stalled }
    }
}

impl Acceptor for Bounded {
    type Io = Connection<<TcpAcceptor as Acceptor>::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let room = Arc::clone(&self.rooms).acquire_owned().await.map_err(io::Error::other)?;
        let (io, local, remote, scheme) = self.inner.accept().await?;
        Ok((Connection::new(io, self.stalled, room), local, remote, scheme))
    }
}

/// A connection that fails once nothing has moved on it for a while.
pub(crate) struct Connection<T> {
    io: T,
    stalled: Duration,
    moved_at: Instant,
    alarm: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl<T> Connection<T> {
    fn new(io: T, stalled: Duration, room: OwnedSemaphorePermit) -> Self {
        let moved_at = Instant::now();
        let alarm = Box::pin(sleep_until(moved_at + stalled));
        Self { io, stalled, moved_at, alarm, _room: room }
    }

    /// What came of an attempt to move bytes, unless it has been in vain for too long.
    fn watched<V>(
        &mut self,
        cx: &mut Context<'_>,
        moved: Poll<io::Result<V>>,
    ) -> Poll<io::Result<V>> {
        if moved.is_ready() {
            self.moved_at = Instant::now();
            return moved;
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let end = self.moved_at + self.stalled;
            if Instant::now() >= end {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // Something has moved since the alarm was set.
            self.alarm.as_mut().reset(end);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.io).poll_read(cx, buf);
        self.watched(cx, moved)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.io).poll_write(cx, buf);
        self.watched(cx, moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.watched(cx, moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn room() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap()
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_is_cut() {
        let (mut near, far) = tokio::io::duplex(8);
        let stalled = Duration::from_millis(50);
        let mut far = Connection::new(far, stalled, room().await);
        near.write_all(b"GET").await.unwrap();
        let began = Instant::now();
        let mut head = Vec::new();
        let cut = far.read_to_end(&mut head).await.unwrap_err();
        assert_eq!((cut.kind(), head.as_slice()), (io::ErrorKind::TimedOut, b"GET".as_slice()));
        assert!(began.elapsed() >= stalled);
        assert_eq!(far.write_all(&[0; 9]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_comes_at_the_cap_waits_until_somebody_goes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut acceptor = Bounded::new(TcpAcceptor::from_tokio(listener).unwrap(), 1, STALLED);
        let _clients = [
            tokio::net::TcpStream::connect(address).await,
            tokio::net::TcpStream::connect(address).await,
        ];
        let first = acceptor.accept().await.unwrap();
        assert!(futures_util::FutureExt::now_or_never(acceptor.accept()).is_none());
        drop(first);
        assert!(acceptor.accept().await.is_ok());
    }
}
