//! The exceptions, asked for and sorted by the server while other things are read.

use db::section::{self, Exception, Snapshot};
use engine::Failure;
use evidence::ids::OrgId;
use evidence::time::Period;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::collect::next;
use super::scribe::BATCH_ROWS;
use crate::trouble;

/// Exceptions on their way over a connection of their own.
pub(super) struct Ahead {
    pub(super) rows: mpsc::Receiver<Exception>,
    /// Says how the reading ended: rows that stop coming are not all that there are.
    pub(super) reading: AbortOnDropHandle<Result<(), Failure>>,
}

impl Ahead {
    pub(super) fn read(snapshot: Snapshot, org: OrgId, period: Period) -> Self {
        let (sender, rows) = mpsc::channel(BATCH_ROWS);
        let reading = tokio::spawn(read_exceptions(snapshot, (org, period), sender));
        Self { rows, reading: AbortOnDropHandle::new(reading) }
    }
}

async fn read_exceptions(
    mut snapshot: Snapshot,
    (org, period): (OrgId, Period),
    sender: mpsc::Sender<Exception>,
) -> Result<(), Failure> {
    {
        let rows = section::exceptions(&mut snapshot, org, period);
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = next(&mut rows).await? {
            sender.send(row).await.map_err(trouble::internal)?;
        }
    }
    snapshot.close().await.map_err(trouble::database)
}
