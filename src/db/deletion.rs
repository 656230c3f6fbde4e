//! Deletion of an organisation: from the moment that nobody gets in any more to the seal of its audit chain.
//!
//! Invariants
//! - Only the owner of the tables begins a deletion ([`begin`]); the server's role goes on with it, and can remove no row of an
//!   organisation that lives.
//! - What stays is the row of the directory, without a name of its own, and the audit chain with what is known of its checks.
//! - The seal is the last thing: an entry, after which the database takes none, written when no other row is left.
//! - Each call may be repeated.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{ExportId, OrgId};
use evidence::time::Time;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::{Cause, Error, OrgTx, Result, chain, scope};

/// An organisation as the directory knows it, whether it lives or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub id: OrgId,
    pub slug: String,
    pub deleted_at: Option<Time>,
}

/// A pack of the organisation, and the run that builds or has built it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pack {
    pub export: ExportId,
    pub run: Uuid,
}

/// What went, for the seal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    pub packs: u64,
    pub rows: u64,
}

/// The organisation with this slug, deleted ones among them.
pub async fn find(conn: &mut PgConnection, slug: &str) -> Result<Option<Known>> {
    Ok(sqlx::query_as!(Known, "select id, slug, deleted_at from orgs where slug = $1", slug)
        .fetch_optional(conn)
        .await?)
}

/// Since when the audit chain is sealed; `None`: it takes entries.
pub async fn sealed_at(tx: &mut OrgTx) -> Result<Option<Time>> {
    let sealed = sqlx::query_scalar!(
        "select sealed_at from audit_chain_heads where chain = $1",
        tx.org().0,
    );
    Ok(sealed.fetch_optional(&mut **tx).await?.flatten())
}

/// Says that the organisation is deleted: keys, memberships and invitations end with this transaction, which must be the table
/// owner's. Whether it was not said before. From here on the transaction works for the organisation.
pub async fn begin(conn: &mut PgConnection, org: OrgId, cause: &Cause) -> Result<bool> {
    scope(conn, org).await?;
    let row = sqlx::query!(
        "
        update orgs set deleted_at = $2 where id = $1 and deleted_at is null
        returning slug
        ",
        org.0,
        cause.now,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let keys = sqlx::query!(
        "update api_keys set revoked_at = $2 where org_id = $1 and revoked_at is null",
        org.0,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    let members = sqlx::query!("delete from memberships where org_id = $1", org.0)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "
        update invitations set status = 'revoked', ended_at = $2
         where org_id = $1 and status = 'pending'
        ",
        org.0,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    let (slug, id) = (row.slug, org.to_string());
    let (keys, members) = (keys.rows_affected(), members.rows_affected());
    let action = Action::OrgDeletionStarted;
    let detail = [("api_keys_revoked", keys.into()), ("members_removed", members.into())];
    chain::append(conn, ChainId::Org(org), cause.draft(action, detail)).await?;
    let detail = [("org_id", id.into()), ("slug", slug.into())];
    chain::append(conn, ChainId::Platform, cause.draft(action, detail)).await?;
    Ok(true)
}

/// The next packs after `after`, in the order of their ids.
pub async fn packs(
    conn: &mut PgConnection,
    org: OrgId,
    after: Option<ExportId>,
    limit: u32,
) -> Result<Vec<Pack>> {
    let rows = sqlx::query!(
        "
        select id, workflow_run_id from audit_exports
         where org_id = $1 and ($2::uuid is null or id > $2)
         order by id
         limit $3
        ",
        org.0,
        after.map(|export| export.0),
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    let pack = |id, run| Pack { export: ExportId(id), run };
    Ok(rows.into_iter().map(|row| pack(row.id, row.workflow_run_id)).collect())
}

/// Removes some rows, at most `size`; 0: none is left.
pub async fn remove_rows(tx: &mut OrgTx, size: u32) -> Result<u64> {
    let removed = sqlx::query_scalar!(
        r#"select driftpack_remove_org_rows($1) as "removed!""#,
        i32::try_from(size).unwrap_or(i32::MAX),
    );
    Ok(removed.fetch_one(&mut **tx).await?.unsigned_abs())
}

/// The last entry, after which the chain takes none. Whether it was not sealed before.
///
/// Whoever was still at work for the organisation and has not committed by now fails: every change ends with an entry.
pub async fn seal(tx: &mut OrgTx, gone: Gone, cause: &Cause) -> Result<bool> {
    let org = tx.org();
    let locked =
        sqlx::query!("select sealed_at from audit_chain_heads where chain = $1 for update", org.0,);
    let head = locked.fetch_optional(&mut **tx).await?;
    let head = head.ok_or(Error::NoChain(ChainId::Org(org)))?;
    if head.sealed_at.is_some() {
        return Ok(false);
    }
    let mut rows = gone.rows;
    // What came in between; nothing more can.
    loop {
        match remove_rows(tx, 1_000).await? {
            0 => break,
            more => rows += more,
        }
    }
    let detail = [("packs", gone.packs.into()), ("rows", rows.into())];
    let entry = cause.draft(Action::OrgDeleted, detail);
    chain::append(tx, ChainId::Org(org), entry).await?;
    sqlx::query!("update audit_chain_heads set sealed_at = $2 where chain = $1", org.0, cause.now)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("update orgs set name = slug where id = $1", org.0).execute(&mut **tx).await?;
    let detail = [("org_id", org.to_string().into()), ("rows", rows.into())];
    let entry = cause.draft(Action::OrgDeleted, detail);
    chain::append(tx, ChainId::Platform, entry).await?;
    Ok(true)
}
