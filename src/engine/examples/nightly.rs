//! A nightly schedule in a time zone, run at once and for the nights that were missed.
//!
//! ```sh
//! cargo run --example nightly -- postgres://postgres@localhost/postgres
//! ```
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::sync::Arc;
use std::time::Duration;

use engine::{
    CancellationToken, Client, Clock, Context, DEFAULT, Failure, Misfire, Pool, RunFilter,
    RunState, Schedule, Time, Worker, Workflow,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Report {
    night: Time,
}

impl Workflow for Report {
    const NAME: &'static str = "example.report";
    const RETENTION: Duration = Duration::from_hours(30 * 24);
    type Output = String;
    type Ports = ();

    async fn run(self, cx: &mut Context<()>) -> Result<String, Failure> {
        let night = self.night;
        cx.step(
            "write",
            DEFAULT,
            |_| async move { Ok(format!("report of {}", night.date_naive())) },
        )
        .await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: nightly <postgres url>")?;
    let pool = Pool::connect(&url).await?;
    engine::migrate(&pool, pool.connect_options().get_username()).await?;
    // At half past two in Berlin, also on the two nights on which the clocks change; after a downtime of several nights
    // each of them gets its report, up to seven.
    let nightly =
        Schedule::new("example.nightly", "30 2 * * *", "Europe/Berlin", |night| Report { night })
            .misfire(Misfire::All(7));
    let stop = CancellationToken::new();
    let worker = Worker::builder(pool.clone(), Arc::new(()))
        .register::<Report>()
        .schedule(nightly)
        .build()?;
    let worker = tokio::spawn(worker.run(stop.clone()));

    let client = Client::new(pool.clone());
    let schedule = loop {
        if let Some(schedule) = client.schedules().await?.pop() {
            break schedule;
        }
        Clock::system().sleep(Duration::from_millis(20)).await;
    };
    println!("{} next at {:?}", schedule.name, schedule.next_at);

    // What an operator can do: the last three nights, and once more right now.
    let operator = client.operator("kim@example.com");
    let now = Clock::system().now();
    let mut tx = pool.begin().await?;
    let span = (now - chrono::TimeDelta::days(3), now);
    let nights = operator.backfill_schedule(&mut tx, schedule.name.as_str(), span).await?;
    operator.run_schedule_now(&mut tx, schedule.name.as_str()).await?;
    tx.commit().await?;

    let done = RunFilter {
        workflow: Some("example.report".to_owned()),
        states: vec![RunState::Succeeded],
        ..RunFilter::default()
    };
    let runs = loop {
        let runs = client.list(&done, None, 100).await?;
        if runs.len() > nights.len() {
            break runs;
        }
        Clock::system().sleep(Duration::from_millis(20)).await;
    };
    for run in runs {
        println!("{}", client.output::<Report>(run.id).await?.unwrap_or_default());
    }
    stop.cancel();
    worker.await??;
    Ok(())
}
