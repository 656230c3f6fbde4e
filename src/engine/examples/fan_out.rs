//! A thousand children, fifty at a time, and what they bring back.
//!
//! ```sh
//! cargo run --example fan_out -- postgres://postgres@localhost/postgres
//! ```
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{CancellationToken, Client, Context, DEFAULT, Failure, Pool, Worker, Workflow};
use serde::{Deserialize, Serialize};

/// One shard of the work: a run of its own, with retries and a history of its own.
#[derive(Serialize, Deserialize)]
struct CountPrimes {
    from: u32,
}

const SHARD: u32 = 100;

impl Workflow for CountPrimes {
    const NAME: &'static str = "example.count_primes";
    type Output = usize;
    type Ports = ();

    async fn run(self, cx: &mut Context<()>) -> Result<usize, Failure> {
        let from = self.from;
        cx.step("count", DEFAULT, |_| async move {
            let is_prime =
                |n: u32| n > 1 && (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
            Ok((from..from + SHARD).filter(|n| is_prime(*n)).count())
        })
        .await
    }
}

#[derive(Serialize, Deserialize)]
struct Primes {
    shards: u32,
}

impl Workflow for Primes {
    const NAME: &'static str = "example.primes";
    type Output = usize;
    type Ports = ();

    async fn run(self, cx: &mut Context<()>) -> Result<usize, Failure> {
        let shards = (0..self.shards).map(|shard| CountPrimes { from: shard * SHARD });
        let children = cx.spawn_all("shards", shards, 50).await?;
        // Without a worker until the last of them has ended.
        let mut primes = 0;
        for counted in cx.join_all(children).await? {
            primes += counted?;
        }
        Ok(primes)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: fan_out <postgres url>")?;
    let pool = Pool::connect(&url).await?;
    engine::migrate(&pool, pool.connect_options().get_username()).await?;
    let stop = CancellationToken::new();
    let worker = Worker::builder(pool.clone(), Arc::new(()))
        .register::<Primes>()
        .register::<CountPrimes>()
        .concurrency(64)
        .build()?;
    let worker = tokio::spawn(worker.run(stop.clone()));

    let client = Client::new(pool.clone());
    let begun = Instant::now();
    let mut tx = pool.begin().await?;
    let started = client.start(&mut tx, Primes { shards: 1000 }).await?;
    tx.commit().await?;
    let primes = loop {
        if let Some(primes) = client.output::<Primes>(started.run_id).await? {
            break primes;
        }
        engine::Clock::system().sleep(Duration::from_millis(20)).await;
    };
    println!("{primes} primes below 100,000, counted by 1,000 children in {:.1?}", begun.elapsed());
    stop.cancel();
    worker.await??;
    Ok(())
}
