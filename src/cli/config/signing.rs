//! What makes packs provable: the keys that sign them, the old keys that stay published, the authority that dates them.

use std::fmt;
use std::path::{Path, PathBuf};

use bundle::keyring::Keyring;
use bundle::keys::PublicKeys;
use url::Url;

use super::{Environment, Secret, Source};

/// Where keys and time stamps come from.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    pub(crate) keys: Keys,
    /// The public keys that sign no more, in the form in which they are published.
    pub(crate) retired_file: Option<PathBuf>,
    /// The time-stamp authority, RFC 3161 over HTTP.
    pub(crate) tsa_url: Option<Url>,
}

/// Where the private keys are.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    File(PathBuf),
    /// In the setting itself.
    Text(Secret),
}

impl Keys {
    /// The setting to change.
    pub(crate) const fn setting(&self) -> &'static str {
        match self {
            Self::File(_) => "DRIFTWISE_SIGNING_KEY_FILE",
            Self::Text(_) => "DRIFTWISE_SIGNING_KEY",
        }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

pub(super) fn read(source: &mut Source) -> Signing {
    let (text, file) = (source.find("signing_key"), source.find("signing_key_file"));
    let keys = match (text, file) {
        (Some(_), Some(_)) => {
            source.fault("signing_key", "and DRIFTWISE_SIGNING_KEY_FILE exclude each other: set one");
            Keys::File(PathBuf::new())
        }
        (Some(text), None) => Keys::Text(Secret::new(text)),
        (None, _) => Keys::File(source.require("signing_key_file", "a PEM file with the Ed25519 key that signs packs (driftpack admin signing-key create, or openssl genpkey -algorithm ed25519)").into()),
    };
    let beside = match &keys {
        Keys::File(file) if !file.as_os_str().is_empty() => {
            Some(file.with_file_name("retired-keys.json"))
        }
        _ => None,
    };
    let named = source.find("retired_keys_file").map(PathBuf::from);
    if let Some(file) = named.as_ref().filter(|file| !file.exists()) {
        let what = format!(
            "names {}, which is not there: put {{\"keys\": []}} there, or what {} published",
            file.display(),
            "/.well-known/driftpack-keys.json"
        );
        source.fault("retired_keys_file", what);
    }
    let tsa_url = source.find_parsed(
        "tsa_url",
        "the URL of an RFC 3161 authority, such as https://tsa.example.com/tsr",
    );
    if tsa_url.as_ref().is_some_and(|url: &Url| !matches!(url.scheme(), "http" | "https")) {
        source.fault("tsa_url", "must begin with http:// or https://");
    }
    Signing { keys, retired_file: named.or(beside), tsa_url }
}

/// What the files and texts do not hold. A key that is not valid now is no fault here: `driftpack admin signing-key` must work then.
pub(super) fn check(signing: &Signing, environment: Environment, source: &mut Source) {
    let retired = match retired(signing.retired_file.as_deref()) {
        Ok(retired) => retired,
        Err(what) => return source.fault("retired_keys_file", what),
    };
    let (setting, text) = match &signing.keys {
        Keys::Text(text) => ("signing_key", text.reveal().to_owned()),
        Keys::File(file) if file.as_os_str().is_empty() => return,
        Keys::File(file) => match std::fs::read_to_string(file) {
            Ok(text) => ("signing_key_file", text),
            // In development it is made on first use.
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && environment == Environment::Development
                    && file.parent().is_none_or(super::check::is_folder_or_can_be) =>
            {
                return;
            }
            Err(error) => {
                let what = format!("names {}, which cannot be read: {error}", file.display());
                return source.fault("signing_key_file", what);
            }
        },
    };
    if let Err(error) = Keyring::parse(&text, retired) {
        let what = match &signing.keys {
            Keys::File(file) => format!("names {}: {error}", file.display()),
            Keys::Text(_) => format!("cannot be used: {error}"),
        };
        source.fault(setting, what);
    }
}

/// The keys that sign no more; none where there is no such file.
pub(crate) fn retired(file: Option<&Path>) -> Result<PublicKeys, String> {
    let Some(file) = file else { return Ok(PublicKeys::default()) };
    let named = file.display();
    match std::fs::read(file) {
        Ok(json) => {
            PublicKeys::parse(&json).map_err(|error| match std::error::Error::source(&error) {
                Some(cause) => format!("names {named}, which is no list of keys: {error}: {cause}"),
                None => format!("names {named}, which is no list of keys: {error}"),
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(PublicKeys::default()),
        Err(error) => Err(format!("names {named}, which cannot be read: {error}")),
    }
}
