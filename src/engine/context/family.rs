//! Child runs: started in one step, waited for in another.
//!
//! Invariants: children and the record that they were started commit together; of a bounded fan-out no more than the
//! bound are due or running, and each that ends lets the next one go (`engine.children_ended`). How they ended is read
//! once and recorded, so a replay sees what the first look saw. A parent that fails or is cancelled asks its unfinished
//! children to stop (`ending`); one that succeeds leaves them alone.

use std::marker::PhantomData;

use uuid::Uuid;

use super::Context;
use crate::registry::version;
use crate::start::{NewRun, Turn, insert_many, run_ids};
use crate::store::journal::Wait;
use crate::{DEFAULT, Failure, FailureRecord, Workflow};

/// A child run that was started and can be waited for.
#[derive(Debug)]
pub struct Child<W>(Children<W>);

/// Child runs that were started together and can be waited for together.
#[derive(Debug)]
pub struct Children<W> {
    name: &'static str,
    /// The place of the step that started them.
    seq: i32,
    ids: Vec<Uuid>,
    workflow: PhantomData<fn(W)>,
}

impl<W> Child<W> {
    /// The child's run.
    pub fn run_id(&self) -> Uuid {
        self.0.ids[0]
    }
}

impl<W> Children<W> {
    /// The children's runs, in the order in which they were given.
    pub fn run_ids(&self) -> &[Uuid] {
        &self.ids
    }
}

/// How a child ended, as it is recorded.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChildEnd<T> {
    Succeeded(T),
    Failed(FailureRecord),
    Cancelled(bool),
}

impl<P: Send + Sync + 'static> Context<P> {
    /// Starts a child run: a run of its own, with this run's key, priority and trace. It starts exactly once.
    pub async fn spawn<W: Workflow>(
        &mut self,
        name: &'static str,
        child: W,
    ) -> Result<Child<W>, Failure> {
        self.spawn_all(name, [child], 1).await.map(Child)
    }

    /// Starts child runs, of which at most `at_most` are due or running at a time; the others wait for their turn without
    /// a worker. All are started in one transaction: at most some 6,000, whose ids fit in a step's result.
    pub async fn spawn_all<W: Workflow>(
        &mut self,
        name: &'static str,
        children: impl IntoIterator<Item = W>,
        at_most: usize,
    ) -> Result<Children<W>, Failure> {
        let inputs = children
            .into_iter()
            .map(|child| serde_json::value::to_raw_value(&child))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failure::permanent)?;
        let kin = self.session.kin.clone();
        let around = self.session.surroundings.clone();
        let parent = (self.run_id(), self.journal.next_seq());
        let ids = self
            .transact(name, "spawn", DEFAULT, &mut |tx, _| {
                let ids = run_ids(around.clock.now(), inputs.len());
                let runs: Vec<_> = std::iter::zip(&ids, &inputs)
                    .enumerate()
                    .map(|(nth, (id, input))| NewRun {
                        id: *id,
                        workflow: W::NAME,
                        version: version(W::VERSION),
                        input: input.clone(),
                        run_at: None,
                        priority: kin.priority,
                        key: kin.key.clone(),
                        idempotency_key: None,
                        trace: kin.trace.clone(),
                        traceparent: kin.traceparent.clone(),
                        parent: Some(parent),
                        turn: if nth < at_most.max(1) { Turn::Now } else { Turn::Later },
                        at_most: Some(i32::try_from(at_most.max(1)).unwrap_or(i32::MAX)),
                    })
                    .collect();
                let around = around.clone();
                Box::pin(async move {
                    insert_many(&mut *tx, around.clock.sql_now(), &runs)
                        .await
                        .map_err(Failure::from_engine)?;
                    if let Some(first) = ids.first() {
                        around.transport.enqueue(tx, *first).await.map_err(Failure::from_engine)?;
                    }
                    Ok(ids)
                })
            })
            .await?;
        Ok(Children { name, seq: parent.1, ids, workflow: PhantomData })
    }

    /// Waits, without a worker, until the child has ended; its output, or its failure.
    pub async fn join<W: Workflow>(&mut self, child: Child<W>) -> Result<W::Output, Failure> {
        let mut ends = self.join_all(child.0).await?;
        ends.pop().unwrap_or_else(|| Err(Failure::permanent("the child's run is gone")))
    }

    /// Waits, without a worker, until all children have ended; how each did, in the order in which they were given.
    /// Together their outputs have to fit into a step's result; larger ones belong into storage.
    pub async fn join_all<W: Workflow>(
        &mut self,
        children: Children<W>,
    ) -> Result<Vec<Result<W::Output, Failure>>, Failure> {
        let Children { name, seq, ids, .. } = children;
        let wait = Wait { at_most: None, awaited_seq: Some(seq), suspend: true };
        let ends = self.wait(name, "join", wait).await?;
        let ends: Vec<ChildEnd<W::Output>> = serde_json::from_str(ends.get()).map_err(|error| {
            Failure::permanent(format!("an output of {} does not parse: {error}", W::NAME))
                .code("child_output")
                .at_step(name)
        })?;
        if ends.len() != ids.len() {
            let (found, started) = (ends.len(), ids.len());
            return Err(Failure::permanent(format!("{found} of {started} children are left"))
                .code("children_gone")
                .at_step(name));
        }
        let own = |failure: Failure| failure.moved_to_step(name);
        Ok(ends.into_iter().map(|end| end.into_result().map_err(own)).collect())
    }
}

impl<T> ChildEnd<T> {
    fn into_result(self) -> Result<T, Failure> {
        match self {
            Self::Succeeded(output) => Ok(output),
            Self::Failed(record) => Err(record.restore()),
            Self::Cancelled(_) => {
                Err(Failure::permanent("the child was cancelled").code("child_cancelled"))
            }
        }
    }
}
