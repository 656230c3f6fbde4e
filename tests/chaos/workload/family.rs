//! Parents that start children, of which so many may go at a time, and wait for them, or leave them.

use std::time::Duration;

use anyhow::{Result, bail};
use engine::{BoxFuture, Builder, Client, Connection, Context, End, Failure, Workflow};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Pace, Workload, begin, note_end, succeeded};
use crate::dice::Dice;
use crate::ports::{Ports, effect, effect_tx};

/// Starts children and waits for all of them; or fails while they are at work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Parent {
    children: i32,
    bound: usize,
    /// So many of them fail.
    failing: i32,
    leaves: bool,
    busy_ms: u64,
}

/// Some steps, and a failure perhaps.
#[derive(Debug, Serialize, Deserialize)]
pub struct Child {
    nth: i32,
    fails: bool,
    busy_ms: u64,
}

impl Workflow for Parent {
    const NAME: &'static str = "chaos.parent";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        let Self { children, bound, failing, leaves, busy_ms } = self;
        let busy = Duration::from_millis(busy_ms);
        effect_tx(cx, ("begin", 0), Duration::ZERO).await?;
        let brood = (0..children).map(|nth| Child { nth, fails: nth < failing, busy_ms });
        let brood = cx.spawn_all("brood", brood, bound).await?;
        effect(cx, ("watch", 0), busy).await?;
        if leaves {
            return Err(Failure::permanent("it leaves its children"));
        }
        let ends = cx.join_all(brood).await?;
        effect_tx(cx, ("rest", 0), Duration::ZERO).await?;
        Ok(i64::try_from(ends.iter().filter(|end| end.is_ok()).count()).unwrap_or(i64::MAX))
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

impl Workflow for Child {
    const NAME: &'static str = "chaos.child";
    type Output = i32;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i32, Failure> {
        let busy = Duration::from_millis(self.busy_ms);
        effect(cx, ("grow", 0), busy).await?;
        effect_tx(cx, ("learn", 0), busy).await?;
        if self.fails {
            return Err(Failure::permanent("it was meant to fail"));
        }
        effect(cx, ("leave", 0), busy).await?;
        Ok(self.nth)
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut Connection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        note_end(tx, end)
    }
}

/// Starts parents.
#[derive(Clone, Copy, Debug)]
pub struct Load;

impl Workload for Load {
    fn name(&self) -> &'static str {
        Parent::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Share(6)
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Parent>()
    }

    fn start<'a>(
        &self,
        client: &Client,
        tx: &'a mut Connection,
        dice: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        let parent = Parent {
            children: i32::try_from(dice.within(0..=8)).unwrap_or(0),
            bound: dice.place(3) + 1,
            failing: i32::try_from(dice.within(0..=2)).unwrap_or(0),
            leaves: dice.percent(30),
            busy_ms: dice.within(0..=120),
        };
        begin(client, tx, parent, dice)
    }

    fn right_end(&self) -> String {
        let children = "(run.input->>'children')::integer";
        let well =
            succeeded(&format!("greatest(0, {children} - (run.input->>'failing')::integer)"), "5");
        format!(
            "case run.state
                 when 'cancelled' then run.cancel_requested_at is not null
                 when 'failed' then (run.input->>'leaves')::boolean and run.error->>'kind' = 'permanent'
                 else not (run.input->>'leaves')::boolean and {well}
             end"
        )
    }
}

/// Knows how children end.
#[derive(Clone, Copy, Debug)]
pub struct Children;

impl Workload for Children {
    fn name(&self) -> &'static str {
        Child::NAME
    }

    fn pace(&self) -> Pace {
        Pace::Never
    }

    fn register(&self, worker: Builder<Ports>, _build: i32) -> Builder<Ports> {
        worker.register::<Child>()
    }

    fn start<'a>(
        &self,
        _: &Client,
        _: &'a mut Connection,
        _: &mut Dice,
    ) -> BoxFuture<'a, Result<Uuid>> {
        async { bail!("a child is started by its parent") }.boxed()
    }

    /// Nobody cancels a child but its parent, at its own end.
    fn right_end(&self) -> String {
        format!(
            "case run.state
                 when 'cancelled' then run.cancel_requested_at is not null
                      and exists (select from engine.runs as parent
                                   where parent.id = run.parent_id and parent.state in ('failed', 'cancelled'))
                 when 'failed' then (run.input->>'fails')::boolean and run.error->>'kind' = 'permanent'
                 else not (run.input->>'fails')::boolean and {}
             end",
            succeeded("run.input->>'nth'", "3")
        )
    }
}
