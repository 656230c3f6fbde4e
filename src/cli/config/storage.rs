//! Where packs are kept: a folder, or a bucket of S3 or Google Cloud Storage.
//!
//! Invariant: a setting that does not belong to the chosen kind is a fault, so that nobody believes that it is in force.

use std::path::PathBuf;

use storage::{AccessKey, Encryption, Gcs, GcsCredentials, Options, S3};
use url::Url;

use super::{Environment, Secret, Source};

/// Settings that only some kinds have, and those kinds.
const PARTIAL: &[(&str, &[Kind])] = &[
    ("storage_root", &[Kind::Fs]),
    ("storage_bucket", &[Kind::S3, Kind::Gcs]),
    ("storage_prefix", &[Kind::S3, Kind::Gcs]),
    ("storage_endpoint", &[Kind::S3, Kind::Gcs]),
    ("s3_region", &[Kind::S3]),
    ("s3_path_style", &[Kind::S3]),
    ("s3_access_key_id", &[Kind::S3]),
    ("s3_secret_access_key", &[Kind::S3]),
    ("s3_session_token", &[Kind::S3]),
    ("s3_encryption", &[Kind::S3]),
    ("s3_kms_key_id", &[Kind::S3]),
    ("gcs_credentials_file", &[Kind::Gcs]),
    ("gcs_anonymous", &[Kind::Gcs]),
];

/// Where requests to a compatible service are signed for when nothing else is said; most do not look at it.
const REGION_OF_COMPATIBLE: &str = "us-east-1";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fs,
    S3,
    Gcs,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fs => "fs",
            Self::S3 => "s3",
            Self::Gcs => "gcs",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Fs, Self::S3, Self::Gcs].into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// Reads and checks everything about storage, but for what the file system says of a folder.
pub(super) fn read(source: &mut Source, environment: Environment) -> Options {
    let kind = source.parse("storage", Kind::Fs, "`fs`, `s3` or `gcs`");
    for (name, kinds) in PARTIAL {
        if source.find(name).is_some() && !kinds.contains(&kind) {
            let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.as_str())).collect();
            let what = format!("counts only where DRIFTWISE_STORAGE is {}", kinds.join(" or "));
            source.fault(name, what);
        }
    }
    match kind {
        Kind::Fs => Options::Fs {
            root: source.require("storage_root", "the folder that holds the packs").into(),
        },
        Kind::S3 => Options::S3(s3(source, environment)),
        Kind::Gcs => Options::Gcs(gcs(source, environment)),
    }
}

fn s3(source: &mut Source, environment: Environment) -> S3 {
    let endpoint = endpoint(source, environment);
    let region = match (source.find("s3_region"), &endpoint) {
        (Some(region), _) => region,
        (None, Some(_)) => REGION_OF_COMPATIBLE.to_owned(),
        (None, None) => {
            source.require("s3_region", "the region of the bucket, such as eu-central-1")
        }
    };
    S3 {
        bucket: bucket(source),
        prefix: prefix(source),
        region,
        is_path_style: source.parse("s3_path_style", endpoint.is_some(), "`true` or `false`"),
        endpoint,
        access_key: access_key(source),
        encryption: encryption(source),
    }
}

fn access_key(source: &mut Source) -> Option<AccessKey> {
    let id = source.find("s3_access_key_id");
    let secret = source.find("s3_secret_access_key").map(Secret::new);
    let session_token = source.find("s3_session_token");
    match (id, secret) {
        (Some(id), Some(secret)) => {
            Some(AccessKey { id, secret: secret.reveal().to_owned(), session_token })
        }
        (None, None) => {
            if session_token.is_some() {
                source.fault("s3_session_token", "needs s3_access_key_id and s3_secret_access_key");
            }
            None
        }
        (Some(_), None) => {
            source.fault(
                "s3_secret_access_key",
                "is missing: s3_access_key_id is set; set both, or neither",
            );
            None
        }
        (None, Some(_)) => {
            source.fault(
                "s3_access_key_id",
                "is missing: s3_secret_access_key is set; set both, or neither",
            );
            None
        }
    }
}

fn encryption(source: &mut Source) -> Encryption {
    let key_id = source.find("s3_kms_key_id");
    let name = source.find("s3_encryption");
    if key_id.is_some() && name.as_deref() != Some("kms") {
        source.fault("s3_kms_key_id", "counts only where DRIFTWISE_S3_ENCRYPTION is `kms`");
    }
    match name.as_deref() {
        None | Some("bucket") => Encryption::OfBucket,
        Some("s3") => Encryption::S3,
        Some("kms") => Encryption::Kms { key_id },
        Some(_) => {
            source.fault(
                "s3_encryption",
                "must be `bucket` (as the bucket is set up), `s3` or `kms`",
            );
            Encryption::OfBucket
        }
    }
}

fn gcs(source: &mut Source, environment: Environment) -> Gcs {
    let endpoint = endpoint(source, environment);
    let file: Option<PathBuf> = source.find("gcs_credentials_file").map(PathBuf::from);
    let is_anonymous = source.parse("gcs_anonymous", false, "`true` or `false`");
    if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
        source
            .fault("gcs_credentials_file", format!("names {}, which is not there", file.display()));
    }
    if is_anonymous && file.is_some() {
        source.fault(
            "gcs_anonymous",
            "and DRIFTWISE_GCS_CREDENTIALS_FILE exclude each other: set one",
        );
    }
    if is_anonymous && (endpoint.is_none() || environment == Environment::Production) {
        source.fault(
            "gcs_anonymous",
            "is for an emulator in development, named by DRIFTWISE_STORAGE_ENDPOINT",
        );
    }
    let credentials = match (file, is_anonymous) {
        (Some(file), _) => GcsCredentials::File(file),
        (None, true) => GcsCredentials::Anonymous,
        (None, false) => GcsCredentials::Environment,
    };
    Gcs { bucket: bucket(source), prefix: prefix(source), endpoint, credentials }
}

fn bucket(source: &mut Source) -> String {
    let name = source.require("storage_bucket", "the bucket that holds the packs");
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    let is_name = (3..=222).contains(&name.len()) && name.bytes().all(is_plain);
    if !name.is_empty() && !is_name {
        source.fault(
            "storage_bucket",
            "is no name of a bucket: 3 or more of a-z, 0-9, dot, hyphen and underscore, without s3:// or gs://",
        );
    }
    name
}

fn prefix(source: &mut Source) -> String {
    let text = source.find("storage_prefix").unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_segment =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_plain);
    let trimmed = text.trim_matches('/');
    if !trimmed.is_empty() && (trimmed.len() > 256 || !trimmed.split('/').all(is_segment)) {
        source.fault("storage_prefix", "must be names of letters, digits, dot, hyphen and underscore, with slashes between them");
    }
    trimmed.to_owned()
}

fn endpoint(source: &mut Source, environment: Environment) -> Option<String> {
    let text = source.find("storage_endpoint")?;
    let is_plain = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    });
    if !is_plain {
        source.fault(
            "storage_endpoint",
            "is no URL of a service, such as https://minio.example.com:9000",
        );
    } else if environment == Environment::Production && !text.starts_with("https://") {
        source.fault("storage_endpoint", "must begin with https:// in production");
    }
    Some(text.trim_end_matches('/').to_owned())
}
