//! Packs, their bytes, and what waits to be cleaned away.

use std::sync::Arc;

use db::exports::{Figures, Status};
use engine::{RunFilter, RunView};
use evidence::time::Time;

use crate::errors::Result;
use crate::state::State;

/// Runs beyond their retention are counted up to this number of each workflow.
pub(super) const PURGEABLE_MAX: usize = 1_000;
/// The workflows that clean.
const CLEANERS: [&str; 2] = [
    <workflows::retention::Retention as engine::Workflow>::NAME,
    <workflows::history::History as engine::Workflow>::NAME,
];

/// As it was counted.
pub(super) struct Storage {
    pub(super) packs: Vec<Figures>,
    /// Ended runs beyond the retention of their workflow.
    pub(super) purgeable: u64,
    /// The latest run of each workflow that cleans.
    pub(super) cleaned: Vec<RunView>,
    pub(super) counted_at: Time,
}

impl Storage {
    pub(super) async fn count(state: &Arc<State>, now: Time) -> Result<Self> {
        let mut tx = state.pool.begin().await?;
        db::scope_platform(&mut tx).await?;
        let packs = db::exports::figures(&mut tx, now).await?;
        tx.commit().await?;
        let engine = &state.engine;
        let mut cleaned = Vec::new();
        for workflow in CLEANERS {
            let of = RunFilter { workflow: Some(workflow.to_owned()), ..RunFilter::default() };
            for run in engine.list(&of, None, 1).await? {
                // Lists come without outputs.
                cleaned.extend(engine.find(run.id).await?);
            }
        }
        let purgeable = engine.purgeable(PURGEABLE_MAX).await?;
        Ok(Self { packs, purgeable, cleaned, counted_at: now })
    }

    /// Bytes of packs whose file is there.
    pub(super) fn bytes(&self) -> u64 {
        let is_there = |figures: &&Figures| figures.status == Status::Done;
        self.packs.iter().filter(is_there).map(|figures| figures.bytes).sum()
    }

    pub(super) fn downloadable(&self) -> u64 {
        let done = self.packs.iter().filter(|figures| figures.status == Status::Done);
        done.map(|figures| figures.packs).sum()
    }

    pub(super) fn expiring(&self) -> u64 {
        self.packs.iter().map(|figures| figures.expiring).sum()
    }

    pub(super) fn overdue(&self) -> u64 {
        self.packs.iter().map(|figures| figures.overdue).sum()
    }

    pub(super) fn purgeable_is_more(&self) -> bool {
        self.purgeable >= PURGEABLE_MAX as u64
    }
}
