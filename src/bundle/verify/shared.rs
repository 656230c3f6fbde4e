//! What several threads read at once, each from its own place.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A pack as bytes. Clones have places of their own: a `&File`, whose clones move one place, is none.
pub trait Source: Read + Seek + Clone + Send + Sync {}

impl Source for SharedFile {}
impl<T: AsRef<[u8]> + Clone + Send + Sync> Source for Cursor<T> {}

/// A reader of a file; its clones begin where it is, and move on by themselves.
#[derive(Debug, Clone)]
pub struct SharedFile {
    file: Arc<File>,
    at: u64,
}

impl SharedFile {
    /// Begins at the first byte, wherever the file was.
    pub fn new(file: File) -> Self {
        Self { file: Arc::new(file), at: 0 }
    }
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.at, by),
            // Moves the place of the file itself, which nobody reads from.
            SeekFrom::End(by) => ((&*self.file).seek(SeekFrom::End(0))?, by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place outside of any file");
        self.at = from.checked_add_signed(by).ok_or_else(outside)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn clones_read_from_places_of_their_own() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut one = SharedFile::new(file);
        assert_eq!(one.seek(SeekFrom::End(-4)).unwrap(), 6);
        let mut other = one.clone();
        let read = |reader: &mut SharedFile, most: u64| {
            let mut text = String::new();
            reader.take(most).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read(&mut one, 2), "67");
        assert_eq!(read(&mut other, 9), "6789");
        assert_eq!(one.seek(SeekFrom::Current(-8)).unwrap(), 0);
        assert_eq!(read(&mut one, 3), "012");
        assert!(one.seek(SeekFrom::Current(-4)).is_err());
        assert_eq!(one.seek(SeekFrom::Start(99)).unwrap(), 99);
        assert_eq!(read(&mut one, 3), "");
    }
}
