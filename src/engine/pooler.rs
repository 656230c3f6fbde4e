//! Whether a connection pooler that hands out backends by the transaction (PgBouncer's `transaction` and `statement`
//! modes) stands between here and Postgres.
//!
//! The engine cannot work through one: what it prepares, listens to and sets belongs to a session. What tells them apart is
//! the backend's process id: a session has one of its own, the same for all its life, and shares it with nobody. A pooler
//! in these modes gives whatever backend is free, so that connections that ask in turn get the same one, or one connection
//! gets several. Invariants: Postgres itself, and a pooler in session mode, are never taken for one; only the simple
//! protocol is used, which every pooler passes on.

use rand::seq::SliceRandom;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};

use crate::Error;

/// Connections that ask.
const CONNECTIONS: usize = 4;
/// How often each of them asks. The order changes each time: a pooler that goes round its backends in a circle would
/// otherwise give each connection the same one again, as long as there are as many backends as connections.
const ROUNDS: usize = 4;
/// What a pooler says about a setting that it does not pass on. Postgres itself has other words and another code.
const PROTOCOL_VIOLATION: &str = "08P01";
const UNSUPPORTED: &str = "unsupported startup parameter";

/// What stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nothing that matters: each connection is a session.
    Nothing,
    /// A pooler that gives one transaction after another to the same backend, whoever they are of.
    SharedBackends,
    /// A pooler that refuses the connection because of a setting; what it said.
    Refusal(String),
}

/// Refuses to work through such a pooler, in plain words.
pub(crate) async fn refuse(options: &PgConnectOptions) -> Result<(), Error> {
    match probe(options).await? {
        Between::Nothing => Ok(()),
        Between::SharedBackends => Err(Error::Pooler(
            "it gives the backends of Postgres to one transaction after another".to_owned(),
        )),
        Between::Refusal(said) => Err(Error::Pooler(format!("it said: {said}"))),
    }
}

/// Finds out, with a few connections of its own.
pub async fn probe(options: &PgConnectOptions) -> sqlx::Result<Between> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        match PgConnection::connect_with(options).await {
            Ok(conn) => connections.push((conn, None)),
            Err(error) => return refusal(&error).map(Between::Refusal).ok_or(error),
        }
    }
    let mut shared = false;
    for _ in 0..ROUNDS {
        connections.shuffle(&mut rand::rng());
        for (conn, known) in &mut connections {
            let backend = backend(conn).await?;
            shared |= known.is_some_and(|known| known != backend);
            *known = Some(backend);
        }
        let mut backends: Vec<_> = connections.iter().filter_map(|(_, known)| *known).collect();
        backends.sort_unstable();
        backends.dedup();
        shared |= backends.len() < CONNECTIONS;
        if shared {
            break;
        }
    }
    for (conn, _) in connections {
        conn.close().await?;
    }
    Ok(if shared { Between::SharedBackends } else { Between::Nothing })
}

/// The process that answers, by the simple protocol: a prepared statement might be another connection's.
async fn backend(conn: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::raw_sql("select pg_backend_pid()").fetch_one(conn).await?.try_get(0)
}

/// What a pooler said when it refused a connection for a setting it does not know.
fn refusal(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let said = error.message();
    (error.code().as_deref() == Some(PROTOCOL_VIOLATION) && said.starts_with(UNSUPPORTED))
        .then(|| said.to_owned())
}
