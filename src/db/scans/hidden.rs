//! Drifts that custom rules keep from being findings. A finding that one of them becomes later did not
//! begin after the latest complete scan (that one showed it), but after the one before the first that
//! showed it; so that one is kept for as long as no complete scan misses the drift.

use std::collections::{HashMap, HashSet};

use evidence::scan::{DriftType, ScanStatus};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use super::effect::Key;
use crate::Result;
use crate::column::{Digest, Word};
use crate::findings::store::{Scope, digest};

type Hidden = (DriftType, [u8; 32]);

/// Which complete scan was the last that did not show a drift.
#[derive(Debug, Default)]
pub(super) struct Clean {
    newest_done_at: Option<Time>,
    hidden: HashMap<Hidden, Option<Time>>,
}

impl Clean {
    pub(super) fn before(&self, (address, drift_type): &Key) -> Option<Time> {
        let hidden = self.hidden.get(&(*drift_type, digest(address)));
        hidden.copied().unwrap_or(self.newest_done_at)
    }

    pub(super) async fn load(
        conn: &mut PgConnection,
        scope: Scope,
        newest_done_at: Option<Time>,
    ) -> Result<Self> {
        let rows = sqlx::query!(
            r#"
            select drift_type as "drift_type: Word<DriftType>",
                   address_digest as "address_digest: Digest", last_clean_scan_at
              from ignored_drifts
             where org_id = $1 and state_source_id = $2 and tool_family = $3
            "#,
            scope.org.0,
            scope.source.0,
            scope.family.as_str(),
        )
        .fetch_all(conn)
        .await?;
        let hidden = rows.into_iter().map(|row| {
            ((row.drift_type.into(), row.address_digest.into()), row.last_clean_scan_at)
        });
        Ok(Self { newest_done_at, hidden: hidden.collect() })
    }

    /// Notes what a scan that is neither late nor failed showed and rules ignored.
    pub(super) async fn note(
        &self,
        conn: &mut PgConnection,
        scope: Scope,
        ignored: &[Key],
        status: ScanStatus,
    ) -> Result<()> {
        let shown: HashSet<Hidden> =
            ignored.iter().map(|(address, drift_type)| (*drift_type, digest(address))).collect();
        let begun = shown.iter().filter(|hidden| !self.hidden.contains_key(*hidden));
        insert(conn, scope, begun, self.newest_done_at).await?;
        if status == ScanStatus::Done {
            delete(conn, scope, self.hidden.keys().filter(|hidden| !shown.contains(*hidden)))
                .await?;
        }
        Ok(())
    }
}

fn columns<'a>(hidden: impl Iterator<Item = &'a Hidden>) -> (Vec<String>, Vec<Vec<u8>>) {
    hidden.map(|(drift_type, digest)| (drift_type.to_string(), digest.to_vec())).unzip()
}

async fn insert(
    conn: &mut PgConnection,
    scope: Scope,
    hidden: impl Iterator<Item = &Hidden>,
    last_clean_scan_at: Option<Time>,
) -> Result<()> {
    let (drift_types, digests) = columns(hidden);
    if digests.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        insert into ignored_drifts
               (org_id, state_source_id, tool_family, drift_type, address_digest,
                last_clean_scan_at)
        select $1, $2, $3, drift_type, digest, $6
          from unnest($4::text[], $5::bytea[]) as hidden (drift_type, digest)
        ",
        scope.org.0,
        scope.source.0,
        scope.family.as_str(),
        &drift_types,
        &digests,
        last_clean_scan_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn delete(
    conn: &mut PgConnection,
    scope: Scope,
    hidden: impl Iterator<Item = &Hidden>,
) -> Result<()> {
    let (drift_types, digests) = columns(hidden);
    if digests.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "
        delete from ignored_drifts i
         using unnest($4::text[], $5::bytea[]) as gone (drift_type, digest)
         where i.org_id = $1 and i.state_source_id = $2 and i.tool_family = $3
           and i.drift_type = gone.drift_type and i.address_digest = gone.digest
        ",
        scope.org.0,
        scope.source.0,
        scope.family.as_str(),
        &drift_types,
        &digests,
    )
    .execute(conn)
    .await?;
    Ok(())
}
