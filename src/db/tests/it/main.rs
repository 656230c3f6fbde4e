//! The package from outside: each test has a database of its own and works as the server's role.

#![expect(clippy::unwrap_used, reason = "what a test stands on may fail loudly")]

mod chain;
mod chain_checks;
mod commit;
mod deletion;
mod distribution;
mod erasure;
mod exports;
mod findings;
mod generate;
mod history;
mod moves;
mod orgs;
mod pool;
mod retention;
mod scale;
mod scans;
mod schema;
mod section;
mod sessions;
mod settings;
mod sight;
mod support;
mod tenancy;
mod upgrade;
