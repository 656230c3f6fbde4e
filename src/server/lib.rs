#![doc = include_str!("README.md")]

mod api;
mod auth;
mod chain_figures;
pub mod contract;
mod engine_figures;
mod errors;
pub mod issuer;
pub mod limiter;
mod listen;
mod login;
mod metrics;
mod pages;
mod ready;
mod request;
mod serve;
mod state;

pub use auth::api_key;
pub use auth::{Verifier, oidc};
pub use serve::{serve, serve_signs};
pub use state::{
    Options, Parts, Probe, PublicKey, PublicKeys, SCAN_BYTES_MAX, SESSIONS, State, Traces,
};
