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
use tracing::Instrument as _;

use crate::auth::{OrgScope, Right};
use crate::errors::{Error, Result, describe};
use crate::state::State;

/// Counted again when they are older.
const FRESH: Duration = Duration::from_secs(30);
/// Not shown when they are older.
const KEPT: Duration = Duration::from_mins(10);
/// A page waits so long for figures that nobody has asked for yet.
const PATIENCE: Duration = Duration::from_millis(40);
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

#[derive(Clone)]
struct Kept {
    glance: Option<Arc<Glance>>,
    at: Instant,
    is_being_counted: bool,
}

/// What was counted lately.
pub(crate) struct Glances {
    kept: Mutex<HashMap<Key, Kept>>,
    turns: Semaphore,
}

impl Default for Glances {
    fn default() -> Self {
        Self { kept: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

/// The figures of a period; `None`: they are being counted, ask again.
pub(super) async fn of<R: Right>(
    scope: &OrgScope<R>,
    period: Period,
) -> Result<Option<Arc<Glance>>> {
    let state = &scope.context.state;
    let key = (scope.org.id, period);
    let (known, must_count) = state.glances.look(key);
    if !must_count {
        return Ok(known);
    }
    let counting = {
        let state = Arc::clone(state);
        tokio::spawn(async move { count(&state, key).await }.in_current_span())
    };
    if known.is_some() {
        return Ok(known);
    }
    match tokio::time::timeout(PATIENCE, counting).await {
        Ok(counted) => counted?.map(Some),
        Err(_) => Ok(None),
    }
}

async fn count(state: &State, key: Key) -> Result<Arc<Glance>> {
    let mut counting = Counting { glances: &state.glances, key, counted: None };
    let _turn = state.glances.turns.acquire().await.map_err(Error::internal)?;
    let glance = read(state, key).await.inspect_err(|error| {
        tracing::warn!(cause = %describe(error), "the figures of a period were not counted");
    })?;
    let glance = Arc::new(glance);
    counting.counted = Some(Arc::clone(&glance));
    Ok(glance)
}

/// A count under way: however it ends, the next one may begin.
struct Counting<'a> {
    glances: &'a Glances,
    key: Key,
    counted: Option<Arc<Glance>>,
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.glances.put(self.key, self.counted.take());
    }
}

async fn read(state: &State, (org, period): Key) -> Result<Glance> {
    let mut moment = Snapshot::begin(&state.pool, org).await?;
    let counted_at = moment.moment().taken_at;
    let coverage = section::coverage_monthly(&mut moment, org, period).await?;
    let gaps = section::gaps(&mut moment, org, period).await?.longest;
    let sla = section::remediation_sla(&mut moment, org, period).await?;
    let top_risks = section::top_risks(&mut moment, org, period).await?;
    let audit = section::audit_range(&mut moment, ChainId::Org(org), period).await?;
    let figures = Figures { coverage: &coverage, sla: &sla, gaps: &gaps };
    let headline = section::headline(&mut moment, org, period, figures).await?;
    moment.close().await?;
    Ok(Glance { counted_at, headline, coverage, sla, gaps, top_risks, audit })
}

impl Glances {
    /// What is known, and whether the caller must have it counted.
    fn look(&self, key: Key) -> (Option<Arc<Glance>>, bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|_, kept| kept.is_being_counted || now.duration_since(kept.at) < KEPT);
        if !kept.contains_key(&key) {
            make_room(&mut kept, ENTRIES_OF_ORG_MAX, |other| other.0 == key.0);
            make_room(&mut kept, ENTRIES_MAX, |_| true);
        }
        let of_org = kept.keys().filter(|other| other.0 == key.0).count();
        let is_full = of_org >= ENTRIES_OF_ORG_MAX || kept.len() >= ENTRIES_MAX;
        match kept.get_mut(&key) {
            Some(known) => {
                let must = !known.is_being_counted
                    && (known.glance.is_none() || now.duration_since(known.at) > FRESH);
                known.is_being_counted |= must;
                (known.glance.clone(), must)
            }
            None if is_full => (None, false),
            None => {
                kept.insert(key, Kept { glance: None, at: now, is_being_counted: true });
                (None, true)
            }
        }
    }

    /// `None`: it did not work; what was known stays.
    fn put(&self, key: Key, glance: Option<Arc<Glance>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(&key) {
            known.is_being_counted = false;
            if glance.is_some() {
                known.glance = glance;
                known.at = Instant::now();
            }
        }
    }
}

/// Drops what was counted longest ago among those of `kept` that are meant, if there are `most` of them.
fn make_room(kept: &mut HashMap<Key, Kept>, most: usize, is_meant: impl Fn(&Key) -> bool) {
    if kept.keys().filter(|key| is_meant(key)).count() < most {
        return;
    }
    let idle = kept.iter().filter(|(key, kept)| is_meant(key) && !kept.is_being_counted);
    if let Some(oldest) = idle.min_by_key(|(_, kept)| kept.at).map(|(key, _)| *key) {
        kept.remove(&oldest);
    }
}
