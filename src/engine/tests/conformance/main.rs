//! What the engine promises, on a real Postgres, with workers that run as the application's role.
//!
//! Each test has a database of its own; `DATABASE_URL` names a server whose role may create them.

#![expect(clippy::unwrap_used, reason = "what a test stands on may fail loudly")]

mod cancel;
mod exercise;
mod family;
mod lanes;
mod local;
mod operate;
mod order;
mod plan;
mod recovery;
mod retry;
mod schedule;
mod signal;
mod start;
mod state;
mod step;
mod world;
