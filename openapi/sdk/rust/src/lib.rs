#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod error;
mod retry;
mod verify;

/// Every operation of the API, typed; written by `./dev sdk`.
#[expect(clippy::all, clippy::pedantic, reason = "written by progenitor")]
#[rustfmt::skip]
#[path = "generated.rs"]
pub mod api;

pub use client::{Ci, Driftpack, Organisation, Wait};
pub use error::{BrokenPack, Error};
pub use retry::Retries;
pub use verify::{verify, verify_with_program};
