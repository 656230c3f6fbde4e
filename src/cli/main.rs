#![doc = include_str!("README.md")]

mod authority;
mod bootstrap;
mod client;
mod commands;
mod compose;
mod config;
#[cfg(test)]
mod documents;
mod figures;
mod issuer;
mod keyring;
mod pack;
mod private;
mod say;
mod shutdown;
mod story;
mod telemetry;
mod terminal;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser};
use clap_complete::Shell;

use commands::service::Parts;
use commands::{
    admin, dev, export, ingest, migrate, queues, runs, schedules, service, verify, workers,
};

/// Not 1: for `verify` that means a broken pack.
const FAILED: u8 = 4;

/// Not clap's own 2, which for `verify` means a truncated log: `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// The release and the commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("DRIFTPACK_BUILD"), ")");

/// The same, and how it was built.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("DRIFTPACK_BUILD"),
    ")\nbuild: ",
    env!("DRIFTPACK_PROFILE"),
    ", ",
    env!("DRIFTPACK_TARGET"),
    ", ",
    env!("DRIFTPACK_RUSTC")
);

/// Compliance Packs from Terraform drift: service, worker, verifier
#[derive(Debug, Parser)]
#[command(version = VERSION, long_version = LONG_VERSION)]
#[command(propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Settings of the service are DRIFTWISE_* variables; `driftpack config show` checks them.
In a checkout, ./dev demo shows everything and ./dev up keeps it running.
Exit code: 0 done, 4 failed, 64 wrong arguments; `ingest`, `verify` and `runs watch` have more, see there."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Answer the API
    Serve,
    /// Run workflows: build packs, expire old ones
    Worker,
    /// Answer the API and run workflows in one process
    All,
    Migrate(migrate::Args),
    Ingest(ingest::Args),
    Export(export::Args),
    Verify(verify::Args),
    Demo(commands::demo::Args),
    #[command(subcommand)]
    Runs(runs::Command),
    #[command(subcommand)]
    Schedules(schedules::Command),
    Queues(queues::Args),
    Workers(workers::Args),
    #[command(subcommand)]
    Admin(admin::Command),
    #[command(subcommand)]
    Dev(dev::Command),
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Print the completions of a shell: driftpack completions bash >~/.local/share/bash-completion/completions/driftpack
    Completions {
        shell: Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return tell(&told),
    };
    // One provider for every TLS connection; installed before the first can be opened.
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing else has installed a provider");
    match run(arguments.command).await {
        Ok(code) => code,
        Err(error) => {
            say::note(format!("driftpack: {}", say::lines(&format!("{error:#}"))));
            ExitCode::from(FAILED)
        }
    }
}

/// Prints help or the version, which is what was asked for; or what is wrong with the arguments.
fn tell(told: &clap::Error) -> ExitCode {
    // A closed pipe ends the words, not the program.
    let _ = told.print();
    if told.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve => Box::pin(service::run(Parts::Api)).await,
        Command::Worker => Box::pin(service::run(Parts::Worker)).await,
        Command::All => Box::pin(service::run(Parts::Both)).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Ingest(args) => Box::pin(ingest::run(args)).await,
        Command::Export(args) => Box::pin(export::run(args)).await,
        Command::Verify(args) => Box::pin(verify::run(args)).await,
        Command::Demo(args) => Box::pin(commands::demo::run(args)).await,
        Command::Runs(command) => Box::pin(runs::run(command)).await,
        Command::Schedules(command) => Box::pin(schedules::run(command)).await,
        Command::Queues(args) => Box::pin(queues::run(args)).await,
        Command::Workers(args) => Box::pin(workers::run(args)).await,
        Command::Admin(command) => Box::pin(admin::run(command)).await,
        Command::Dev(command) => Box::pin(dev::run(command)).await,
        Command::Config(command) => commands::config::run(&command),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "driftpack",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
