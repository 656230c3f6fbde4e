//! The system from outside, over HTTP.
