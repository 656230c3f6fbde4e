//! The operations over real HTTP, with a database, a Redis and an issuer; each test has its own.

mod download;
mod errand;
mod evidence;
mod harness;
mod invitation;
mod member;
mod metrics;
mod operate;
mod order;
mod org;
mod request;
mod schedule;
mod setting;
mod time;
mod workflow;
