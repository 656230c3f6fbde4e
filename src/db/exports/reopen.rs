//! A build that failed goes on, because an operator has sent its run back.
//!
//! Invariant: of any two packs one knows of the other's head. While a pack had failed, others did not see its head; where one
//! of them has taken its snapshot since, the head is forgotten here, and the pack must be collected anew. One that has failed
//! itself counts, too: its run may be sent back like this one.

use evidence::ids::{ExportId, OrgId};
use sqlx::postgres::PgConnection;

use super::{Status, head, step};
use crate::{Cause, Error, Result};

/// How a build goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// With what it has.
    AsItStands,
    /// From its snapshot on: another pack has overtaken it.
    Overtaken,
}

/// failed → running, with its error gone. Pending, running or done: nothing changes, the run sees to the rest.
///
/// A pack that is deleted or expired is gone: [`Error::ExportStep`].
pub async fn reopen(
    conn: &mut PgConnection,
    org: OrgId,
    id: ExportId,
    cause: &Cause,
) -> Result<Opened> {
    head::one_at_a_time(conn, org).await?;
    match step::lock(conn, org, id).await? {
        Status::Failed => {}
        Status::Pending | Status::Running | Status::Done => return Ok(Opened::AsItStands),
        from @ (Status::Expired | Status::Deleted) => {
            return Err(Error::ExportStep { from, to: Status::Running });
        }
    }
    let is_overtaken = sqlx::query_scalar!(
        r#"
        update audit_exports as export
           set status = 'running', started_at = coalesce(export.started_at, $3),
               finished_at = null, error_code = null, error_message = null,
               attested_seq = case when later.is_there then null else export.attested_seq end,
               attested_hash = case when later.is_there then null else export.attested_hash end
          from (select exists (
                  select
                    from audit_exports as mine
                    join audit_exports as other using (org_id)
                   where mine.org_id = $1 and mine.id = $2 and other.id <> mine.id
                     and other.attested_seq >= mine.attested_seq
                     and (other.status in ('running', 'failed', 'done', 'expired')
                          or other.status = 'deleted' and other.object_key is not null)
                ) as is_there) as later
         where export.org_id = $1 and export.id = $2
        returning later.is_there as "is_there!"
        "#,
        org.0,
        id.0,
        cause.now,
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(if is_overtaken { Opened::Overtaken } else { Opened::AsItStands })
}
