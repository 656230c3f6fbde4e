//! The workflow that most tests run: what it does is told by its input.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::{Context, End, Failure, Outcome, Policy, Workflow};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Semaphore;

use crate::world::effect;

/// Backoff that never waits.
pub(crate) const AT_ONCE: Policy = Policy::new().backoff(Duration::ZERO, Duration::ZERO);

pub(crate) struct Ports {
    pub(crate) pool: PgPool,
    /// Calls of bodies of steps.
    pub(crate) calls: AtomicU32,
    /// Bodies that wait for the test take a permit here.
    pub(crate) gate: Semaphore,
}

impl Ports {
    pub(crate) fn new(pool: PgPool) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self { pool, calls: AtomicU32::new(0), gate: Semaphore::new(0) })
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn called(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// Quotes (at least once), charges (exactly once), ships each item (a loop).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) items: u32,
    /// The step before the charge waits for the test.
    pub(crate) gated: bool,
}

impl Workflow for Order {
    const NAME: &'static str = "test.order";
    type Output = String;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<String, Failure> {
        let run_id = cx.run_id();
        let items = self.items;
        let quote: u32 = cx
            .step("quote", AT_ONCE, |shop| async move {
                shop.called();
                effect(&shop.pool, run_id, "quote").await?;
                Ok(items * 100)
            })
            .await?;
        if self.gated {
            cx.step("wait", AT_ONCE, |shop| async move {
                shop.called();
                tokio::select! {
                    permit = shop.gate.acquire() => permit.map_err(Failure::permanent)?.forget(),
                    () = shop.cancelled().cancelled_owned() => return Err(Failure::transient("told to stop")),
                }
                Ok(())
            })
            .await?;
        }
        cx.step_tx("charge", AT_ONCE, |tx, shop| {
            Box::pin(async move {
                shop.called();
                effect(tx, run_id, "charge").await
            })
        })
        .await?;
        for item in 0..items {
            cx.step("ship", AT_ONCE, |shop| async move {
                shop.called();
                effect(&shop.pool, run_id, &format!("ship {item}")).await
            })
            .await?;
        }
        cx.progress("ship", items.into(), items.into()).await;
        Ok(format!("charged {quote}"))
    }

    fn on_end<'a>(
        _: Self,
        tx: &'a mut PgConnection,
        end: &'a End,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let what = match &end.outcome {
                Outcome::Cancelled => "ended cancelled".to_owned(),
                Outcome::Failed(error) => format!("ended failed in {:?}", error.step),
                Outcome::Succeeded(_) => return Ok(()),
            };
            effect(tx, end.run_id, &what).await
        })
    }
}

/// A workflow whose single step is a function of the ports, for tests of one step.
#[macro_export]
macro_rules! single_step {
    ($name:ident, $policy:expr, |$cx:ident| $body:expr) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct $name;

        impl engine::Workflow for $name {
            const NAME: &'static str = concat!("test.", stringify!($name));
            type Output = serde_json::Value;
            type Ports = $crate::order::Ports;

            async fn run(
                self,
                cx: &mut engine::Context<Self::Ports>,
            ) -> Result<serde_json::Value, engine::Failure> {
                cx.step("only", $policy, |$cx| async move { $body }).await
            }
        }
    };
}
