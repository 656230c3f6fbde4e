//! A time-stamp authority of OpenSSL's: a root of its own, a signer below it, and `openssl ts -reply`.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What signs tokens; its keys are gone with the value.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

const CONFIG: &str = "
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = signer.pem
signer_key = signer.key
signer_digest = sha256
certs = root.pem
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
clock_precision_digits = 3
ess_cert_id_alg = sha256
[signer]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
";

impl Authority {
    /// Makes the keys and certificates.
    ///
    /// # Panics
    /// When OpenSSL fails.
    pub fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::write(authority.path("ts.cnf"), CONFIG).expect("the folder is writable");
        std::fs::write(authority.path("serial"), "01\n").expect("the folder is writable");
        for command in [
            "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=root -keyout root.key -out root.pem \
             -config ts.cnf -extensions root -addext subjectKeyIdentifier=hash",
            "req -newkey rsa:2048 -nodes -subj /CN=authority -keyout signer.key -out signer.csr -config ts.cnf",
            "x509 -req -in signer.csr -CA root.pem -CAkey root.key -set_serial 2 -days 3650 -out signer.pem \
             -extfile ts.cnf -extensions signer",
        ] {
            authority.openssl(&command.split_whitespace().collect::<Vec<_>>());
        }
        authority
    }

    /// Answers a request (DER) as an authority does.
    ///
    /// # Panics
    /// When OpenSSL fails.
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        std::fs::write(self.path("request"), request).expect("the folder is writable");
        self.openssl(&[
            "ts",
            "-reply",
            "-config",
            "ts.cnf",
            "-queryfile",
            "request",
            "-out",
            "answer",
        ]);
        std::fs::read(self.path("answer")).expect("OpenSSL has written it")
    }

    /// The certificate that an auditor trusts.
    pub fn root(&self) -> PathBuf {
        self.path("root.pem")
    }

    /// Whether `openssl ts -verify` takes the answer for one over the bytes of `data`.
    pub fn verifies(&self, data: &Path, answer: &Path) -> bool {
        let out = Command::new("openssl")
            .args(["ts", "-verify", "-CAfile"])
            .arg(self.root())
            .arg("-data")
            .arg(data)
            .arg("-in")
            .arg(answer)
            .output();
        out.expect("openssl is there").status.success()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let out = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        let out = out.expect("openssl is there");
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
