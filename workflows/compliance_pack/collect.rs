//! Step `collect`: every section of the pack, from one database moment, in one pass.
//!
//! Reads on the runtime, writes on a blocking thread (`scribe.rs`), counts twice (`tie.rs`). Leaves the CSV files, `data.json`,
//! `audit_events.ndjson` and our own notes in storage, and a checkpoint that names them.

use std::collections::BTreeMap;

use bundle::csv::Counted;
use bundle::digest::{Digest, Sum};
use bundle::provenance::{
    ActionCount, Changes, ISOLATION, PlanInForce, Section, Sequence, SequenceGaps,
    Snapshot as Moment, TieOut,
};
use bundle::section::{ControlEntry, CoverageMonth, RemediationSla};
use bundle::table::Cell;
use db::chain::{Done, Verification};
use db::section::{self, Exception, PlanVersion, Retained, Snapshot};
use engine::{Failure, StepContext};
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use evidence::org::PackWindow;
use evidence::pack::{self, Summary};
use evidence::time::{Period, Time};
use futures_util::{Stream, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use storage::{Attempt, Key, Storage};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::ahead::Ahead;
use super::attest::{self, Hashes};
use super::facts::{Facts, Positions};
use super::logic::Logic;
use super::press::Press;
use super::scribe::{BATCH_ROWS, Scribe, Written};
use super::tie::Recount;
use super::{BuildPack, COLLECT, cells};
use crate::progress::whole;
use crate::stage::{self, Staged};
use crate::{Ports, trouble};

/// Where the sections are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Collected {
    pub(super) notes: Staged,
    pub(super) entries: Vec<Staged>,
}

/// What later steps must know of the snapshot; staged, because fifty years of months outgrow a checkpoint.
#[derive(Serialize, Deserialize)]
pub(super) struct Notes {
    pub(super) summary: Summary,
    pub(super) snapshot: Moment,
    /// The attempt of this step that is in the pack.
    pub(super) attempt: u32,
    pub(super) sections: Vec<Section>,
    pub(super) tie_out: TieOut,
    pub(super) sequence_gaps: SequenceGaps,
    /// What retention had removed, if anything.
    pub(super) retained: Option<Retained>,
    pub(super) positions: Positions,
    /// The hashes at those positions, if the audit chain was found whole while its entries were read.
    pub(super) hashes: Option<Hashes>,
    pub(super) plan: PlanInForce,
    pub(super) changes: Changes,
}

/// The step.
pub(super) async fn sections(
    step: StepContext<Ports>,
    pack: BuildPack,
) -> Result<Collected, Failure> {
    let attempt = stage::attempt(&step);
    let snapshot = db::exports::snapshot_recording_head(&step.pool, pack.org, pack.export).await;
    let mut snapshot = snapshot.map_err(trouble::database)?;
    let export = db::exports::get(&mut snapshot, pack.org, pack.export).await;
    let export = export.map_err(trouble::database)?;
    over(export.period(), snapshot.moment().taken_at)?;
    let positions = Positions::read(&mut snapshot, pack, &export).await;
    let positions = positions.map_err(trouble::database)?;
    let log = Log {
        storage: step.storage.clone(),
        attempt,
        org: pack.org,
        period: export.period(),
        positions: positions.clone(),
    };
    // The audit log is read and compressed beside everything else, and half of the figures beside the other half, where further
    // connections are at hand; the second one goes on to the exceptions.
    let beside = snapshot.beside(&step.pool).await.map_err(trouble::database)?;
    let beside =
        beside.map(|beside| AbortOnDropHandle::new(tokio::spawn(log.clone().read(beside))));
    let second = snapshot.beside(&step.pool).await.map_err(trouble::database)?;
    let facts = Facts::read(&mut snapshot, second, &export, positions).await;
    let (facts, exceptions) = facts.map_err(trouble::database)?;
    let logic = Logic { org: pack.org, period: facts.period() };
    let mut reader = Reader {
        scribe: Scribe::start(&step.storage, attempt, &facts),
        recount: Recount::default(),
        exceptions,
        facts: &facts,
        pack,
        step: &step,
    };
    reader.read(&mut snapshot).await?;
    let Reader { scribe, mut recount, .. } = reader;
    let written = scribe.finish().await?;
    let moment = moment(snapshot.moment());
    let audit = match beside {
        Some(log) => {
            snapshot.close().await.map_err(trouble::database)?;
            joined(log.await)?
        }
        None => log.read(snapshot).await?,
    };
    recount.findings(written.findings.clone());
    recount.audit_entries(audit.digest.lines);
    let tables: BTreeMap<_, _> =
        written.tables.iter().map(|(staged, counted)| (staged.entry.as_str(), counted)).collect();
    let tie_out = recount.check(&facts.summary, &tables)?;
    let read = Read { moment, attempt: step.attempt(), written: &written, tie_out, audit: &audit };
    let notes = read.notes(logic, facts);
    let notes = serde_json::to_vec(&notes).map_err(trouble::internal)?;
    let key = Key::staging(&attempt, "notes.json");
    let notes = stage::put(&step.storage, key, "notes.json", notes).await?;
    let tables = written.tables.into_iter().map(|(staged, _)| staged);
    Ok(Collected { notes, entries: tables.chain([written.data, audit.staged]).collect() })
}

