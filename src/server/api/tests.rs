//! The operations over real HTTP, with a database, a Redis and an issuer; each test has its own.

mod download;
mod evidence;
mod harness;
mod metrics;
mod order;
mod org;
mod request;
mod time;
