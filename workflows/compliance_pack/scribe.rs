//! Writes the sections, each as CSV and as an array of `data.json`, in one pass over the rows.
//!
//! Runs on a blocking thread, because formatting and hashing a million rows would keep a runtime thread from everything else. Rows
//! come in batches through a bounded channel, so that neither side runs ahead. When the sender goes away before the last
//! section is closed, the thread ends with an error and nothing that it wrote counts.

use std::io;

use bundle::csv::{self, Counted};
use bundle::json::{Chain, Document, Opening, Rows};
use bundle::section;
use bundle::table::{Cell, Intake, Table};
use db::section::FindingRow;
use engine::Failure;
use evidence::metrics::{self, Tally};
use evidence::pack::{self, Summary};
use storage::{Attempt, Key, Storage};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::facts::Facts;
use super::press::Press;
use super::{cells, tie};
use crate::stage::{self, Staged};
use crate::trouble;

/// Rows that travel together: enough that the channel does not show, little enough to stay small.
pub(super) const BATCH_ROWS: usize = 500;

/// Batches under way.
const BATCHES: usize = 4;

enum Batch {
    Rows(Vec<Vec<Cell<'static>>>),
    /// Read and counted by the thread, which borrows their texts.
    Findings(Vec<FindingRow>),
    /// The section is complete.
    End,
}

/// The sending side.
pub(super) struct Scribe {
    batches: mpsc::Sender<Batch>,
    waiting: Vec<Vec<Cell<'static>>>,
    thread: JoinHandle<Result<Written, Fault>>,
    _stop_when_dropped: DropGuard,
}

/// What was written.
pub(super) struct Written {
    /// In the order of `section::ALL`.
    pub(super) tables: Vec<(Staged, Counted)>,
    pub(super) data: Staged,
    /// The findings, counted as they were written.
    pub(super) findings: Tally,
}

/// Why the thread ended early.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Pack(#[from] bundle::Error),
    #[error(transparent)]
    Row(#[from] db::Error),
    #[error(transparent)]
    Count(#[from] metrics::Error),
}

/// What the thread needs, apart from the rows.
struct Desk {
    storage: Storage,
    attempt: Attempt,
    stop: CancellationToken,
    summary: Summary,
    chain: Chain,
}

impl Scribe {
    pub(super) fn start(storage: &Storage, attempt: Attempt, facts: &Facts) -> Self {
        let (batches, rows) = mpsc::channel(BATCHES);
        let stop = CancellationToken::new();
        let desk = Desk {
            storage: storage.clone(),
            attempt,
            stop: stop.clone(),
            summary: facts.summary.clone(),
            chain: facts.positions.chain.clone(),
        };
        let thread = tokio::task::spawn_blocking(move || desk.write(rows));
        Self { batches, waiting: Vec::new(), thread, _stop_when_dropped: stop.drop_guard() }
    }

    /// Adds a row to the section that is open.
    pub(super) async fn row(&mut self, cells: Vec<Cell<'static>>) -> Result<(), Failure> {
        self.waiting.push(cells);
        if self.waiting.len() >= BATCH_ROWS { self.send().await } else { Ok(()) }
    }

    /// Adds findings to their section, which is open.
    pub(super) async fn findings(&mut self, rows: Vec<FindingRow>) -> Result<(), Failure> {
        debug_assert!(self.waiting.is_empty(), "a section of findings has no other rows");
        self.hand_over(Batch::Findings(rows)).await
    }

    /// Closes the section that is open; the next one begins.
    pub(super) async fn end_section(&mut self) -> Result<(), Failure> {
        self.send().await?;
        self.hand_over(Batch::End).await
    }

    /// Waits for the last section to be written.
    pub(super) async fn finish(self) -> Result<Written, Failure> {
        drop(self.batches);
        ended(self.thread).await
    }

    async fn send(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting);
        self.hand_over(Batch::Rows(rows)).await
    }

    async fn hand_over(&mut self, batch: Batch) -> Result<(), Failure> {
        if self.batches.send(batch).await.is_ok() {
            return Ok(());
        }
        // The thread ended before its time: its error is the cause.
        let early = ended(&mut self.thread).await.err();
        Err(early.unwrap_or_else(|| trouble::internal(Early)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the sections were closed before the last row")]
struct Early;

async fn ended(
    thread: impl Future<Output = Result<Result<Written, Fault>, tokio::task::JoinError>>,
) -> Result<Written, Failure> {
    let ended = thread.await.map_err(|died| Failure::transient(died).code(trouble::INTERNAL))?;
    ended.map_err(|fault| match fault {
        Fault::Pack(error) => stage::unwrapped(error),
        Fault::Row(error) => trouble::database(error),
        Fault::Count(error) => tie::untied(error),
    })
}

impl Desk {
    fn write(self, mut batches: mpsc::Receiver<Batch>) -> Result<Written, Fault> {
        let key = self.key(pack::DATA_JSON);
        let opening = Opening {
            generated_at: self.summary.generated_at,
            org: &self.summary.org,
            period: &self.summary.period,
            summary: &self.summary,
        };
        let mut data = Document::begin(self.press(&key), &opening)?;
        let mut findings = Tally::default();
        let mut tables = Vec::with_capacity(section::ALL.len());
        for table in section::ALL {
            let mut section = Section {
                intake: Intake::new(table),
                csv: csv::Writer::new(self.press(&self.key(table.entry)), table)?,
                array: data.section(table)?,
                findings: &mut findings,
            };
            section.take(&mut batches)?;
            tables.push(section.finish(table, self.key(table.entry))?);
        }
        let (press, digest) = data.finish(&self.summary.audit, &self.chain)?;
        let data = Staged::file(pack::DATA_JSON, key, digest).packed(press.finish_blocking()?);
        Ok(Written { tables, data, findings })
    }

    fn key(&self, entry: &str) -> Key {
        Key::staging(&self.attempt, entry)
    }

    fn press(&self, key: &Key) -> Press {
        Press::start(&self.storage, key, &self.stop)
    }
}

/// The section that is being written.
struct Section<'a> {
    intake: Intake,
    csv: csv::Writer<Press>,
    array: Rows<'a, Press>,
    findings: &'a mut Tally,
}

impl Section<'_> {
    /// Takes what comes, to the end of the section.
    fn take(&mut self, batches: &mut mpsc::Receiver<Batch>) -> Result<(), Fault> {
        loop {
            match batches.blocking_recv() {
                Some(Batch::Rows(rows)) => rows.iter().try_for_each(|cells| self.row(cells))?,
                Some(Batch::Findings(rows)) => rows.iter().try_for_each(|row| self.finding(row))?,
                Some(Batch::End) => return Ok(()),
                None => return Err(bundle::Error::from(io::Error::other(GONE)).into()),
            }
        }
    }

    fn finding(&mut self, row: &FindingRow) -> Result<(), Fault> {
        let finding = row.read()?;
        self.findings.add(finding.number, finding.risk_level, finding.roll_forward())?;
        self.row(&cells::finding(finding))
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Fault> {
        let row = self.intake.row(cells)?;
        self.csv.row(row)?;
        Ok(self.array.row(row)?)
    }

    fn finish(self, table: &'static Table, key: Key) -> Result<(Staged, Counted), Fault> {
        self.array.finish()?;
        let (press, counted) = self.csv.finish()?;
        let staged = Staged::table(table.entry, key, &counted).packed(press.finish_blocking()?);
        Ok((staged, counted))
    }
}

const GONE: &str = "the reader of the rows is gone";
