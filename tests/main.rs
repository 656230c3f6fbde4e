//! The system from outside, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test ends where its set-up does not hold")]

mod alerts;
mod attack;
mod bad_input;
mod chain;
mod command_line;
mod crash;
mod data_life;
mod doctor;
mod document;
mod drill;
mod exchange;
mod flush;
mod guide;
mod install;
mod log;
mod main_job;
mod monitoring;
mod operator;
mod outage;
mod pack;
mod permission;
mod refusal;
mod repeat;
mod rotation;
mod schemathesis;
mod screen;
mod sdk;
mod secret;
mod sign_in;
mod signing;
mod store;
mod time_stamp;
mod traces;
mod verify;
mod window;
