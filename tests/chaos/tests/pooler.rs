//! Poolers.
