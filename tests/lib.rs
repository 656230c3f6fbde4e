#![doc = include_str!("README.md")]
//! The system from outside: what a test needs to start the real program and to talk to it.
//!
//! Invariants
//! - Every test has a database, a storage folder and a port of its own; Redis is shared, its keys carry the
//!   organisation's id.
//! - The program under test is the binary that a user runs, started as a process, so that it can be killed.
//!
//! Not here: any knowledge of how the program works inside. Tests see HTTP, files, exit codes and SQL.

pub mod app;
pub mod authority;
pub mod browser;
pub mod certificate;
pub mod cluster;
pub mod collector;
pub mod contract;
pub mod hold;
pub mod http;
pub mod plan;
pub mod provider;
pub mod setting;
pub mod sibling;
pub mod sql;
pub mod visitor;
pub mod wait;
