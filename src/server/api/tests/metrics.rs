//! What Prometheus is told of the audit chains.

use db::chain_checks::{self, Checker, Figures, Look};
use db::testing::tamper;
use engine::Clock;
use evidence::chain::{ChainId, Extent};
use evidence::org::{Plan, Role};
use poem::http::Method;
use sqlx::PgPool;
use uuid::Uuid;

use super::harness::{Server, send};

async fn figures(server: &Server) -> String {
    let answer = send(server.request(Method::GET, "/metrics")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

/// The figures, once they are read anew: they are remembered for a moment.
async fn figures_with(server: &Server, line: &str) -> String {
    let began = tokio::time::Instant::now();
    loop {
        let text = figures(server).await;
        if text.lines().any(|found| found == line) {
            return text;
        }
        assert!(began.elapsed().as_secs() < 20, "{line} is not in\n{text}");
        Clock::System.sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line} is not in\n{text}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_broken_chain_is_an_alarm_in_the_figures(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    server.member(Role::Owner).await;
    let before = figures(&server).await;
    holds(
        &before,
        &[
            "driftpack_audit_chains_broken{status=\"broken\"} 0",
            "driftpack_audit_chains_unreadable 0",
            "driftpack_audit_chain_checks_total{extent=\"full\",verdict=\"ok\"} 0",
        ],
    );
    assert!(!before.contains("_timestamp_seconds{"), "there was no check yet: {before}");

    let chain = ChainId::Org(server.org);
    tamper::edit(&pool, chain, 2).await;
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let checker = Checker { run: Uuid::from_u128(1), now };
    let look = chain_checks::verify(&server.pool, chain, Extent::Full, checker.run).await.unwrap();
    let Look::Found(found) = look else { panic!("{look:?}") };
    let mut tx = server.pool.begin().await.unwrap();
    chain_checks::record(&mut tx, chain, &found, checker).await.unwrap();
    let round = (Extent::Full, Figures { ok: 1, broken: 1, ..Figures::default() });
    chain_checks::close_round(&mut tx, round, now, checker).await.unwrap();
    tx.commit().await.unwrap();
    let broken = "driftpack_audit_chains_broken{status=\"broken\"} 1";
    let after = figures_with(&server, broken).await;
    holds(
        &after,
        &[
            "driftpack_audit_chains_broken{status=\"truncated\"} 0",
            "driftpack_audit_chain_check_timestamp_seconds{extent=\"full\"} 1767323045",
            "driftpack_audit_chain_checks_total{extent=\"full\",verdict=\"broken\"} 1",
            "driftpack_audit_chain_checks_total{extent=\"partial\",verdict=\"ok\"} 0",
        ],
    );
    assert!(!after.contains(&server.org.to_string()), "no chain is named: {after}");
}

#[sqlx::test(migrations = false)]
async fn without_the_checks_the_other_figures_are_given_and_nothing_looks_like_zero(pool: PgPool) {
    let server = Server::start(pool.clone(), Plan::Enterprise).await;
    sqlx::query("revoke select on audit_chain_states from driftpack_app")
        .execute(&pool)
        .await
        .unwrap();
    let text = figures(&server).await;
    assert!(text.contains("driftpack_http_requests_total"), "{text}");
    assert!(!text.contains("driftpack_audit_chain"), "{text}");
}
