//! Certificates for servers of tests, made by OpenSSL.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// An authority that nobody knows, and a certificate by it for `127.0.0.1`: `authority.pem`, `server.pem` and `server.key`.
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes them. Less than no days: the certificate has ended.
    ///
    /// # Panics
    /// When `openssl` is missing.
    pub fn lasting(days: i32) -> Self {
        let dir = tempfile::tempdir().expect("the temporary folder is writable");
        let openssl = |words: &str| {
            let mut openssl = Command::new("openssl");
            openssl.current_dir(dir.path()).args(words.split(' ')).stderr(Stdio::null());
            assert!(openssl.status().expect("openssl is installed").success(), "openssl {words}");
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -days 2 -subj /CN=authority -keyout authority.key -out authority.pem"
        ));
        openssl(&format!(
            "req {key} -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.csr"
        ));
        openssl(&format!(
            "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -copy_extensions copy -days {days} -out server.pem"
        ));
        Self(dir)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
