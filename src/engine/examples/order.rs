//! An order, from a start inside a transaction to its output.
//!
//! ```sh
//! cargo run -p engine --example order -- postgres://postgres@localhost/postgres
//! ```
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::sync::Arc;

use engine::{Client, Context, DEFAULT, Failure, Worker, Workflow};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// What the steps reach the world through.
struct Ports {
    price_cents: i64,
}

#[derive(Serialize, Deserialize)]
struct Order {
    item: String,
    quantity: i64,
}

impl Workflow for Order {
    const NAME: &'static str = "example.order";
    type Output = i64;
    type Ports = Ports;

    async fn run(self, cx: &mut Context<Ports>) -> Result<i64, Failure> {
        // At least once: the result is recorded, so a later replay does not ask again.
        let quantity = self.quantity;
        let total = cx
            .step("quote", DEFAULT, |shop| async move { Ok(shop.price_cents * quantity) })
            .await?;
        // Exactly once: the row and the record of the step commit together.
        let item = self.item;
        cx.step_tx("charge", DEFAULT, |tx, _| {
            let item = item.clone();
            Box::pin(async move {
                sqlx::query("insert into charges (item, cents) values ($1, $2)")
                    .bind(item)
                    .bind(total)
                    .execute(tx)
                    .await
                    .map_err(Failure::transient)?;
                Ok(total)
            })
        })
        .await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: order <postgres url>")?;
    let pool = PgPool::connect(&url).await?;
    engine::migrate(&pool, pool.connect_options().get_username()).await?;
    sqlx::query("create table if not exists charges (item text, cents bigint)")
        .execute(&pool)
        .await?;

    let stop = CancellationToken::new();
    let ports = Arc::new(Ports { price_cents: 250 });
    let worker = Worker::builder(pool.clone(), ports).register::<Order>().build()?;
    let worker = tokio::spawn(worker.run(stop.clone()));

    let client = Client::new(pool.clone());
    let mut tx = pool.begin().await?;
    let order = Order { item: "tea".to_owned(), quantity: 3 };
    let started = client.start(&mut tx, order).idempotency_key("order-1").await?;
    tx.commit().await?;
    println!("run {} (created: {})", started.run_id, started.created);

    let total = loop {
        if let Some(total) = client.output::<Order>(started.run_id).await? {
            break total;
        }
        tokio::task::yield_now().await;
    };
    println!("charged {total} cents");
    stop.cancel();
    worker.await??;
    Ok(())
}
