//! Keeping what checks found.

use evidence::chain::{ChainId, Extent, Hash, Status, Verdict};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use super::{Checker, Figures, Found, State, find, lock, scope_chain};
use crate::column::bigint;
use crate::{Error, Result, scope_platform};

/// Keeps the verdict: the check itself, and where the chain stands now. From here on the transaction works for whom the
/// chain belongs to. Kept already for this run: nothing changes.
pub async fn record(
    conn: &mut PgConnection,
    chain: ChainId,
    found: &Found,
    checker: Checker,
) -> Result<State> {
    scope_chain(conn, chain).await?;
    let before = lock(conn, chain).await?;
    if before.checked_by == Some(checker.run) {
        return Ok(before);
    }
    insert(conn, chain, found, checker).await?;
    update(conn, &before, found, checker).await?;
    find(conn, chain).await?.ok_or(Error::NotFound("state of an audit chain"))
}

async fn insert(
    conn: &mut PgConnection,
    chain: ChainId,
    Found { extent, verdict }: &Found,
    checker: Checker,
) -> Result<()> {
    sqlx::query_file!(
        "sql/chain_check_insert.sql",
        chain.as_uuid(),
        checker.now,
        checker.run,
        extent.as_str(),
        verdict.status.as_str(),
        bigint(verdict.checked),
        verdict.verified_from_seq,
        verdict.head_seq,
        verdict.head_hash.as_ref().map(<[u8; 32]>::as_slice),
        verdict.first_bad.map(|bad| bad.seq),
        verdict.first_bad.map(|bad| bad.kind.as_str()),
        verdict.message,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn update(
    conn: &mut PgConnection,
    before: &State,
    Found { extent, verdict }: &Found,
    checker: Checker,
) -> Result<()> {
    let reached = reached(before, verdict);
    let is_other = (before.status, before.first_bad) != (Some(verdict.status), verdict.first_bad);
    // Another fault is another break, and is put on record by itself. What has ended is, too: `announce` sees to both.
    let is_new_break = verdict.status != Status::Ok && is_other;
    sqlx::query_file!(
        "sql/chain_state_update.sql",
        before.chain.as_uuid(),
        verdict.status.as_str(),
        checker.now,
        checker.run,
        *extent == Extent::Full,
        verdict.first_bad.map(|bad| bad.seq),
        verdict.first_bad.map(|bad| bad.kind.as_str()),
        verdict.message,
        reached.map(|(seq, _)| seq),
        reached.as_ref().map(|(_, hash)| hash.as_slice()),
        is_new_break,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The position that the verdict moves the state to; a check that was overtaken by another moves nothing.
fn reached(before: &State, verdict: &Verdict) -> Option<(i64, Hash)> {
    let reached =
        verdict.head_seq.zip(verdict.head_hash).filter(|_| verdict.status == Status::Ok)?;
    let is_further = before.verified.is_none_or(|(seq, _)| seq < reached.0);
    is_further.then_some(reached)
}

/// Keeps that the chain could not be read. From here on the transaction works for whom the chain belongs to.
pub async fn unreadable(conn: &mut PgConnection, chain: ChainId, now: Time) -> Result<()> {
    scope_chain(conn, chain).await?;
    lock(conn, chain).await?;
    sqlx::query!(
        "update audit_chain_states set unreadable_since = coalesce(unreadable_since, $2) where chain = $1",
        chain.as_uuid(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps that every chain had its turn. From here on the transaction works for the platform. Kept already for this run:
/// nothing changes.
pub async fn close_round(
    conn: &mut PgConnection,
    (extent, figures): (Extent, Figures),
    began: Time,
    checker: Checker,
) -> Result<()> {
    scope_platform(conn).await?;
    sqlx::query!(
        "
        insert into audit_chain_rounds
               (run_id, extent, started_at, ended_at, ok, broken, truncated, empty, unreadable)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict do nothing
        ",
        checker.run,
        extent.as_str(),
        began,
        checker.now,
        bigint(figures.ok),
        bigint(figures.broken),
        bigint(figures.truncated),
        bigint(figures.empty),
        bigint(figures.unreadable),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes checks that found nothing wrong and are older than 90 days; how many. From here on the transaction works for
/// whom the chain belongs to.
pub async fn purge(conn: &mut PgConnection, chain: ChainId) -> Result<u64> {
    scope_chain(conn, chain).await?;
    let done = sqlx::query!(
        "
        delete from audit_chain_checks
         where chain = $1 and status = 'ok' and checked_at < now() - interval '90 days'
        ",
        chain.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
