//! The workflows a worker knows, with their types taken off.
//!
//! Invariant: a worker claims only the (name, version) pairs that stand here. What happens around a
//! call is the driver's business (`drive`).

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use sqlx::PgConnection;

use crate::context::small_json;
use crate::limits::Declared;
use crate::store::Kinds;
use crate::{Context, End, Failure, FailureKind, GoOn, Reopened, Workflow};

/// Runs a workflow from its stored input to its output, both as JSON.
type Run<P> = Box<
    dyn Fn(
            &RawValue,
            Context<P>,
        ) -> Result<BoxFuture<'static, Result<Box<RawValue>, Failure>>, Failure>
        + Send
        + Sync,
>;
/// Calls a workflow's `on_end`.
type OnEnd = Box<
    dyn for<'a> Fn(&RawValue, &'a mut PgConnection, &'a End) -> BoxFuture<'a, Result<(), Failure>>
        + Send
        + Sync,
>;

/// Calls a workflow's `on_reopen`.
type OnReopen = Box<
    dyn for<'a> Fn(
            &RawValue,
            &'a mut PgConnection,
            &'a Reopened,
        ) -> BoxFuture<'a, Result<GoOn, Failure>>
        + Send
        + Sync,
>;

/// A workflow without its types.
pub(crate) struct Entry<P> {
    pub(crate) run: Run<P>,
    pub(crate) on_end: OnEnd,
    pub(crate) on_reopen: OnReopen,
    pub(crate) declared: Declared,
}

impl<P: Send + Sync + 'static> Entry<P> {
    pub(crate) fn of<W: Workflow<Ports = P>>() -> Self {
        Self {
            run: Box::new(|input, cx| Ok(Box::pin(execute(parse::<W>(input)?, cx)))),
            on_end: Box::new(|input, tx, end| match parse::<W>(input) {
                Ok(workflow) => W::on_end(workflow, tx, end),
                // There is no workflow to ask; the run's own error says why.
                Err(_) => Box::pin(std::future::ready(Ok(()))),
            }),
            on_reopen: Box::new(|input, tx, reopened| match parse::<W>(input) {
                Ok(workflow) => W::on_reopen(workflow, tx, reopened),
                Err(_) => Box::pin(std::future::ready(Ok(GoOn::AsAsked))),
            }),
            declared: Declared::of::<W>(),
        }
    }
}

async fn execute<W: Workflow>(
    workflow: W,
    mut cx: Context<W::Ports>,
) -> Result<Box<RawValue>, Failure> {
    let output = workflow.run(&mut cx).await?;
    small_json("a run's output", &output)
}

fn parse<W: Workflow>(input: &RawValue) -> Result<W, Failure> {
    serde_json::from_str(input.get()).map_err(|error| {
        Failure::of(FailureKind::Input, format!("the input does not parse: {error}"))
            .code("invalid_input")
    })
}

/// Workflows by name and version.
pub(crate) struct Registry<P>(HashMap<(String, i32), Arc<Entry<P>>>);

impl<P: Send + Sync + 'static> Registry<P> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// False: this name and version was there already.
    pub(crate) fn add<W: Workflow<Ports = P>>(&mut self) -> bool {
        let kind = (W::NAME.to_owned(), version(W::VERSION));
        self.0.insert(kind, Arc::new(Entry::of::<W>())).is_none()
    }

    pub(crate) fn find(&self, name: &str, version: i32) -> Option<Arc<Entry<P>>> {
        self.0.get(&(name.to_owned(), version)).cloned()
    }

    pub(crate) fn kinds(&self) -> Kinds {
        let (names, versions) = self.0.keys().cloned().unzip();
        Kinds { names, versions }
    }

    /// What the workflows declare; of several versions of one, the latest counts.
    pub(crate) fn declared(&self) -> Vec<Declared> {
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(kind, _)| *kind);
        kinds.into_iter().map(|(_, entry)| entry.declared).collect()
    }
}

/// A version as its column holds it.
pub(crate) fn version(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
