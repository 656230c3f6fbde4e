//! Secrets in files of their own: which count, which are refused, and that nothing of them is repeated.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::setting;
use super::super::{Config, Faults, Source};

const PEPPER: &str = "0123456789abcdef0123456789abcdef";

/// A folder with secrets in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file that only its owner may read.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn load(changes: &[(&str, &str)]) -> Result<Config, Faults> {
    let mut settings: std::collections::BTreeMap<_, _> = [
        ("DATABASE_URL", "postgres://driftpack_app:s3cret@db/driftpack"),
        ("REDIS_URL", "redis://cache:6379"),
        ("API_KEY_PEPPER", PEPPER),
        ("STORAGE_ROOT", "/srv/packs"),
        ("SIGNING_KEY_FILE", "/srv/keys/signing.pem"),
    ]
    .into();
    settings.extend(changes.iter().copied());
    let variable = |(name, value)| (format!("DRIFTWISE_{name}").into(), String::into(value));
    let settings = settings.into_iter().map(|(name, value)| (name, value.to_owned()));
    Config::load(Source::new(settings.map(variable)))
}

#[test]
fn a_secret_comes_from_its_file_without_the_line_end() {
    let folder = Folder::new();
    let config = load(&[
        ("API_KEY_PEPPER", ""),
        ("API_KEY_PEPPER_FILE", &folder.put("pepper", format!("{PEPPER}\n"))),
        ("DATABASE_URL", ""),
        ("DATABASE_URL_FILE", &folder.put("url", "postgres://a:b c@db/driftpack\r\n\n")),
        ("OIDC_ISSUER", "https://login.example.com"),
        ("OIDC_CLIENT_ID", "packs"),
        ("OIDC_CLIENT_SECRET_FILE", &folder.put("client", " with spaces ")),
    ])
    .expect("it is good");
    assert_eq!(config.api_key_pepper.reveal(), PEPPER);
    assert_eq!(config.database_url.reveal(), "postgres://a:b c@db/driftpack");
    let browser = config.oidc.browser.as_ref().unwrap();
    assert_eq!(browser.client_secret.as_ref().unwrap().reveal(), " with spaces ");
    assert!(config.unknown.is_empty() && config.warnings.is_empty(), "{config:?}");
    assert!(!format!("{config:?}").contains(PEPPER));
}

#[test]
fn every_secret_of_the_table_may_lie_in_a_file() {
    let folder = Folder::new();
    let secrets: Vec<_> = setting::all().filter(|setting| setting.is_secret).collect();
    assert!(secrets.len() >= 9, "{secrets:?}");
    for setting in secrets.iter().filter(|setting| setting.name != "signing_key") {
        // The path names nothing: that it is asked for, and under which name, is what is to be seen.
        let name = setting.name.to_uppercase();
        let missing = folder.path("missing").display().to_string();
        let message = load(&[(&name, ""), (&format!("{name}_FILE"), &missing)])
            .expect_err("there is no such file")
            .to_string();
        let wanted = format!("\n  DRIFTWISE_{name}_FILE: names {missing}, which cannot be read");
        assert!(message.contains(&wanted), "{message}");
        assert!(!message.contains("is missing"), "{message}");
    }
    // Its file is a setting by itself, which is read again when it changes.
    assert_eq!(setting::own_file("signing_key"), None);
    assert_eq!(setting::own_file("listen"), None);
}

#[test]
fn a_secret_that_is_given_twice_is_refused() {
    let folder = Folder::new();
    let file = folder.put("pepper", PEPPER);
    let message =
        load(&[("API_KEY_PEPPER_FILE", &file)]).expect_err("which of the two?").to_string();
    let wanted =
        "DRIFTWISE_API_KEY_PEPPER_FILE: and DRIFTWISE_API_KEY_PEPPER exclude each other: set one";
    assert!(message.contains(wanted), "{message}");
    assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
    // Also when one of them stands in the file of settings.
    let toml = folder.put("driftpack.toml", format!("api_key_pepper_file = \"{file}\"\n"));
    let message = load(&[("CONFIG", &toml)]).expect_err("which of the two?").to_string();
    assert!(message.contains(wanted), "{message}");
    assert!(load(&[("CONFIG", &toml), ("API_KEY_PEPPER", "")]).is_ok());
}

#[test]
fn a_file_that_holds_no_secret_is_a_fault_that_repeats_nothing_of_it() {
    let folder = Folder::new();
    let fifo = folder.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (file, words) in [
        (folder.put("empty", "\n\n"), "which is empty"),
        (folder.put("short", "hunter2\n"), "must have 32 bytes or more"),
        (
            folder.put("garbled", [b"hunter2".as_slice(), &[0xff; 40]].concat()),
            "which is not UTF-8",
        ),
        (folder.put("long", "hunter2".repeat(10_000)), "has more than 65536 bytes"),
        (folder.0.path().display().to_string(), "which is no file"),
        (fifo.display().to_string(), "which is no file"),
        ("/dev/zero".to_owned(), "which is no file"),
    ] {
        let message = load(&[("API_KEY_PEPPER", ""), ("API_KEY_PEPPER_FILE", &file)])
            .expect_err("it is faulty")
            .to_string();
        assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
        let fault = message.lines().find(|line| line.contains("DRIFTWISE_API_KEY_PEPPER_FILE: "));
        assert!(fault.is_some_and(|fault| fault.contains(words)), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_file_that_everybody_can_read_counts_and_is_told() {
    let folder = Folder::new();
    let file = folder.put("pepper", PEPPER);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config =
        load(&[("API_KEY_PEPPER", ""), ("API_KEY_PEPPER_FILE", &file)]).expect("it is good");
    assert_eq!(config.api_key_pepper.reveal(), PEPPER);
    assert_eq!(config.warnings.len(), 1);
    let warning = &config.warnings[0];
    assert!(
        warning.contains("DRIFTWISE_API_KEY_PEPPER_FILE") && warning.contains("0600"),
        "{warning}"
    );
    assert!(!warning.contains(PEPPER));
}

#[test]
fn the_two_peppers_of_an_exchange_are_two_good_ones() {
    let with = |previous: &str| load(&[("API_KEY_PEPPER_PREVIOUS", previous)]);
    assert!(with("fedcba9876543210fedcba9876543210").is_ok());
    for (previous, words) in [("hunter2", "32 bytes or more"), (PEPPER, "is the pepper in force")] {
        let message = with(previous).expect_err("it is faulty").to_string();
        assert!(message.contains("\n  DRIFTWISE_API_KEY_PEPPER_PREVIOUS: "), "{message}");
        assert!(message.contains(words) && !message.contains(previous), "{message}");
    }
}
