//! What `deploy/` makes before the program starts: roles, database, secrets.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::app::{App, Options};
use tests::cluster::Postgres;
use tests::sql;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

fn run(command: &mut Command) {
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    assert!(out.status.success(), "{said}");
}

#[tokio::test]
async fn the_roles_and_the_database_of_the_compose_file_are_what_the_doctor_asks_for() {
    let cluster = Postgres::start();
    let secrets = tempfile::tempdir().unwrap();
    run(Command::new(deploy("make-secrets")).arg(secrets.path()));
    let folder = cluster.url().split_once("host=").unwrap().1.replace("%2F", "/");
    run(Command::new("bash")
        .arg(deploy("postgres/roles.sh"))
        .env("PGHOST", folder)
        .env("PGUSER", "postgres")
        .env("SECRETS", secrets.path()));
    let hashed = "select count(*) from pg_authid where rolname like 'driftpack%' and rolpassword like 'SCRAM-SHA-256$%'";
    assert_eq!(sql::query(&cluster.url(), hashed).trim(), "2");
    // The program of `app` is only lent: what is looked at is the database that the script has made.
    let app = App::start_with(Options { postgres: cluster.url(), ..Options::default() }).await;
    let database = sql::with_database(&cluster.url(), "driftpack");
    let (app_url, owner_url) =
        (sql::with_role(&database, "driftpack_app"), sql::with_role(&database, "driftpack_owner"));
    let settings = [
        ("DRIFTWISE_DATABASE_URL", app_url.as_str()),
        ("DRIFTWISE_MIGRATION_DATABASE_URL", owner_url.as_str()),
    ];
    let (code, said) = app.exit_with(&settings, &["migrate"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = app.exit_with(&settings, &["admin", "doctor"]);
    assert!(code == 0 && said.contains("Everything is as it must be."), "{code}: {said}");
}
