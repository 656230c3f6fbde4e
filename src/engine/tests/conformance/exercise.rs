//! The engine's own workflow through everything that `exercise` has.

use std::sync::Arc;

use engine::testing::{Harness, exercise};
use engine::{Client, End, Outcome};
use sqlx::PgPool;
use uuid::Uuid;

use crate::order::{Order, Ports};
use crate::world::World;

struct Orders {
    world: World,
    ports: Arc<Ports>,
}

impl Harness for Orders {
    type Workflow = Order;

    async fn make_input(&self, client: &Client) -> Uuid {
        let mut tx = self.world.app.begin().await.unwrap();
        let order = Order { items: 2, gated: false };
        let started = client.start(&mut tx, order).await.unwrap();
        tx.commit().await.unwrap();
        started.run_id
    }

    fn ports(&self) -> Arc<Ports> {
        self.ports.clone()
    }

    async fn check(&self, end: &End) {
        let charges = self.world.effects(end.run_id, "charge").await;
        match &end.outcome {
            Outcome::Succeeded(output) => {
                assert_eq!(output, "charged 200");
                assert_eq!(charges, 1, "exactly once");
                for what in ["quote", "ship 0", "ship 1"] {
                    assert!(
                        self.world.effects(end.run_id, what).await >= 1,
                        "{what}: at least once"
                    );
                }
            }
            Outcome::Failed(error) => {
                let hook = format!("ended failed in {:?}", error.step);
                assert_eq!(self.world.effects(end.run_id, &hook).await, 1);
                assert!(charges <= 1);
            }
            Outcome::Cancelled => {
                assert_eq!(self.world.effects(end.run_id, "ended cancelled").await, 1);
                assert!(charges <= 1);
            }
        }
    }
}

#[sqlx::test(migrations = false)]
async fn an_order_survives_everything(pool: PgPool) {
    let (world, clock) = World::frozen(pool).await;
    let ports = Ports::new(world.app.clone());
    let app = world.app.clone();
    let report = exercise(&Orders { world, ports }, &app, &clock).await;
    let steps: Vec<_> = report.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["quote#0", "charge#0", "ship#0", "ship#1"]);
    assert_eq!(report.scenarios, 2 + 4 * 9);
}
