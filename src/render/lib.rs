#![doc = include_str!("README.md")]

mod chart;
mod chromium;
mod css;
mod escape;
mod figure;
mod fonts;
mod format;
mod html;
mod index;
mod report;

#[cfg(test)]
mod tests;

pub use chromium::{Chromium, Error, Options, installed};
pub use html::{Error as HtmlError, html};
pub use index::{Dictionary, Excluded, File, Index, Question, Word, index};
pub use report::{Attested, Entry, Paper, Product, Report, Requester};
