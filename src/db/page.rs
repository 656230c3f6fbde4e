//! Parts of lists.

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many rows at most.
    pub limit: u32,
    /// How many to leave out before them.
    pub offset: u32,
}

impl Slice {
    /// The whole list, where it cannot be long.
    pub(crate) const WHOLE: Self = Self { limit: u32::MAX, offset: 0 };
}

/// A part of a list, and how long the whole list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub total: u64,
}
