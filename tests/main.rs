//! The system from outside, over HTTP.

mod bad_input;
mod chain;
mod crash;
mod main_job;
mod outage;
mod pack;
mod refusal;
mod window;
