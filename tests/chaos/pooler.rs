//! Whether a connection pooler in transaction mode stands between here and Postgres.
