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
mod figures;
mod kept;
mod lease;
mod lent;
mod limits;
mod local;
mod look;
mod migrate;
mod operate;
mod policy;
pub mod pooler;
mod presence;
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
pub use context::{Child, Children, Context};
pub use error::Error;
pub use failure::{Failure, FailureKind, FailureRecord};
pub use figures::describe_metrics;
pub use limits::Limits;
pub use local::{LocalClient, StartHere};
pub use look::RunFilter;
pub use migrate::{LEDGER, MIGRATOR, migrate, outdated};
pub use operate::{Operator, Redriven, RetryFrom};
pub use policy::{DEFAULT, LOSSES, Policy};
pub use schedule::{Misfire, Schedule};
pub use start::{Start, StartMany, Started};
pub use state::{RunState, UnknownState};
pub use step::StepContext;
pub use view::{
    ActionView, AttemptView, Count, FailureGroup, KeyView, MinuteView, Progress, QueueView, Recent,
    RunView, ScheduleView, SignalView, StepView, WaitingFor, WorkerView,
};
pub use worker::{Builder, Worker};
pub use workflow::{End, GoOn, Outcome, Reopened, Workflow};

// Types of other crates that signatures here name, so that an author needs none of those crates.
pub use futures_util::future::BoxFuture;
pub use sqlx::{PgConnection as Connection, PgPool as Pool};
pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;
