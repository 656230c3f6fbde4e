//! What the test run was given: servers and the program.

use std::path::PathBuf;

/// Reads an environment variable that `./dev test` sets.
///
/// # Panics
/// When it is not set: a test that cannot reach its server must fail, never pass.
#[expect(clippy::disallowed_methods, reason = "the one place where tests read their environment")]
fn required(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests through `./dev test`"))
}

/// The superuser's URL of the test cluster, for example `postgres://postgres@127.0.0.1:5432/postgres`.
pub fn postgres_url() -> String {
    required("DATABASE_URL")
}

/// The URL of the test Redis.
pub fn redis_url() -> String {
    required("DRIFTPACK_TEST_REDIS_URL")
}

/// The folder with `provider.mjs`, `browser.mjs` and the packages that they need.
pub fn oidc_provider() -> PathBuf {
    required("DRIFTPACK_TEST_OIDC_PROVIDER").into()
}

/// The browser that people use.
pub fn chromium() -> String {
    required("DRIFTWISE_CHROMIUM")
}

/// The program, built beside this test binary: `target/debug/driftpack`.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a running test knows its own path");
    let program =
        test.ancestors().nth(2).expect("tests lie in target/<profile>/deps").join("driftpack");
    assert!(program.exists(), "{} is missing: run `cargo build` first", program.display());
    program
}
