//! One file per command; each has its arguments and a `run`.

pub(crate) mod admin;
pub(crate) mod append;
pub(crate) mod config;
pub(crate) mod crowd;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod export;
pub(crate) mod ingest;
pub(crate) mod migrate;
pub(crate) mod queues;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod service;
pub(crate) mod verify;
pub(crate) mod workers;
