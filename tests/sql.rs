//! SQL through `psql`: what an operator could ask the database, independent of the program's own code.

use std::process::Command;

/// Runs one statement as the superuser on the database behind `url`; rows come back as lines, columns joined by `|`.
///
/// # Panics
/// When psql fails; its words are in the panic.
pub fn query(url: &str, statement: &str) -> String {
    let out = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement])
        .output()
        .expect("psql is installed by the project's set-up");
    assert!(out.status.success(), "psql: {}\n{statement}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("psql speaks UTF-8").trim().to_owned()
}

/// As [`query`], for a statement whose answer is one whole number.
pub fn number(url: &str, statement: &str) -> i64 {
    let answer = query(url, statement);
    answer.parse().unwrap_or_else(|_| panic!("{statement} answered {answer:?}"))
}

/// The same server, another database.
pub fn with_database(url: &str, name: &str) -> String {
    let (server, _, parameters) = parts(url);
    format!("{server}/{name}{parameters}")
}

/// The database that a URL names.
pub fn database(url: &str) -> &str {
    parts(url).1
}

/// Server, database, parameters: a server that is reached through a socket stands in the parameters.
fn parts(url: &str) -> (&str, &str, &str) {
    let (path, parameters) = url.split_at(url.find('?').unwrap_or(url.len()));
    let (server, name) = path.rsplit_once('/').expect("a Postgres URL names a database");
    (server, name, parameters)
}

/// The same server and database, another role.
pub fn with_role(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a Postgres URL has a scheme");
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{role}@{host}")
}
