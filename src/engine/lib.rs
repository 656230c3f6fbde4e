#![doc = include_str!("README.md")]
#![warn(missing_docs)]

mod client;
mod clock;
mod context;
mod dispatch;
mod drive;
mod ending;
mod error;
mod failure;
mod fault;
mod lease;
mod lent;
mod migrate;
mod policy;
mod queue;
mod registry;
mod replay;
mod schedule;
mod session;
mod start;
mod state;
mod step;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod view;
mod worker;
mod workflow;

pub use client::Client;
pub use clock::{Clock, Time, VirtualClock};
pub use context::Context;
pub use error::Error;
pub use failure::{Failure, FailureKind, FailureRecord};
pub use migrate::{MIGRATOR, migrate};
pub use policy::{DEFAULT, LOSSES, Policy};
pub use schedule::{Misfire, Schedule};
pub use start::{Start, Started};
pub use state::{RunState, UnknownState};
pub use step::StepContext;
pub use view::{AttemptView, Progress, RunView, StepView};
pub use worker::{Builder, Worker};
pub use workflow::{End, Outcome, Workflow};

// Types of other crates that signatures here name, so that an author needs none of those crates.
pub use futures_util::future::BoxFuture;
pub use sqlx::{PgConnection as Connection, PgPool as Pool};
pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;
