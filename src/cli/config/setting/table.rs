//! The settings themselves, with the words and values of the example file.

use super::Setting;
use super::Value::{self, Default, Free, Needed};

const fn plain(name: &'static str, value: Value, what: &'static str) -> Setting {
    Setting { name, what, value, is_secret: false }
}

const fn secret(name: &'static str, value: Value, what: &'static str) -> Setting {
    Setting { name, what, value, is_secret: true }
}

/// The settings, by what they are about.
pub(super) const GROUPS: &[(&str, &[Setting])] = &[
    ("The service", SERVICE),
    ("Postgres and Redis", DATABASES),
    ("People and API keys", PEOPLE),
    ("Where packs are kept", STORAGE),
    ("summary.pdf", PDF),
    ("What makes packs provable", PROOF),
    ("Work", WORK),
    ("The log and traces", LOG),
];

const SERVICE: &[Setting] = &[
    plain(
        "env",
        Default("development"),
        "`development` or `production`. Production refuses to start without summary.pdf, without HTTPS, and with the development issuer.",
    ),
    plain("listen", Default("127.0.0.1:8420"), "Address and port of the API and the pages."),
    plain(
        "worker_listen",
        Free { without: "nowhere", example: "127.0.0.1:8421" },
        "Where `driftpack worker` answers /healthz, /readyz and /metrics, and nothing else.",
    ),
    plain(
        "base_url",
        Default("http://127.0.0.1:8420"),
        "Where people reach it; written into every pack. Production needs it, with https://.",
    ),
];

const DATABASES: &[Setting] = &[
    secret(
        "database_url",
        Needed("postgres://driftpack_app:CHANGE-ME@db.example.com:5432/driftpack"),
        "Postgres, as the role `driftpack_app`, which owns nothing.",
    ),
    plain("database_connections", Default("20"), "Each process opens at most so many."),
    secret(
        "migration_database_url",
        Free {
            without: "only `driftpack migrate` needs it",
            example: "postgres://driftpack_owner:CHANGE-ME@db.example.com:5432/driftpack",
        },
        "Postgres, as the role that owns the database. Better kept from the services, in a file of its own.",
    ),
    secret(
        "redis_url",
        Needed("redis://:CHANGE-ME@cache.example.com:6379"),
        "Redis counts pack requests and writes. It must keep its data (appendonly yes) and evict nothing (maxmemory-policy noeviction).",
    ),
    plain(
        "writes_per_minute",
        Default("1200"),
        "How many times in a minute one person or API key may change something.",
    ),
];

const PEOPLE: &[Setting] = &[
    plain(
        "oidc_issuer",
        Free {
            without: "in development an embedded issuer, which knows no passwords; production needs one",
            example: "https://login.example.com",
        },
        "Your identity provider, exactly as `iss` in its tokens.",
    ),
    plain(
        "oidc_client_id",
        Free { without: "bearer tokens only, no sign-in with browsers", example: "driftpack" },
        "This service as a client there. Register <base_url>/login/callback as redirect URI, and <base_url>/logout as the one after a sign-out.",
    ),
    secret(
        "oidc_client_secret",
        Free { without: "a public client", example: "CHANGE-ME" },
        "The client's secret.",
    ),
    plain(
        "oidc_scopes",
        Default("openid email profile"),
        "What is asked for at a sign-in, separated by spaces.",
    ),
    plain(
        "oidc_audience",
        Default("driftpack"),
        "An access token is for one of these, separated by commas.",
    ),
    plain(
        "oidc_clients",
        Free { without: "all", example: "driftpack,driftpack-ci" },
        "Access tokens count that were given to one of these (`azp`, `client_id`), separated by commas.",
    ),
    plain(
        "oidc_algorithms",
        Default("RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,EdDSA"),
        "What may sign tokens, separated by commas; only what has public keys.",
    ),
    plain(
        "oidc_leeway_seconds",
        Default("60"),
        "How far clocks may differ, in seconds; 300 or less.",
    ),
    plain("oidc_email_claim", Default("email"), "Where tokens and the user info name the address."),
    plain(
        "oidc_email_verified_claim",
        Default("email_verified"),
        "Where they say that it is verified.",
    ),
    plain("oidc_name_claim", Default("name"), "Where they name the person."),
    plain(
        "oidc_email_trust",
        Default("verified"),
        "`verified`: addresses count that the issuer calls verified. `all`: every one, for issuers where nobody chooses their own.",
    ),
    plain(
        "session_idle_minutes",
        Default("60"),
        "A browser stays signed in so long without use, in minutes.",
    ),
    plain("session_minutes", Default("720"), "And so long at most, in minutes."),
    plain(
        "dev_issuer_listen",
        Free { without: "a free port", example: "127.0.0.1:8421" },
        "Development only: the embedded issuer's address.",
    ),
    plain(
        "dev_issuer_key_file",
        Free {
            without: "dev-issuer.pem beside the signing key",
            example: "/var/lib/driftpack/dev-issuer.pem",
        },
        "Development only: its key, made on first use.",
    ),
    secret(
        "api_key_pepper",
        Needed("CHANGE-ME"),
        "The secret under which API keys are stored, 32 bytes or more (openssl rand -hex 32).",
    ),
    secret(
        "api_key_pepper_previous",
        Free { without: "keys are found under the one above alone", example: "CHANGE-ME" },
        "The other pepper, while the pepper is exchanged: keys are found under it, too, and stored again under the one above at their next use.",
    ),
];

