#![doc = include_str!("README.md")]

pub mod check;
pub mod cluster;
pub mod dice;
pub mod fleet;
pub mod nemesis;
pub mod operator;
pub mod plan;
pub mod ports;
pub mod report;
pub mod schema;
pub mod sender;
pub mod starter;
pub mod trial;
pub mod worker;
pub mod workload;
