//! Writes the sections, each as CSV and as an array of `data.json`, in one pass over the rows.
//!
//! Runs on a blocking thread, because formatting and hashing a million rows would keep a runtime thread from everything else. Rows
//! come in batches through a bounded channel, so that neither side runs ahead. When the sender goes away before the last
//! section is closed, the thread ends with an error and nothing that it wrote counts.

use bundle::csv::{self, Counted};
use bundle::json::{Chain, Document, Opening};
use bundle::section;
use bundle::table::{Cell, Intake, Table};
use engine::Failure;
use evidence::pack::{self, Summary};
use storage::{Attempt, Key, Storage};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::facts::Facts;
use super::press::Press;
use crate::stage::{self, Staged};
use crate::trouble;

/// Rows that travel together: enough that the channel does not show, little enough to stay small.
pub(super) const BATCH_ROWS: usize = 500;

/// Batches under way.
const BATCHES: usize = 4;

enum Batch {
    Rows(Vec<Vec<Cell>>),
    /// The section is complete.
    End,
}

/// The sending side.
pub(super) struct Scribe {
    batches: mpsc::Sender<Batch>,
    waiting: Vec<Vec<Cell>>,
    thread: JoinHandle<Result<Written, bundle::Error>>,
    _stop_when_dropped: DropGuard,
}

/// What was written.
pub(super) struct Written {
    /// In the order of `section::ALL`.
    pub(super) tables: Vec<(Staged, Counted)>,
    pub(super) data: Staged,
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
    pub(super) async fn row(&mut self, cells: Vec<Cell>) -> Result<(), Failure> {
        self.waiting.push(cells);
        if self.waiting.len() >= BATCH_ROWS { self.send().await } else { Ok(()) }
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
    thread: impl Future<Output = Result<Result<Written, bundle::Error>, tokio::task::JoinError>>,
) -> Result<Written, Failure> {
    match thread.await {
        Ok(written) => written.map_err(stage::unwrapped),
        Err(died) => Err(Failure::transient(died).code(trouble::INTERNAL)),
    }
}

impl Desk {
    fn write(self, mut batches: mpsc::Receiver<Batch>) -> Result<Written, bundle::Error> {
        let key = self.key(pack::DATA_JSON);
        let opening = Opening {
            generated_at: self.summary.generated_at,
            org: &self.summary.org,
            period: &self.summary.period,
            summary: &self.summary,
        };
        let mut data = Document::begin(self.press(&key), &opening)?;
        let mut tables = Vec::with_capacity(section::ALL.len());
        for table in section::ALL {
            tables.push(self.section(table, &mut data, &mut batches)?);
        }
        let (press, digest) = data.finish(&self.summary.audit, &self.chain)?;
        let data = Staged::file(pack::DATA_JSON, key, digest).packed(press.finish_blocking()?);
        Ok(Written { tables, data })
    }

    fn section(
        &self,
        table: &'static Table,
        data: &mut Document<Press>,
        batches: &mut mpsc::Receiver<Batch>,
    ) -> Result<(Staged, Counted), bundle::Error> {
        let key = self.key(table.entry);
        let mut csv = csv::Writer::new(self.press(&key), table)?;
        let mut array = data.section(table)?;
        let mut intake = Intake::new(table);
        loop {
            match batches.blocking_recv() {
                None => return Err(std::io::Error::other("the reader of the rows is gone").into()),
                Some(Batch::End) => break,
                Some(Batch::Rows(rows)) => {
                    for row in &rows {
                        let row = intake.row(row)?;
                        csv.row(row)?;
                        array.row(row)?;
                    }
                }
            }
        }
        array.finish()?;
        let (press, counted) = csv.finish()?;
        let staged = Staged::table(table.entry, key, &counted).packed(press.finish_blocking()?);
        Ok((staged, counted))
    }

    fn key(&self, entry: &str) -> Key {
        Key::staging(&self.attempt, entry)
    }

    fn press(&self, key: &Key) -> Press {
        Press::start(&self.storage, key, &self.stop)
    }
}
