//! The program: `chaos run`, `chaos plan`, and the `chaos worker` that it starts itself as.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chaos::plan::{Scope, plan};
use chaos::{trial, worker};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Makes everything around the engine fail, and proves from the database that nothing came of it
#[derive(Debug, Parser)]
#[command(max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a trial; exit code 1 when a promise was broken
    Run(Run),
    /// Show the plan of faults of a seed, as JSON
    Plan(Length),
    #[command(hide = true)]
    Worker(worker::Orders),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    length: Length,
    /// Write the report to this file, too, as JSON
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Length {
    /// How long things are made to fail, in minutes
    #[arg(long, default_value_t = 15, conflicts_with = "seconds")]
    minutes: u64,
    /// The same in seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// The seed of the plan; drawn when it is left out
    #[arg(long)]
    seed: Option<u64>,
    /// Worker processes, at least 2
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=32))]
    workers: u8,
}

impl Length {
    fn scope(&self) -> Scope {
        Scope {
            seed: self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
            length: Duration::from_secs(self.seconds.unwrap_or(self.minutes * 60)),
            workers: usize::from(self.workers),
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Run(run) => trial(&run).await,
        Command::Plan(length) => {
            say(&serde_json::to_string_pretty(&plan(length.scope()))?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Worker(orders) => {
            worker::run(orders).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn trial(run: &Run) -> Result<ExitCode> {
    let scope = run.length.scope();
    // First, so that a trial that ends badly can be repeated.
    say(&format!("seed {}", scope.seed))?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Whoever ends it early leaves nothing behind: what the trial has started ends with it.
    let (report, left) = tokio::select! {
        ended = trial::run(scope) => ended?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    if let Some(file) = &run.report {
        let json = serde_json::to_vec_pretty(&report)?;
        std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
    }
    say(&report.to_string())?;
    if let Some(folder) = left {
        say(&format!("kept        {}: the database and what the workers said", folder.display()))?;
    }
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}
