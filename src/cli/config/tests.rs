//! What a good and a bad configuration read as.

use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;

use super::*;

const GOOD: &[(&str, &str)] = &[
    ("DRIFTWISE_DATABASE_URL", "postgres://driftpack_app:s3cret@db/driftpack"),
    ("DRIFTWISE_REDIS_URL", "redis://cache:6379"),
    ("DRIFTWISE_OIDC_ISSUER", "https://login.example.com"),
    ("DRIFTWISE_API_KEY_PEPPER", "0123456789abcdef0123456789abcdef"),
    ("DRIFTWISE_STORAGE_ROOT", "/srv/packs"),
    ("DRIFTWISE_SIGNING_KEY_FILE", "/srv/keys/signing.pem"),
];

fn load(changes: &[(&str, &str)]) -> Result<Config, Faults> {
    let mut settings: std::collections::BTreeMap<_, _> = GOOD.iter().copied().collect();
    settings.extend(changes.iter().copied());
    Config::load(Source::new(settings.into_iter().map(|(name, value)| (name.into(), value.into()))))
}

fn faults(changes: &[(&str, &str)]) -> String {
    load(changes).expect_err("this configuration is faulty").to_string()
}

#[test]
fn one_message_lists_every_fault_with_the_name_to_set() {
    let message = Config::load(Source::new([("DRIFTWISE_LISTEN".into(), "nowhere".into())]))
        .expect_err("all is missing")
        .to_string();
    for name in [
        "LISTEN",
        "DATABASE_URL",
        "REDIS_URL",
        "API_KEY_PEPPER",
        "STORAGE_ROOT",
        "SIGNING_KEY_FILE",
    ] {
        assert!(message.contains(&format!("DRIFTWISE_{name}:")), "{name} is not in {message}");
    }
    assert!(message.starts_with("the configuration has 6 faults:"), "{message}");
}

#[test]
fn a_good_configuration_has_the_documented_defaults() {
    let config = load(&[]).expect("it is good");
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.listen.port(), 8420);
    assert_eq!(config.scan_max_bytes, 64 * 1024 * 1024);
    assert!(!config.pdf.enabled && config.pdf.sandbox);
    assert!(config.unknown.is_empty());
}

#[test]
fn a_fault_never_repeats_the_value_and_debug_shows_no_secret() {
    assert!(!faults(&[("DRIFTWISE_DATABASE_URL", "mysql://u:hunter2@x")]).contains("hunter2"));
    assert!(!faults(&[("DRIFTWISE_API_KEY_PEPPER", "hunter2")]).contains("hunter2"));
    let shown = format!("{:?}", load(&[]).expect("it is good"));
    assert!(!shown.contains("s3cret") && !shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn production_refuses_the_development_issuer_plain_http_and_missing_pdf() {
    let message = faults(&[
        ("DRIFTWISE_ENV", "production"),
        ("DRIFTWISE_DEV_ISSUER_LISTEN", "127.0.0.1:1"),
        ("DRIFTWISE_OIDC_ISSUER", "http://127.0.0.1:1"),
    ]);
    for name in ["BASE_URL", "DEV_ISSUER_LISTEN", "OIDC_ISSUER", "PDF_ENABLED", "SIGNING_KEY_FILE"]
    {
        assert!(message.contains(&format!("DRIFTWISE_{name}:")), "{name} is not in {message}");
    }
}

#[test]
fn development_without_an_identity_provider_brings_its_own_with_the_key_beside_the_other() {
    let own = load(&[("DRIFTWISE_OIDC_ISSUER", "")]).expect("it is good").oidc.issuer;
    assert!(
        matches!(own, Issuer::Embedded { listen: None, key_file } if key_file == std::path::Path::new("/srv/keys/dev-issuer.pem"))
    );
    let message = faults(&[("DRIFTWISE_DEV_ISSUER_LISTEN", "127.0.0.1:1")]);
    assert!(message.contains("exclude each other"), "{message}");
}

#[test]
fn the_development_issuer_listens_on_loopback_only() {
    assert!(
        faults(&[("DRIFTWISE_DEV_ISSUER_LISTEN", "0.0.0.0:8421")])
            .contains("DRIFTWISE_DEV_ISSUER_LISTEN: must be a loopback address")
    );
}

#[test]
fn the_environment_wins_over_the_file_and_strange_names_in_the_file_are_faults() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"oidc_audience = \"file\"\nworker_concurrency = 7\n").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let config = load(&[("DRIFTWISE_CONFIG", &path), ("DRIFTWISE_OIDC_AUDIENCE", "variable")])
        .expect("it is good");
    assert_eq!(
        (config.oidc.audiences.as_slice(), config.worker_concurrency),
        (&["variable".to_owned()][..], 7)
    );

    file.write_all(b"databse_url = \"postgres://u:hunter2@x\"\n").unwrap();
    let message = faults(&[("DRIFTWISE_CONFIG", &path)]);
    assert!(
        message.contains("`databse_url` in the file is no setting") && !message.contains("hunter2"),
        "{message}"
    );
}

