//! A part of a long list: which rows an address asks for, and the ways to the others.

use db::{Page, Slice};
use poem::Request;

use crate::pages::{form, text};

/// Rows of one part: a page stays small whatever an organisation has.
const ROWS: u32 = 50;

/// Which part is shown.
pub(super) struct Pager {
    /// The word of the address, so that two lists of a page are turned apart.
    word: &'static str,
    /// From 0.
    number: u32,
    total: u64,
    pairs: Vec<(String, String)>,
}

impl Pager {
    /// What the address asks for; without a word or with a senseless one the first part.
    pub(super) fn of(request: &Request, word: &'static str) -> Self {
        let mut asked = form::query(request);
        let number = asked.remove(word).and_then(|number| number.parse::<u32>().ok());
        let mut pairs: Vec<_> = asked.into_iter().filter(|(name, _)| name != "done").collect();
        pairs.sort();
        Self { word, number: number.unwrap_or(1).clamp(1, u32::MAX / ROWS) - 1, total: 0, pairs }
    }

    pub(super) fn slice(&self) -> Slice {
        Slice { limit: ROWS, offset: self.number * ROWS }
    }

    /// The rows, after a look at how many there are.
    pub(super) fn take<T>(&mut self, page: Page<T>) -> Vec<T> {
        self.total = page.total;
        page.rows
    }

    /// How many rows there are.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn is_needed(&self) -> bool {
        self.number > 0 || self.total > u64::from(ROWS)
    }

    fn last(&self) -> u32 {
        let parts = self.total.div_ceil(ROWS.into()).max(1);
        u32::try_from(parts - 1).unwrap_or(u32::MAX / ROWS)
    }

    /// `51–100 of 256`.
    pub(super) fn shown(&self) -> String {
        let first = u64::from(self.number) * u64::from(ROWS) + 1;
        let last = self.total.min(first + u64::from(ROWS) - 1);
        if first > last {
            return format!("nothing here; {} in all", text::count(self.total));
        }
        format!("{}–{} of {}", text::count(first), text::count(last), text::count(self.total))
    }

    pub(super) fn previous(&self) -> Option<String> {
        let number = self.number.checked_sub(1)?.min(self.last());
        Some(self.address(number))
    }

    pub(super) fn next(&self) -> Option<String> {
        (self.number < self.last()).then(|| self.address(self.number + 1))
    }

    fn address(&self, number: u32) -> String {
        let number = (number + 1).to_string();
        let others = self.pairs.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
        let pairs: Vec<_> = others.chain([(self.word, Some(number.as_str()))]).collect();
        form::address("", &pairs)
    }
}
