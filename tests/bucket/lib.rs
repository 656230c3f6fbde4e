#![doc = include_str!("README.md")]

mod gcs;
mod line;
mod s3;

pub use gcs::Gcs;
pub use line::{Fault, Line, Rule, Seen};
pub use s3::{ACCESS_KEY, REGION, S3, SECRET_KEY};