#[test]
fn a_misspelt_variable_is_reported_and_does_not_stop_the_boot() {
    let config = load(&[("DRIFTWISE_REDIS_ULR", "redis://x")]).expect("it is good");
    assert_eq!(config.unknown, ["DRIFTWISE_REDIS_ULR"]);
}

#[test]
fn what_would_fail_at_the_first_request_fails_at_the_start() {
    for (name, value) in [
        ("DATABASE_URL", "postgres://host:port/name"),
        ("REDIS_URL", "127.0.0.1"),
        ("OIDC_ISSUER", "login.example.com"),
        ("BASE_URL", "ftp://example.com"),
        ("SCAN_MAX_BYTES", "0"),
        ("WORKER_LEASE_MS", "999"),
        ("WORKER_CONCURRENCY", "0"),
        ("LOG", "sqlx=loudly"),
        ("STORAGE_ROOT", "/etc/passwd/packs"),
        ("SIGNING_KEY_FILE", "/etc/passwd"),
        ("SIGNING_KEY_FILE", "/etc"),
    ] {
        let name = format!("DRIFTWISE_{name}");
        let message = faults(&[(&name, value)]);
        assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
        assert!(message.contains(&format!("\n  {name}: ")), "{message}");
    }
}

const ON_S3: &[(&str, &str)] = &[
    ("DRIFTWISE_STORAGE_ROOT", ""),
    ("DRIFTWISE_STORAGE", "s3"),
    ("DRIFTWISE_STORAGE_BUCKET", "packs"),
    ("DRIFTWISE_STORAGE_PREFIX", "/production/eu/"),
    ("DRIFTWISE_S3_REGION", "eu-central-1"),
    ("DRIFTWISE_S3_ACCESS_KEY_ID", "AKIA"),
    ("DRIFTWISE_S3_SECRET_ACCESS_KEY", "hunter2"),
];

fn on_s3(changes: &[(&'static str, &'static str)]) -> Result<Config, Faults> {
    load(&[ON_S3, changes].concat())
}

#[test]
fn packs_can_lie_in_a_bucket_and_its_secret_never_prints() {
    let config = on_s3(&[("DRIFTWISE_S3_ENCRYPTION", "kms"), ("DRIFTWISE_S3_KMS_KEY_ID", "k")])
        .expect("it is good");
    assert!(!format!("{config:?}").contains("hunter2"));
    let ::storage::Options::S3(s3) = config.storage else { panic!("S3 was asked for") };
    assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), ("packs", "production/eu"));
    assert!(!s3.is_path_style && s3.endpoint.is_none());
    assert_eq!(s3.access_key.expect("it was named").secret, "hunter2");
    assert_eq!(s3.encryption, ::storage::Encryption::Kms { key_id: Some("k".to_owned()) });

    let config = on_s3(&[
        ("DRIFTWISE_STORAGE_ENDPOINT", "http://minio:9000/"),
        ("DRIFTWISE_S3_REGION", ""),
        ("DRIFTWISE_S3_ACCESS_KEY_ID", ""),
        ("DRIFTWISE_S3_SECRET_ACCESS_KEY", ""),
    ])
    .expect("a compatible service has no region, and the environment may have credentials");
    let ::storage::Options::S3(s3) = config.storage else { panic!("S3 was asked for") };
    assert!(s3.is_path_style && s3.access_key.is_none());
    assert_eq!(s3.endpoint.as_deref(), Some("http://minio:9000"));

    let gcs = load(&[
        ("DRIFTWISE_STORAGE_ROOT", ""),
        ("DRIFTWISE_STORAGE", "gcs"),
        ("DRIFTWISE_STORAGE_BUCKET", "packs"),
    ]);
    assert!(matches!(gcs.expect("it is good").storage, ::storage::Options::Gcs(_)));
}