/// What was read, before it is told.
struct Read<'a> {
    moment: Moment,
    attempt: u32,
    written: &'a Written,
    tie_out: TieOut,
    audit: &'a Audit,
}

impl Read<'_> {
    fn notes(self, logic: Logic, facts: Facts) -> Notes {
        Notes {
            sections: described(logic, self.written, &self.audit.digest),
            snapshot: self.moment,
            attempt: self.attempt,
            tie_out: self.tie_out,
            sequence_gaps: gaps(logic, &facts),
            retained: facts.retained,
            plan: plan(facts.plan),
            changes: changes(logic, &self.audit.done),
            summary: facts.summary,
            positions: facts.positions,
            hashes: self.audit.hashes.clone(),
        }
    }
}

/// Reads the sections in the order of `bundle::section::ALL` and hands them to the scribe.
struct Reader<'a> {
    scribe: Scribe,
    recount: Recount,
    /// Where they are read over a connection of their own.
    exceptions: Option<Ahead>,
    facts: &'a Facts,
    pack: BuildPack,
    step: &'a StepContext<Ports>,
}

impl Reader<'_> {
    async fn read(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        self.findings(snapshot).await?;
        self.scans(snapshot).await?;
        let facts = self.facts;
        let months = facts.summary.coverage.iter();
        self.all(months.map(|month| CoverageMonth::from(month).cells())).await?;
        let levels = facts.summary.sla.iter();
        self.all(levels.map(|level| RemediationSla::from(level).cells())).await?;
        let (org, period) = (self.pack.org, facts.period());
        let rules = section::custom_rules(snapshot, org, period).await;
        let rules = rules.map_err(trouble::database)?;
        self.recount.rules(&rules);
        self.all(rules.into_iter().map(cells::custom_rule)).await?;
        let sources = section::state_sources(snapshot, org, period).await;
        let sources = sources.map_err(trouble::database)?;
        self.recount.sources(&sources);
        self.all(sources.into_iter().map(cells::state_source)).await?;
        self.exceptions(snapshot).await?;
        let controls = evidence::control::all();
        self.all(controls.iter().flat_map(ControlEntry::of).map(ControlEntry::cells)).await
    }

    async fn findings(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let rows = section::findings(snapshot, self.pack.org, self.facts.period());
        let mut batches = std::pin::pin!(rows.try_chunks(BATCH_ROWS));
        let total = self.facts.summary.headline.findings_in_period;
        let mut done = 0;
        while let Some(rows) = batches.try_next().await.map_err(|cut| trouble::database(cut.1))? {
            done += rows.len();
            self.scribe.findings(rows).await?;
            self.step.progress(COLLECT, whole(done), bounded(total)).await;
        }
        self.scribe.end_section().await
    }

    async fn scans(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let rows = section::scans(snapshot, self.pack.org, self.facts.period());
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = next(&mut rows).await? {
            self.recount.scan(&row);
            self.scribe.row(cells::scan(row)).await?;
        }
        self.scribe.end_section().await
    }

    async fn exceptions(&mut self, snapshot: &mut Snapshot) -> Result<(), Failure> {
        if let Some(mut ahead) = self.exceptions.take() {
            while let Some(row) = ahead.rows.recv().await {
                self.exception(row).await?;
            }
            joined(ahead.reading.await)?;
        } else {
            let rows = section::exceptions(snapshot, self.pack.org, self.facts.period());
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = next(&mut rows).await? {
                self.exception(row).await?;
            }
        }
        self.scribe.end_section().await
    }

    async fn exception(&mut self, row: Exception) -> Result<(), Failure> {
        self.recount.exception(&row);
        self.scribe.row(cells::exception(row)).await
    }

    /// A section that is small by nature.
    async fn all(&mut self, rows: impl Iterator<Item = Vec<Cell<'static>>>) -> Result<(), Failure> {
        for row in rows {
            self.scribe.row(row).await?;
        }
        self.scribe.end_section().await
    }
}

/// What a task answered; one that died may be tried again.
fn joined<T>(task: Result<Result<T, Failure>, JoinError>) -> Result<T, Failure> {
    task.map_err(|died| Failure::transient(died).code(trouble::INTERNAL))?
}

pub(super) async fn next<T>(
    rows: &mut (impl Stream<Item = db::Result<T>> + Unpin),
) -> Result<Option<T>, Failure> {
    rows.try_next().await.map_err(trouble::database)
}

