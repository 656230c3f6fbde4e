//! A real S3 server in the test's process, with a bucket of its own in a folder that goes with it.

use std::path::PathBuf;

use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;

use crate::line::{Far, Line};

/// What it takes for a signature.
pub const ACCESS_KEY: &str = "driftpack-test";
pub const SECRET_KEY: &str = "not-a-secret-9f2c";
pub const REGION: &str = "us-east-1";

const BUCKET: &str = "packs";

/// The server; it ends with the value.
pub struct S3 {
    pub line: Line,
    folder: TempDir,
}

impl S3 {
    /// Starts it on a free port of loopback.
    ///
    /// # Panics
    /// When the temporary folder cannot be written to.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let s3 = FileSystem::new(folder.path()).expect("a folder can be served");
        let mut service = S3ServiceBuilder::new(s3);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let started = Self {
            line: Line::start(Far::S3(service.build(), folder.path().join(BUCKET))),
            folder,
        };
        started.create_bucket();
        started
    }

    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The folder in which the objects lie; what begins with a dot is the server's own.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Makes the bucket, or makes it again.
    ///
    /// # Panics
    /// When the temporary folder cannot be written to.
    pub fn create_bucket(&self) {
        std::fs::create_dir_all(self.folder()).expect("the temporary folder is writable");
    }

    /// Moves the bucket away, as if somebody had deleted it, or brings it back.
    ///
    /// # Panics
    /// When it is not where it should be.
    pub fn hide_bucket(&self, hidden: bool) {
        // What begins with a dot is no bucket.
        let aside = self.folder.path().join(".aside");
        let (from, to) = if hidden { (self.folder(), aside) } else { (aside, self.folder()) };
        std::fs::rename(from, to).expect("the bucket is a folder");
    }

    /// Uploads in parts that are neither complete nor given up: the parts that lie about.
    ///
    /// # Panics
    /// When the server's folder cannot be read.
    pub fn open_parts(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        files
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().starts_with(".upload_id"))
            .count()
    }
}
