//! An order that waits for its payment: a start inside a transaction, a signal with a timeout, an exactly-once step.
//!
//! ```sh
//! cargo run --example order -- postgres://postgres@localhost/postgres
//! ```
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::sync::Arc;
use std::time::Duration;

use engine::{CancellationToken, Client, Context, DEFAULT, Failure, Pool, Uuid, Worker, Workflow};
use serde::{Deserialize, Serialize};

/// What the steps reach the world through.
struct Shop {
    price_cents: i64,
}

#[derive(Serialize, Deserialize)]
struct Order {
    item: String,
    quantity: i64,
}

#[derive(Serialize, Deserialize)]
struct Payment {
    cents: i64,
}

impl Workflow for Order {
    const NAME: &'static str = "example.order";
    type Output = String;
    type Ports = Shop;

    async fn run(self, cx: &mut Context<Shop>) -> Result<String, Failure> {
        // At least once: the result is recorded, so a later replay does not ask again.
        let quantity = self.quantity;
        let price = cx
            .step("quote", DEFAULT, |shop| async move { Ok(shop.price_cents * quantity) })
            .await?;
        // Holds no worker while it waits, for days if need be.
        let timeout = Some(Duration::from_secs(2));
        let Some(payment) = cx.wait_for::<Payment>("paid", timeout).await? else {
            return Ok(format!("{} was not paid for in time", self.item));
        };
        if payment.cents < price {
            return Err(Failure::permanent(format!(
                "{} of {price} cents were paid",
                payment.cents
            )));
        }
        // Exactly once: the row and the record of the step commit together.
        let item = self.item.clone();
        cx.step_tx("ship", DEFAULT, |tx, _| {
            let item = item.clone();
            Box::pin(async move {
                sqlx::query("insert into shipments (item) values ($1)")
                    .bind(item)
                    .execute(tx)
                    .await
                    .map_err(Failure::transient)?;
                Ok(())
            })
        })
        .await?;
        Ok(format!("{} × {} shipped for {price} cents", self.quantity, self.item))
    }
}

async fn start(
    client: &Client,
    pool: &Pool,
    item: &str,
) -> Result<Uuid, Box<dyn std::error::Error>> {
    let mut tx = pool.begin().await?;
    let order = Order { item: item.to_owned(), quantity: 3 };
    let started = client.start(&mut tx, order).await?;
    tx.commit().await?;
    Ok(started.run_id)
}

async fn outcome(client: &Client, run_id: Uuid) -> Result<String, engine::Error> {
    loop {
        if let Some(outcome) = client.output::<Order>(run_id).await? {
            return Ok(outcome);
        }
        engine::Clock::system().sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: order <postgres url>")?;
    let pool = Pool::connect(&url).await?;
    engine::migrate(&pool, pool.connect_options().get_username()).await?;
    sqlx::query("create table if not exists shipments (item text)").execute(&pool).await?;

    let stop = CancellationToken::new();
    let ports = Arc::new(Shop { price_cents: 250 });
    let worker = Worker::builder(pool.clone(), ports).register::<Order>().build()?;
    let worker = tokio::spawn(worker.run(stop.clone()));

    let client = Client::new(pool.clone());
    let (tea, coffee) =
        (start(&client, &pool, "tea").await?, start(&client, &pool, "coffee").await?);
    let mut tx = pool.begin().await?;
    client.signal(&mut tx, tea, "paid", &Payment { cents: 750 }, Some("payment-1")).await?;
    tx.commit().await?;
    println!("{}", outcome(&client, tea).await?);
    println!("{}", outcome(&client, coffee).await?);
    stop.cancel();
    worker.await??;
    Ok(())
}
