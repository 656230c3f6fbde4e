#![doc = include_str!("README.md")]

mod chart;
mod chromium;
mod escape;
mod format;
mod html;
mod report;

#[cfg(test)]
mod tests;

pub use chromium::{Chromium, Error, Options};
pub use html::{Error as HtmlError, html};
pub use report::{Attested, Entry, Product, Report, Requester};
