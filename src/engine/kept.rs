//! A connection that is kept at hand for the statements that many runs wait for.
//!
//! Invariants: it serves one statement or transaction at a time, and whoever comes meanwhile gets one of the pool's; it is
//! kept only when what it served came to a good end, so a future that is dropped while a statement is on its way, or an error,
//! costs the connection and nothing else. A pool asks each connection whether it is there before and after each use; here
//! that is asked only after a pause: what goes through here is tried again when it fails, or (a start) its caller is told,
//! who has to expect that of every commit.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};

/// A connection that was in use so short a time ago is taken to be there.
const FRESH: Duration = Duration::from_secs(1);

/// The connection, and the pool that it came from.
pub(crate) struct Kept {
    pool: PgPool,
    place: Mutex<Place>,
}

/// Where the connection is.
enum Place {
    /// There is none.
    Nowhere,
    Here(PgConnection, Instant),
    InUse,
}

impl Kept {
    pub(crate) fn new(pool: &PgPool) -> Self {
        Self { pool: pool.clone(), place: Mutex::new(Place::Nowhere) }
    }

    /// The connection, or one of the pool's while it is in use.
    pub(crate) async fn take(&self) -> sqlx::Result<Taken<'_>> {
        let place = std::mem::replace(&mut *self.lock(), Place::InUse);
        if let Place::InUse = place {
            return self.pool.acquire().await.map(Taken::Pooled);
        }
        // Dropped from here on, it leaves the place empty.
        let mut taken = Own { conn: None, is_out: true, kept: self };
        taken.conn = match place {
            Place::Here(conn, since) if since.elapsed() < FRESH => Some(conn),
            Place::Here(mut conn, _) => conn.ping().await.is_ok().then_some(conn),
            _ => None,
        };
        if taken.conn.is_none() {
            // Not the pool's any more, so that the pool can be closed while it is kept.
            taken.conn = Some(self.pool.acquire().await?.detach());
        }
        Ok(Taken::Own(taken))
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().expect("nothing panics while it holds this lock")
    }
}

/// A connection in use.
pub(crate) enum Taken<'k> {
    Own(Own<'k>),
    Pooled(PoolConnection<Postgres>),
}

/// The kept one; closed when it is not given back.
pub(crate) struct Own<'k> {
    /// There from [`Kept::take`] until it is given back.
    conn: Option<PgConnection>,
    is_out: bool,
    kept: &'k Kept,
}

impl Taken<'_> {
    /// Keeps the connection for the next use: the statement or transaction has come to its end.
    pub(crate) fn give_back(self) {
        if let Self::Own(mut own) = self
            && let Some(conn) = own.conn.take()
        {
            own.is_out = false;
            *own.kept.lock() = Place::Here(conn, Instant::now());
        }
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if self.is_out {
            *self.kept.lock() = Place::Nowhere;
        }
    }
}

impl Deref for Taken<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Own(own) => own.conn.as_ref().expect("it is there until it is given back"),
            Self::Pooled(conn) => conn,
        }
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(own) => own.conn.as_mut().expect("it is there until it is given back"),
            Self::Pooled(conn) => conn,
        }
    }
}