const STORAGE: &[Setting] = &[
    plain("storage", Default("fs"), "`fs`, `s3` or `gcs`."),
    plain("storage_root", Needed("/var/lib/driftpack/packs"), "fs: the folder that holds packs."),
    plain(
        "storage_bucket",
        Free { without: "s3 and gcs need it", example: "acme-driftpack" },
        "s3, gcs: the bucket.",
    ),
    plain(
        "storage_prefix",
        Free { without: "none", example: "packs" },
        "s3, gcs: what comes before every key in the bucket.",
    ),
    plain(
        "storage_endpoint",
        Free { without: "the service's own", example: "https://s3.example.com" },
        "s3, gcs: the URL of a compatible service or an emulator; HTTPS in production.",
    ),
    plain(
        "s3_region",
        Free { without: "us-east-1 with an endpoint, else needed", example: "eu-central-1" },
        "s3: where the bucket lies.",
    ),
    plain(
        "s3_path_style",
        Free { without: "true with an endpoint, else false", example: "true" },
        "s3: whether the bucket is named in the path instead of the host.",
    ),
    plain(
        "s3_access_key_id",
        Free {
            without: "what the environment says: AWS_* variables, the files of the AWS tools, web identity, the instance's role",
            example: "AKIAEXAMPLE",
        },
        "s3: credentials, with the next one.",
    ),
    secret(
        "s3_secret_access_key",
        Free { without: "as above", example: "CHANGE-ME" },
        "s3: the secret of the access key.",
    ),
    secret(
        "s3_session_token",
        Free { without: "none", example: "CHANGE-ME" },
        "s3: the third part of temporary credentials.",
    ),
    plain(
        "s3_encryption",
        Free { without: "`bucket`, as the bucket is set up", example: "s3" },
        "s3: `bucket`, `s3` (SSE-S3) or `kms` (SSE-KMS).",
    ),
    plain(
        "s3_kms_key_id",
        Free {
            without: "the account's key",
            example: "arn:aws:kms:eu-central-1:111122223333:key/example",
        },
        "s3: the key of SSE-KMS.",
    ),
    plain(
        "gcs_credentials_file",
        Free {
            without: "what the environment says: GOOGLE_APPLICATION_CREDENTIALS, the gcloud tools, the machine's account",
            example: "/etc/driftpack/gcs.json",
        },
        "gcs: a service account's key.",
    ),
    plain(
        "gcs_anonymous",
        Free { without: "false", example: "true" },
        "gcs: nobody's credentials, for an emulator in development.",
    ),
];

const PDF: &[Setting] = &[
    plain(
        "pdf_enabled",
        Default("false"),
        "Whether summary.pdf is printed; production needs `true`.",
    ),
    plain(
        "chromium",
        Free {
            without: "Debian's chromium-headless-shell, or `chromium` on the PATH",
            example: "/usr/lib/chromium/chromium-headless-shell",
        },
        "What prints it.",
    ),
    plain(
        "chromium_sandbox",
        Default("true"),
        "Whether Chromium's own sandbox is on. It needs user namespaces and another user than root.",
    ),
    plain("pdf_paper", Default("a4"), "What it is laid out for: `a4` or `letter`."),
];

const PROOF: &[Setting] = &[
    plain(
        "signing_key_file",
        Needed("/etc/driftpack/keys/signing.pem"),
        "The Ed25519 keys that sign packs (PEM, with `not_before: …` and `not_after: …` above a key); read again when the file changes.",
    ),
    secret(
        "signing_key",
        Free { without: "the file above; one of the two", example: "CHANGE-ME" },
        "The same text in the setting itself.",
    ),
    plain(
        "retired_keys_file",
        Free {
            without: "retired-keys.json beside the key file",
            example: "/etc/driftpack/keys/retired-keys.json",
        },
        "Public keys that sign no more and stay published, in the form in which they are published.",
    ),
    plain(
        "tsa_url",
        Free { without: "packs bear no time stamp", example: "https://tsa.example.com/tsr" },
        "An RFC 3161 authority that dates packs, over HTTP. One that does not answer within ten seconds is left out.",
    ),
];

const WORK: &[Setting] = &[
    plain("worker_concurrency", Default("4"), "How many runs one worker has at a time."),
    plain(
        "worker_lease_ms",
        Default("10000"),
        "How long a worker may be silent, in milliseconds (1000 or more), before its runs are taken over.",
    ),
    plain("scan_max_bytes", Default("67108864"), "The largest scan file, in bytes."),
];

const LOG: &[Setting] = &[
    plain(
        "log_format",
        Free { without: "`pretty` in development, `json` in production", example: "json" },
        "`json` or `pretty`.",
    ),
    plain(
        "log",
        Free { without: "`info` for our own parts", example: "info,sqlx=warn" },
        "A tracing filter.",
    ),
    plain(
        "otlp_endpoint",
        Free { without: "nothing is sent", example: "http://127.0.0.1:4318" },
        "A collector that takes traces by OTLP over HTTP (protobuf): its base address; /v1/traces is added.",
    ),
    secret(
        "otlp_headers",
        Free { without: "none", example: "authorization=Bearer%20CHANGE-ME" },
        "What opens it: header=value, separated by commas, values percent-encoded.",
    ),
    plain("otlp_trace_ratio", Default("1"), "The share of traces that is sent, from 0 to 1."),
];
