//! What the checks of the audit chains found, for Prometheus.
//!
//! Invariants
//! - Read from the database: the checks are made by workers, which may be other processes.
//! - At most once a second, whoever asks, and at a cost that does not grow with the number of whole chains: the endpoint is open
//!   to everybody. No chain is named.
//! - Without the database the other figures are given all the same; these are then missing, never zero.

use std::fmt::Write as _;
use std::time::Duration;

use db::chain_checks::{self, Figures, Round};
use evidence::chain::{Extent, Status};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::errors::describe;

const REMEMBERED: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The latest figures.
#[derive(Default)]
pub(crate) struct ChainFigures(Mutex<Option<(Instant, String)>>);

impl ChainFigures {
    /// The text format of Prometheus, version 0.0.4.
    pub(crate) async fn render(&self, pool: &PgPool) -> String {
        let mut latest = self.0.lock().await;
        if let Some((at, text)) = &*latest
            && at.elapsed() < REMEMBERED
        {
            return text.clone();
        }
        let text = match tokio::time::timeout(ANSWER_WITHIN, read(pool)).await {
            Ok(Ok((alarms, rounds))) => text(alarms, &rounds),
            Ok(Err(error)) => missing(&describe(&error)),
            Err(_elapsed) => missing("no answer in time"),
        };
        *latest = Some((Instant::now(), text.clone()));
        text
    }
}

fn missing(cause: &str) -> String {
    tracing::warn!(cause, "the figures of the audit chains cannot be read");
    String::new()
}

async fn read(pool: &PgPool) -> db::Result<(Figures, Vec<Round>)> {
    let mut tx = pool.begin().await?;
    db::scope_platform(&mut tx).await?;
    let figures = chain_checks::figures(&mut tx).await?;
    tx.commit().await?;
    Ok(figures)
}

fn text(alarms: Figures, rounds: &[Round]) -> String {
    let mut text = String::from(
        "# HELP driftpack_audit_chains_broken Audit chains whose latest check found a fault; any is an alarm.\n\
         # TYPE driftpack_audit_chains_broken gauge\n",
    );
    for (status, count) in [
        (Status::Broken, alarms.broken),
        (Status::Truncated, alarms.truncated),
        (Status::Empty, alarms.empty),
    ] {
        let labels = format_args!("status=\"{status}\"");
        line(&mut text, "driftpack_audit_chains_broken", labels, count);
    }
    text.push_str(
        "# HELP driftpack_audit_chains_unreadable Audit chains that the latest check could not read.\n\
         # TYPE driftpack_audit_chains_unreadable gauge\n",
    );
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "driftpack_audit_chains_unreadable {}", alarms.unreadable);
    text.push_str(
        "# HELP driftpack_audit_chain_check_timestamp_seconds When all chains were last checked, by how much was read.\n\
         # TYPE driftpack_audit_chain_check_timestamp_seconds gauge\n",
    );
    for round in rounds {
        let labels = format_args!("extent=\"{}\"", round.extent);
        let at = round.ended_at.timestamp();
        line(&mut text, "driftpack_audit_chain_check_timestamp_seconds", labels, at);
    }
    text.push_str(
        "# HELP driftpack_audit_chain_checks_total Checks of single chains in completed rounds, by what they found.\n\
         # TYPE driftpack_audit_chain_checks_total counter\n",
    );
    for extent in Extent::ALL {
        let round = rounds.iter().find(|round| round.extent == *extent);
        let verdicts = round.map_or_else(Figures::default, |round| round.verdicts);
        checks(&mut text, *extent, verdicts);
    }
    text
}

fn checks(text: &mut String, extent: Extent, verdicts: Figures) {
    let Figures { ok, broken, truncated, empty, unreadable } = verdicts;
    for (verdict, count) in [
        (Status::Ok.as_str(), ok),
        (Status::Broken.as_str(), broken),
        (Status::Truncated.as_str(), truncated),
        (Status::Empty.as_str(), empty),
        ("unreadable", unreadable),
    ] {
        let labels = format_args!("extent=\"{extent}\",verdict=\"{verdict}\"");
        line(text, "driftpack_audit_chain_checks_total", labels, count);
    }
}

fn line(
    text: &mut String,
    name: &str,
    labels: std::fmt::Arguments<'_>,
    value: impl std::fmt::Display,
) {
    let _ = writeln!(text, "{name}{{{labels}}} {value}");
}
