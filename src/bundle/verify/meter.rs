//! A reader that hashes, counts, and refuses more than it was told to expect.
//!
//! Two limits: bytes in all, and bytes since the last [`Allowance::renew`], which the reader of
//! rows calls between rows. The second one bounds memory: no parser behind this reader can be made
//! to hold more than one allowance.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::digest::{Digest, Sum};

/// What may still be read before the next [`Self::renew`].
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    left: Rc<Cell<u64>>,
    full: u64,
}

impl Allowance {
    pub(super) fn new(bytes: u64) -> Self {
        Self { left: Rc::new(Cell::new(bytes)), full: bytes }
    }

    pub(super) fn renew(&self) {
        self.left.set(self.full);
    }
}

pub(super) struct Meter<R> {
    inner: R,
    sum: Sum,
    max: u64,
    allowance: Allowance,
}

impl<R: Read> Meter<R> {
    /// `max`: bytes in all.
    pub(super) fn new(inner: R, max: u64, allowance: Allowance) -> Self {
        Self { inner, sum: Sum::default(), max, allowance }
    }

    /// Reads what is left, so that the digest covers everything.
    pub(super) fn drain(mut self) -> io::Result<Digest> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            self.allowance.renew();
            match self.read(&mut buffer) {
                Ok(0) => return Ok(self.sum.finish()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sum.update(&buffer[..read]);
        if self.sum.bytes() > self.max {
            return Err(io::Error::other("it unpacks to more than the limit; not read further"));
        }
        let left = self.allowance.left.get().checked_sub(read as u64);
        self.allowance.left.set(
            left.ok_or_else(|| {
                io::Error::other("one row, line or member is larger than the limit")
            })?,
        );
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_stop_the_reading() {
        let bytes = [b'x'; 100];
        let meter = |max, item| Meter::new(bytes.as_slice(), max, Allowance::new(item));
        assert_eq!(meter(100, 100).drain().unwrap(), crate::digest::of(&bytes));
        assert!(meter(99, 100).drain().is_err());
        let mut buffer = [0; 10];
        let mut small = meter(100, 25);
        let reads: Vec<bool> = (0..3).map(|_| small.read(&mut buffer).is_ok()).collect();
        assert_eq!(reads, [true, true, false]);
    }
}