/// The audit log: re-hashed from its first entry, of the period line by line the canonical texts, and what was done.
#[derive(Clone)]
struct Log {
    storage: Storage,
    attempt: Attempt,
    org: OrgId,
    period: Period,
    positions: Positions,
}

/// What came of it.
struct Audit {
    staged: Staged,
    digest: Digest,
    hashes: Option<Hashes>,
    /// What was done in the period, by action.
    done: Vec<Done>,
}

impl Log {
    async fn read(self, mut snapshot: Snapshot) -> Result<Audit, Failure> {
        let stop = CancellationToken::new();
        let _stop_when_dropped = stop.clone().drop_guard();
        let key = Key::staging(&self.attempt, pack::AUDIT_EVENTS);
        let mut press = Press::start(&self.storage, &key, &stop);
        let mut sum = Sum::default();
        let (chain, options) = (ChainId::Org(self.org), attest::options(&self.positions));
        let verification = Verification::begin(&mut snapshot, chain, &options).await;
        let mut verification = verification.map_err(trouble::database)?;
        {
            let lines = verification.lines(&mut snapshot, self.period);
            let mut lines = std::pin::pin!(lines);
            while let Some(line) = next(&mut lines).await? {
                sum.update(line.as_bytes());
                press.add(line.as_bytes()).await.map_err(stage::unwrapped)?;
            }
        }
        let done = verification.done();
        snapshot.close().await.map_err(trouble::database)?;
        // A chain that is not whole is the next step's to say, as it is by then.
        let hashes = attest::intact(verification.finish().verdict, &self.positions).ok();
        let (packed, digest) = (press.finish().await.map_err(stage::unwrapped)?, sum.finish());
        let staged = Staged::lines(pack::AUDIT_EVENTS, key, digest.clone()).packed(packed);
        Ok(Audit { staged, digest, hashes, done })
    }
}

fn moment(moment: &section::Moment) -> Moment {
    Moment {
        id: moment.snapshot_id.clone(),
        taken_at: moment.taken_at,
        wal_lsn: Some(moment.wal_lsn.clone()),
        migration: moment.schema_version.to_string(),
        server_version: moment.server_version.clone(),
        installation: moment.installation.clone(),
        isolation: ISOLATION.to_owned(),
    }
}

fn plan(version: PlanVersion) -> PlanInForce {
    let window_days = match version.plan.pack_window() {
        PackWindow::None => Some(0),
        PackWindow::Days(days) => Some(days),
        PackWindow::Unlimited => None,
    };
    PlanInForce { plan: version.plan, since: version.since, window_days }
}

fn changes(logic: Logic, done: &[Done]) -> Changes {
    let count = |done: &Done| {
        let Done { action, entries, first_seq, last_seq } = done.clone();
        ActionCount { action, entries, first_seq, last_seq }
    };
    Changes { queries: logic.of_changes(), actions: done.iter().map(count).collect() }
}

/// The database's clock is behind ours: the period is not over there, and something may yet happen in it.
#[derive(Debug, thiserror::Error)]
#[error("the period ends at {end}, and the database's clock says {now}")]
struct NotOver {
    end: Time,
    now: Time,
}

fn over(Period { end, .. }: Period, now: Time) -> Result<(), Failure> {
    if now < end {
        return Err(Failure::transient(NotOver { end, now }).code(trouble::CLOCK));
    }
    Ok(())
}

/// What `provenance.json` says of each entry, with the statements as they were asked.
fn described(logic: Logic, written: &Written, audit: &Digest) -> Vec<Section> {
    let table = |(staged, counted): &(Staged, Counted)| {
        Section::table(&staged.entry, counted.clone(), logic.of_entry(&staged.entry))
    };
    let mut sections: Vec<Section> = written.tables.iter().map(table).collect();
    let data = logic.of_entry(pack::DATA_JSON);
    sections.push(Section::file(pack::DATA_JSON, written.data.digest(), data));
    let events = logic.of_entry(pack::AUDIT_EVENTS);
    sections.push(Section::lines(pack::AUDIT_EVENTS, audit.clone(), events));
    sections
}

fn gaps(logic: Logic, facts: &Facts) -> SequenceGaps {
    let (numbers, audit) = (&facts.sequence, &facts.summary.audit);
    SequenceGaps {
        queries: logic.of_sequences(),
        finding_numbers: Sequence {
            first: numbers.lowest,
            last: numbers.highest,
            missing: runs(&numbers.missing),
            missing_total: numbers.given.saturating_sub(numbers.present + numbers.removed),
        },
        // The tie-out has counted that they are consecutive.
        audit_seq: Sequence { first: audit.first_seq, last: audit.last_seq, ..Sequence::default() },
    }
}

/// Single numbers as runs of neighbours.
fn runs(missing: &[i64]) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for number in missing {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
