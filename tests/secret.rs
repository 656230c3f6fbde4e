//! Nothing secret is said: not in the log of all that people do with every part at its most talkative, not in answers, figures, faults of
//! start-ups and the database.
//!
//! Every secret is set to what can be recognised, or is taken from where it was given away once, and is looked for as it is and in the forms
//! in which it would be overlooked (`form.rs`).

mod cast;
mod form;

use std::process::Command;

use tests::app::App;

use cast::{Cast, PASSWORD, PEPPER, Parts};
use form::Secret;

/// Fails when one of the secrets is in the text, and says where.
fn assert_silent(what: &str, text: &str, secrets: &[Secret]) {
    for secret in secrets {
        if let Some((form, at)) = secret.find(text) {
            let start = text.floor_char_boundary(at.saturating_sub(300));
            let end = text.ceil_char_boundary((at + 200).min(text.len()));
            panic!("{what}: {} is there, {form}: …{}…", secret.name, &text[start..end]);
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_said_by_anything_that_people_do_with_every_part_at_its_most_talkative() {
    let mut cast = Cast::start().await;
    cast.plays().await;
    let secrets = cast.secrets();
    assert!(secrets.len() >= 20, "{}", secrets.len());
    let logs = cast.logs();
    for (who, log) in &logs {
        assert!(log.lines().count() > 100, "{who} has hardly said a word");
        assert!(log.contains("TRACE"), "{who} is not at its most talkative");
        assert_silent(&format!("the log of {who}"), log, &secrets);
    }
    for (what, text) in &cast.heard {
        assert_silent(what, text, &secrets);
    }
    // Who copies the database cannot become anybody with what it says.
    let dump = Command::new("pg_dump").arg(&cast.app.database).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert!(dump.contains("owner@acme.example"));
    assert_silent("the database", &dump, &secrets);
}

type Settings = &'static [(&'static str, &'static str)];

/// What is wrong with a configuration that holds every secret, by the settings to change and the commands that find out.
const WRONG: &[(Settings, &[&str])] = &[
    (&[("DRIFTWISE_LISTEN", "nonsense")], &["serve"]),
    (&[("DRIFTWISE_LISTEN", "nonsense")], &["config", "show"]),
    (&[("DRIFTWISE_DATABASE_URL", "postgres//u:PASSWORD@h/d")], &["serve"]),
    (&[("DRIFTWISE_DATABASE_URL", "mysql://u:PASSWORD@h/d")], &["config", "show"]),
    (&[("DRIFTWISE_DATABASE_URL", "postgres://u:PASSWORD@h:port/d")], &["worker"]),
    (&[("DRIFTWISE_DATABASE_URL", "postgres://u:PASSWORD@h/d?sslmode=PASSWORD")], &["worker"]),
    (
        &[("DRIFTWISE_DATABASE_URL", "postgres://u:PASSWORD@127.0.0.1:1/d")],
        &["admin", "org", "list"],
    ),
    (&[("DRIFTWISE_DATABASE_URL", "postgres://u:PASSWORD@127.0.0.1:1/d")], &["admin", "doctor"]),
    (&[("DRIFTWISE_MIGRATION_DATABASE_URL", "postgres://u:PASSWORD@127.0.0.1:1/d")], &["migrate"]),
    (&[("DRIFTWISE_MIGRATION_DATABASE_URL", "PASSWORD")], &["migrate"]),
    (&[("DRIFTWISE_REDIS_URL", "PASSWORD")], &["serve"]),
    (&[("DRIFTWISE_REDIS_URL", "redis://:PASSWORD@h:port")], &["serve"]),
    (&[("DRIFTWISE_REDIS_URL", "redis://:PASSWORD@127.0.0.1:1")], &["admin", "doctor"]),
    (&[("DRIFTWISE_STORAGE_ENDPOINT", "https://u:PASSWORD@s3")], &["serve"]),
    (&[("DRIFTWISE_STORAGE_BUCKET", "s3://PASSWORD")], &["serve"]),
    (&[("DRIFTWISE_S3_ACCESS_KEY_ID", "")], &["serve"]),
    (&[("DRIFTWISE_STORAGE_ENDPOINT", "http://127.0.0.1:1")], &["admin", "doctor"]),
    (&[("DRIFTWISE_OIDC_CLIENT_ID", "")], &["serve"]),
    (&[("DRIFTWISE_OIDC_ISSUER", "https://u:PASSWORD@")], &["serve"]),
    (&[("DRIFTWISE_OTLP_ENDPOINT", "http://u:PASSWORD@h")], &["serve"]),
    (&[("DRIFTWISE_OTLP_HEADERS", "authorization: Bearer PASSWORD")], &["serve"]),
    (&[("DRIFTWISE_OTLP_HEADERS", "authorization=%ffPASSWORD")], &["serve"]),
    (&[("DRIFTWISE_TSA_URL", "ldap://u:PASSWORD@h")], &["serve"]),
    (&[("DRIFTWISE_SIGNING_KEY", "PASSWORD")], &["serve"]),
    (&[("DRIFTWISE_API_KEY_PEPPER", "PASSWORD-x")], &["serve"]),
    (&[("DRIFTWISE_API_KEY_PEPPER_PREVIOUS", PEPPER)], &["serve"]),
    (&[("DRIFTWISE_API_KEY_PEPPER_FILE", "secrets.toml")], &["serve"]),
    (&[("DRIFTWISE_API_KEY_PEPPER", ""), ("DRIFTWISE_API_KEY_PEPPER_FILE", "short")], &["serve"]),
    (&[("DRIFTWISE_CONFIG", "broken.toml")], &["serve"]),
    (&[("DRIFTWISE_CONFIG", "secrets.toml")], &["serve"]),
    (&[("DRIFTWISE_LOG", "PASSWORD=loudly")], &["serve"]),
    (&[("DRIFTPACK_TOKEN", "PASSWORD")], &["runs", "list", "--server", "http://127.0.0.1:1"]),
    (
        &[("DRIFTPACK_TOKEN", "PASS\nWORD PASSWORD")],
        &["runs", "list", "--server", "http://127.0.0.1:1"],
    ),
    (
        &[("DRIFTPACK_TOKEN", "PASSWORD")],
        &["runs", "list", "--server", "http://u:PASSWORD@127.0.0.1:1"],
    ),
];

#[tokio::test]
async fn nothing_secret_is_said_by_a_start_that_fails_or_by_what_shows_the_configuration() {
    let parts = Parts::start().await;
    let mut options = parts.options();
    options.settings.extend([
        ("DRIFTWISE_OIDC_ISSUER", "http://127.0.0.1:1".to_owned()),
        ("DRIFTWISE_OIDC_CLIENT_ID", "packs".to_owned()),
        ("DRIFTWISE_OIDC_CLIENT_SECRET", tests::provider::CLIENT.1.to_owned()),
    ]);
    let app = App::start_with(options).await;
    let file = |name: &str, text: &str| std::fs::write(app.dir.path().join(name), text).unwrap();
    file(
        "broken.toml",
        &format!("database_url = \"postgres://u:{PASSWORD}@h/d\nredis_url = {PASSWORD}\n"),
    );
    file(
        "secrets.toml",
        &format!("redis_ulr = \"redis://:{PASSWORD}@h\"\nlisten = [\"{PASSWORD}\"]\n"),
    );
    file("short", &PASSWORD[..31]);
    let mut secrets = parts.secrets();
    secrets.push(Secret::new("a password, cut", &PASSWORD.as_bytes()[..31]));
    for (changes, arguments) in WRONG {
        let changes: Vec<_> = changes
            .iter()
            .map(|(name, value)| (*name, value.replace("PASSWORD", PASSWORD)))
            .collect();
        let changes: Vec<_> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let what = format!("{} with {changes:?}", arguments.join(" "));
        let (code, said) = app.exit_with(&changes, arguments);
        assert_ne!(code, 0, "{what}: {said}");
        assert!(said.len() > 20, "{what}: {said}");
        assert_silent(&what, &said, &secrets);
    }
    for arguments in [
        &["config", "show"][..],
        &["config", "example"],
        &["admin", "signing-key", "list"],
        &["admin", "doctor"],
        &["--help"],
    ] {
        let (_, said) = app.exit_with(&[("DRIFTWISE_LOG", "trace")], arguments);
        assert!(said.len() > 50, "{arguments:?}: {said}");
        assert_silent(&arguments.join(" "), &said, &secrets);
    }
    assert_silent("the log", &app.log(), &secrets);
}