#[test]
fn a_faulty_bucket_fails_at_the_start_and_the_fault_names_the_setting() {
    for (name, value) in [
        ("STORAGE", "s4"),
        ("STORAGE_ROOT", "/srv/packs"),
        ("STORAGE_BUCKET", ""),
        ("STORAGE_BUCKET", "s3://packs"),
        ("STORAGE_PREFIX", "../other"),
        ("STORAGE_ENDPOINT", "minio:9000"),
        ("STORAGE_ENDPOINT", "https://u:hunter2@minio"),
        ("S3_REGION", ""),
        ("S3_PATH_STYLE", "yes"),
        ("S3_ACCESS_KEY_ID", ""),
        ("S3_SECRET_ACCESS_KEY", ""),
        ("S3_ENCRYPTION", "aes"),
        ("S3_KMS_KEY_ID", "k"),
        ("GCS_CREDENTIALS_FILE", "/etc/passwd"),
        ("GCS_ANONYMOUS", "true"),
    ] {
        let name: &'static str = format!("DRIFTWISE_{name}").leak();
        let message = on_s3(&[(name, value)]).expect_err("it is faulty").to_string();
        assert!(message.contains(&format!("\n  {name}: ")), "{name}={value}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_value_that_is_no_utf8_is_a_fault_of_that_setting_alone() {
    let garbled = std::ffi::OsString::from_vec(vec![0xff, b'x']);
    let settings = GOOD.iter().map(|(name, value)| {
        let value = if *name == "DRIFTWISE_REDIS_URL" { garbled.clone() } else { value.into() };
        (name.into(), value)
    });
    let message = Config::load(Source::new(settings)).expect_err("it is no text").to_string();
    assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
    assert!(message.contains("DRIFTWISE_REDIS_URL: is not UTF-8"), "{message}");
}

#[test]
fn which_tokens_count_is_read_as_lists_and_symmetric_algorithms_are_refused() {
    let config = load(&[
        ("DRIFTWISE_OIDC_AUDIENCE", "a, b"),
        ("DRIFTWISE_OIDC_ALGORITHMS", "ES256,EdDSA"),
        ("DRIFTWISE_OIDC_CLIENTS", "ci"),
        ("DRIFTWISE_OIDC_LEEWAY_SECONDS", "0"),
    ])
    .expect("it is good");
    assert_eq!(config.oidc.audiences, ["a", "b"]);
    assert_eq!(format!("{:?}", config.oidc.algorithms), "[ES256, EdDSA]");
    assert_eq!((config.oidc.clients.len(), config.oidc.leeway.as_secs()), (1, 0));
    for (name, value) in [
        ("OIDC_ALGORITHMS", "ES256,HS256"),
        ("OIDC_ALGORITHMS", "none"),
        ("OIDC_AUDIENCE", " , "),
        ("OIDC_LEEWAY_SECONDS", "301"),
        ("OIDC_EMAIL_TRUST", "some"),
        ("OIDC_SCOPES", "email"),
        ("SESSION_IDLE_MINUTES", "0"),
        ("SESSION_MINUTES", "4294967295"),
    ] {
        let name = format!("DRIFTWISE_{name}");
        let message = faults(&[(&name, value)]);
        assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
        assert!(message.contains(&format!("\n  {name}: ")), "{message}");
    }
}

#[test]
fn a_clients_secret_needs_a_client_and_shows_nowhere() {
    let message = faults(&[("DRIFTWISE_OIDC_CLIENT_SECRET", "hunter2")]);
    assert!(message.contains("DRIFTWISE_OIDC_CLIENT_ID: is missing"), "{message}");
    let both = [("DRIFTWISE_OIDC_CLIENT_ID", "packs"), ("DRIFTWISE_OIDC_CLIENT_SECRET", "hunter2")];
    let shown = format!("{:?}", load(&both).expect("it is good"));
    assert!(shown.contains("packs") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn keys_come_from_one_place_and_a_faulty_one_is_named_by_its_setting() {
    let seed = "07".repeat(32);
    let text = [("DRIFTWISE_SIGNING_KEY_FILE", ""), ("DRIFTWISE_SIGNING_KEY", &*seed)];
    let config = load(&text).expect("it is good");
    assert_eq!(config.signing.keys.setting(), "DRIFTWISE_SIGNING_KEY");
    assert!(!format!("{config:?}").contains(&seed) && config.signing.retired_file.is_none());
    let beside = load(&[]).expect("it is good").signing.retired_file;
    assert_eq!(beside, Some("/srv/keys/retired-keys.json".into()));
    let both = faults(&[("DRIFTWISE_SIGNING_KEY", &seed)]);
    assert!(
        both.contains("DRIFTWISE_SIGNING_KEY: and DRIFTWISE_SIGNING_KEY_FILE exclude"),
        "{both}"
    );
    for (name, value) in [
        ("RETIRED_KEYS_FILE", "/nowhere/keys.json"),
        ("RETIRED_KEYS_FILE", "/etc/passwd"),
        ("TSA_URL", "tsa.example.com"),
        ("TSA_URL", "ldap://tsa.example.com"),
    ] {
        let name = format!("DRIFTWISE_{name}");
        let message = faults(&[(&name, value)]);
        assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
        assert!(message.contains(&format!("\n  {name}: ")), "{message}");
    }
    let garbage = [("DRIFTWISE_SIGNING_KEY_FILE", ""), ("DRIFTWISE_SIGNING_KEY", "hunter2")];
    let message = faults(&garbage);
    assert!(
        message.contains("DRIFTWISE_SIGNING_KEY: cannot be used") && !message.contains("hunter2")
    );
}

#[test]
fn a_collector_is_its_base_address_and_what_opens_it_shows_nowhere() {
    let config = load(&[
        ("DRIFTWISE_OTLP_ENDPOINT", "https://otlp.example.com/tenant/"),
        ("DRIFTWISE_OTLP_HEADERS", "Authorization=Bearer%20hunter2,x-scope=1"),
        ("DRIFTWISE_OTLP_TRACE_RATIO", "0.25"),
    ]);
    let config = config.expect("it is good");
    assert!(!format!("{config:?}").contains("hunter2"));
    let otlp = config.otlp.expect("it was named");
    assert_eq!(otlp.traces_url(), "https://otlp.example.com/tenant/v1/traces");
    let headers: Vec<_> =
        otlp.headers.iter().map(|(name, value)| (&**name, value.reveal())).collect();
    assert_eq!(headers, [("authorization", "Bearer hunter2"), ("x-scope", "1")]);
    assert!(load(&[]).expect("it is good").otlp.is_none());
    for (name, value) in [
        ("OTLP_ENDPOINT", "collector:4318"),
        ("OTLP_ENDPOINT", "http://u:hunter2@collector:4318"),
        ("OTLP_ENDPOINT", "http://collector:4318/v1/traces"),
        ("OTLP_ENDPOINT", "http://collector:4318?key=hunter2"),
        ("OTLP_ENDPOINT", ""),
        ("OTLP_HEADERS", "hunter2"),
        ("OTLP_HEADERS", "x=a%0d%0ahunter2: b"),
        ("OTLP_TRACE_RATIO", "1.5"),
        ("OTLP_TRACE_RATIO", "NaN"),
    ] {
        let name = format!("DRIFTWISE_{name}");
        let mut changes = vec![
            ("DRIFTWISE_OTLP_ENDPOINT", "http://collector:4318"),
            ("DRIFTWISE_OTLP_HEADERS", "x=hunter2"),
        ];
        changes.push((&name, value));
        let message = faults(&changes);
        assert!(message.starts_with("the configuration has 1 fault:"), "{message}");
        assert!(message.contains(&format!("\n  {name}: ")), "{name}={value}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
