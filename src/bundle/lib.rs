#![doc = include_str!("README.md")]

pub mod attestation;
pub mod csv;
mod deflate;
pub mod digest;
pub mod dsse;
mod error;
pub mod json;
pub mod keyring;
pub mod keys;
pub mod manifest;
pub mod packed;
pub mod provenance;
pub mod section;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timestamp;
pub mod verify;
pub mod walkthrough;
pub mod zip;

pub use error::Error;
