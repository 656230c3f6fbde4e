//! The figures of a period at a glance: what a pack of it would say, as of a moment that is told.
//!
//! They are counted by the pack's own statements, which take long where there are millions of rows. So they are counted behind
//! the page's back and kept for a while: a page shows what is known, and says when it was counted.
//!
//! Invariants
//! - Who asks has the right to: the key of what is kept holds the organisation of an `OrgScope`.
//! - A few are counted at once, whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db::section::{self, Figures, Snapshot};
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use evidence::pack::{AuditRange, Coverage, Gap, Headline, Sla, TopRisk};
use evidence::time::{Period, Time};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::kept::Kept;
use crate::auth::{OrgScope, Right};
use crate::errors::{Error, Result};
use crate::state::State;

/// Counted again when they are older.
const FRESH: Duration = Duration::from_secs(30);
/// Each reads every finding of its organisation.
const AT_ONCE: usize = 2;
const ENTRIES_MAX: usize = 512;
/// Periods of one organisation: enough for people, and nobody can crowd out the others.
const ENTRIES_OF_ORG_MAX: usize = 8;

/// What a pack of a period would say.
#[derive(Debug, Clone)]
pub(crate) struct Glance {
    pub(super) counted_at: Time,
    pub(super) headline: Headline,
    pub(super) coverage: Vec<Coverage>,
    pub(super) sla: Vec<Sla>,
    pub(super) gaps: Vec<Gap>,
    pub(super) top_risks: Vec<TopRisk>,
    pub(super) audit: AuditRange,
}

type Key = (OrgId, Period);

/// The figures of a period, and when somebody last asked for them.
struct Asked {
    at: Instant,
    figures: Arc<Kept<Glance>>,
}

/// What was counted lately.
pub(crate) struct Glances {
    asked: Mutex<HashMap<Key, Asked>>,
    turns: Semaphore,
}

impl Default for Glances {
    fn default() -> Self {
        Self { asked: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

/// The figures of a period; `None`: they are being counted, ask again.
pub(super) async fn of<R: Right>(
    scope: &OrgScope<R>,
    period: Period,
) -> Result<Option<Arc<Glance>>> {
    let (state, key) = (Arc::clone(&scope.context.state), (scope.org.id, period));
    let Some(kept) = state.glances.of(key) else { return Ok(None) };
    let count = async move {
        let _turn = state.glances.turns.acquire().await.map_err(Error::internal)?;
        read(&state, key).await
    };
    kept.get(count).await
}

async fn read(state: &State, (org, period): Key) -> Result<Glance> {
    let mut moment = Snapshot::begin(&state.pool, org).await?;
    let counted_at = moment.moment().taken_at;
    let coverage = section::coverage_monthly(&mut moment, org, period).await?;
    let gaps = section::gaps(&mut moment, org, period).await?.longest;
    let remediation = section::remediation(&mut moment, org, period).await?;
    let top_risks = section::top_risks(&mut moment, org, period).await?;
    let audit = section::audit_range(&mut moment, ChainId::Org(org), period).await?;
    let figures = Figures { coverage: &coverage, remediation: &remediation, gaps: &gaps };
    let headline = section::counts(&mut moment, org, period).await?.headline(figures);
    moment.close().await?;
    Ok(Glance { counted_at, headline, coverage, sla: remediation.levels, gaps, top_risks, audit })
}

impl Glances {
    /// Where the figures of a period are kept; `None`: too much is being counted.
    fn of(&self, key: Key) -> Option<Arc<Kept<Glance>>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.contains_key(&key) {
            let has_room = make_room(&mut asked, ENTRIES_OF_ORG_MAX, |other| other.0 == key.0)
                && make_room(&mut asked, ENTRIES_MAX, |_| true);
            if !has_room {
                return None;
            }
        }
        let at = Instant::now();
        let known =
            asked.entry(key).or_insert_with(|| Asked { at, figures: Arc::new(Kept::new(FRESH)) });
        known.at = at;
        Some(Arc::clone(&known.figures))
    }
}

/// Drops what nobody has asked for the longest among those that are meant, if there are `most` of them; whether there is room then.
/// What is being counted stays: else there would be no end of counts.
fn make_room(
    asked: &mut HashMap<Key, Asked>,
    most: usize,
    is_meant: impl Fn(&Key) -> bool,
) -> bool {
    if asked.keys().filter(|key| is_meant(key)).count() < most {
        return true;
    }
    let idle =
        asked.iter().filter(|(key, asked)| is_meant(key) && !asked.figures.is_being_counted());
    let oldest = idle.min_by_key(|(_, asked)| asked.at).map(|(key, _)| *key);
    oldest.is_some_and(|oldest| asked.remove(&oldest).is_some())
}
