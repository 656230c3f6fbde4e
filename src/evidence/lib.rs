#![doc = include_str!("README.md")]

mod text;

pub mod action;
pub mod backlog;
pub mod chain;
pub mod control;
pub mod definition;
pub mod finding;
pub mod ids;
pub mod input;
pub mod metrics;
pub mod org;
pub mod pack;
pub mod risk;
pub mod scan;
pub mod sla;
pub mod time;
pub mod visible;

pub use text::Unknown;
