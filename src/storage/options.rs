//! Where the objects live, as configuration says it, and the way there.
//!
//! Invariants
//! - Nothing here prints a secret: what holds one has a `Debug` of its own.
//! - Every call to a service has an end: it is given up after a time, and tried again a few times where that can help. What lasts
//!   longer is for the caller's retries, which know more.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::{HttpTransporter, OperationContext, Operator, services};
use opendal_http_transport_reqwest::ReqwestTransport;

use crate::place::Place;

/// How long a service across the network is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For one call.
    pub(crate) call: Duration,
    /// For one part of an object on its way.
    pub(crate) part: Duration,
    /// How often a call is tried again, and the first pause before that; each next one is twice as long.
    pub(crate) tries: usize,
    pub(crate) pause: Duration,
}

impl Default for Patience {
    /// A part of 8 MiB passes a line of 2 Mbit/s in time. Hiccups of a second or two stay here; whoever waits at the other end of
    /// HTTP would not wait longer.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            call: Duration::from_secs(20),
            part: Duration::from_secs(45),
            tries: 4,
            pause: Duration::from_millis(100),
        }
    }
}

/// Where the objects live.
#[derive(Clone, Debug)]
pub enum Options {
    /// A folder of this machine; it is created when missing.
    Fs { root: PathBuf },
    /// A bucket of Amazon S3, or of a service that speaks its language.
    S3(S3),
    /// A bucket of Google Cloud Storage.
    Gcs(Gcs),
    /// This process's memory; for tests and trials, gone with the process.
    Memory,
}

/// A bucket of S3.
#[derive(Clone, Debug)]
pub struct S3 {
    pub bucket: String,
    /// Before every key, so that a bucket can be shared; may be empty.
    pub prefix: String,
    /// Where the bucket lies, and requests are signed for.
    pub region: String,
    /// The URL of a compatible service; Amazon's when absent.
    pub endpoint: Option<String>,
    /// Whether the bucket is named in the path, as most compatible services want it, or in the host.
    pub is_path_style: bool,
    /// When absent: the environment, the files of the AWS tools, web identity, and the instance's own role, in their order.
    pub access_key: Option<AccessKey>,
    pub encryption: Encryption,
}

/// Credentials that configuration names.
#[derive(Clone)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").finish_non_exhaustive()
    }
}

/// How S3 encrypts what it keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket is set up.
    #[default]
    OfBucket,
    /// With keys of S3 (SSE-S3, `AES256`).
    S3,
    /// With a key of KMS (SSE-KMS); the account's own one for S3 when no id is given.
    Kms { key_id: Option<String> },
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug)]
pub struct Gcs {
    pub bucket: String,
    /// Before every key, so that a bucket can be shared; may be empty.
    pub prefix: String,
    /// The URL of an emulator; Google's when absent.
    pub endpoint: Option<String>,
    pub credentials: GcsCredentials,
}

/// Who we are to Google.
#[derive(Clone, Debug)]
pub enum GcsCredentials {
    /// `GOOGLE_APPLICATION_CREDENTIALS`, the files of the gcloud tools, and the machine's own account, in their order.
    Environment,
    /// A service account's key, or the description of a workload identity.
    File(PathBuf),
    /// Nobody: an emulator.
    Anonymous,
}

/// Builds the operator and says what kind of place it leads to.
pub(crate) fn operator(
    options: &Options,
    patience: &Patience,
) -> (opendal::Result<Operator>, Place) {
    match options {
        Options::Fs { root } => {
            let service = services::Fs::default().root(&root.to_string_lossy());
            (Operator::new(service), Place::Folder(root.clone()))
        }
        Options::Memory => (Operator::new(services::Memory::default()), Place::Memory),
        Options::S3(s3) => {
            let place = Place::Bucket(format!("s3://{}/{}", s3.bucket, s3.prefix));
            (Operator::new(of_s3(s3)).and_then(|it| over_http(it, patience)), place)
        }
        Options::Gcs(gcs) => {
            let place = Place::WriteOnceBucket(format!("gs://{}/{}", gcs.bucket, gcs.prefix));
            (Operator::new(of_gcs(gcs)).and_then(|it| over_http(it, patience)), place)
        }
    }
}

fn of_s3(s3: &S3) -> services::S3 {
    let mut service =
        services::S3::default().bucket(&s3.bucket).root(&s3.prefix).region(&s3.region);
    if let Some(endpoint) = &s3.endpoint {
        service = service.endpoint(endpoint);
    }
    if !s3.is_path_style {
        service = service.enable_virtual_host_style();
    }
    if let Some(AccessKey { id, secret, session_token }) = &s3.access_key {
        // Whoever names a key means this key, and no other that lies about on the machine.
        service = service.access_key_id(id).secret_access_key(secret);
        service = service.disable_config_load().disable_ec2_metadata();
        if let Some(token) = session_token {
            service = service.session_token(token);
        }
    }
    match &s3.encryption {
        Encryption::OfBucket => service,
        Encryption::S3 => service.server_side_encryption_with_s3_key(),
        Encryption::Kms { key_id: None } => {
            service.server_side_encryption_with_aws_managed_kms_key()
        }
        Encryption::Kms { key_id: Some(id) } => {
            service.server_side_encryption("aws:kms").server_side_encryption_aws_kms_key_id(id)
        }
    }
}

fn of_gcs(gcs: &Gcs) -> services::Gcs {
    let mut service = services::Gcs::default().bucket(&gcs.bucket).root(&gcs.prefix);
    if let Some(endpoint) = &gcs.endpoint {
        service = service.endpoint(endpoint);
    }
    match &gcs.credentials {
        GcsCredentials::Environment => service,
        GcsCredentials::File(path) => service.credential_path(&path.to_string_lossy()),
        GcsCredentials::Anonymous => service.skip_signature(),
    }
}

/// What every service across the network gets. The order matters: a try that takes too long counts as failed and is tried again.
fn over_http(operator: Operator, patience: &Patience) -> opendal::Result<Operator> {
    // Whoever comes second finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().connect_timeout(patience.connect).build();
    let client = client.map_err(|error| {
        opendal::Error::new(opendal::ErrorKind::Unexpected, "no HTTP client").set_source(error)
    })?;
    let transport = HttpTransporter::new(ReqwestTransport::new(client));
    let timeout = TimeoutLayer::new().with_timeout(patience.call).with_io_timeout(patience.part);
    let retry = RetryLayer::new()
        .with_jitter()
        .with_min_delay(patience.pause)
        .with_max_times(patience.tries);
    Ok(operator
        .with_context(OperationContext::new().with_http_transport(transport))
        .layer(timeout)
        .layer(retry))
}
