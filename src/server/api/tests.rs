//! The operations over real HTTP, with a database, a Redis and an issuer; each test has its own.

mod download;
mod errand;
mod evidence;
mod forgery;
mod harness;
mod invitation;
mod member;
mod metrics;
mod operate;
mod ops;
mod order;
mod org;
mod page;
mod repeat;
mod request;
mod schedule;
mod session;
mod setting;
mod sign_in;
mod time;
mod visitor;
mod workflow;
