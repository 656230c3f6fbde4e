//! The audit log: appending to it, verifying it, reading it.
//!
//! Invariants
//! - An entry is appended in the transaction of the change it records, under a lock on the chain's
//!   head row that is held until that transaction ends: append last. Where many do so at once it ends by
//!   [`crate::commit::sharing_flush`].
//! - The time of an entry is taken under that lock, so time never goes back along a chain.
//! - Nothing is ever changed or removed.
//!
//! What an entry says and how it is hashed is `evidence::chain`'s work.

mod deeds;
mod read;
mod verify;

use evidence::action::{Action, Outcome};
use evidence::chain::{ChainId, Draft, Error as Refused, Frame, Hash, Sealed, seal};
use evidence::ids::{self, OrgId};
use evidence::time::Time;
use serde_json::Map;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

pub use deeds::Done;
pub use read::{Entry, Filter, attested, find, list};
pub use verify::{At, Options, Verification, Verified, verify};

use crate::{Error, Result, scope};

/// The newest entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// 0 before the first entry.
    pub seq: i64,
    pub hash: Option<Hash>,
    pub created_at: Time,
}

/// Adds an entry. On an organisation's chain the transaction must work for that organisation.
///
/// [`Error::NoChain`]: the head is not there. [`Error::BrokenChain`]: somebody changed the head or the
/// entries, so that no entry fits; the transaction can only be rolled back then.
pub async fn append(conn: &mut PgConnection, chain: ChainId, draft: Draft) -> Result<Sealed> {
    match chain {
        ChainId::Org(_) => append_here(conn, chain, draft).await,
        ChainId::Platform => {
            let before = scope::current(conn).await?;
            scope::scope_platform(conn).await?;
            let sealed = append_to_platform(conn, draft).await?;
            scope::restore(conn, before).await?;
            Ok(sealed)
        }
    }
}

/// The head of a chain, as it is now; `None` when the chain is not there. [`Error::BrokenChain`]: what
/// stands there is no head.
pub async fn head(conn: &mut PgConnection, chain: ChainId) -> Result<Option<Head>> {
    let row = sqlx::query!(
        r#"
        select seq, hash,
               -- Somebody may have written what a program cannot hold, 'infinity' for one.
               case when created_at between '0001-01-01' and '9999-12-31' then created_at
                    else 'epoch'
               end as "created_at!"
          from audit_chain_heads
         where chain = $1
        "#,
        chain.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let hash = row.hash.map(Hash::try_from).transpose();
        let hash = hash.map_err(|_| Error::BrokenChain(chain))?;
        Ok(Head { seq: row.seq, hash, created_at: row.created_at })
    })
    .transpose()
}

/// Makes the chain of an organisation, without entries.
pub(crate) async fn create(conn: &mut PgConnection, org: OrgId) -> Result<()> {
    make_head(conn, org.0).await
}

async fn append_to_platform(conn: &mut PgConnection, draft: Draft) -> Result<Sealed> {
    make_head(conn, Uuid::nil()).await?;
    let head = lock(conn, ChainId::Platform).await?;
    if head.seq == 0 {
        let genesis = Draft {
            id: ids::v7(head.created_at, rand::random()),
            actor: draft.actor.clone(),
            action: Action::PlatformCreated,
            detail: Map::new(),
            origin: draft.origin.clone(),
            outcome: Outcome::Success,
        };
        append_here(conn, ChainId::Platform, genesis).await?;
    }
    append_here(conn, ChainId::Platform, draft).await
}

async fn make_head(conn: &mut PgConnection, chain: Uuid) -> Result<()> {
    sqlx::query!(
        "insert into audit_chain_heads (chain, seq, hash, created_at)
         values ($1, 0, null, 'epoch')
         on conflict do nothing",
        chain,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn append_here(conn: &mut PgConnection, chain: ChainId, draft: Draft) -> Result<Sealed> {
    let frame = Frame::of(&draft, chain)?;
    let place = sqlx::query!(
        r#"
        select seq as "seq!", created_at as "created_at!", prev_hash, hash as "hash!"
          from driftpack_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         where seq is not null
        "#,
        chain.as_uuid(),
        draft.id,
        draft.action.as_str(),
        draft.actor.kind.as_str(),
        draft.actor.id,
        frame.detail,
        draft.origin,
        draft.outcome.as_str(),
        frame.before_time,
        frame.before_link,
    )
    .fetch_optional(conn)
    .await
    .map_err(|error| broken(error, chain))?
    .ok_or(Error::NoChain(chain))?;
    let link = place.prev_hash.map(Hash::try_from).transpose();
    let link = link.map_err(|_| Error::BrokenChain(chain))?;
    let sealed =
        seal(draft, chain, place.seq, place.created_at, link).map_err(|error| match error {
            // Chains are begun here only; a genesis elsewhere, or none at the start, is a head that lies.
            Refused::Sequence { .. } | Refused::Genesis { .. } => Error::BrokenChain(chain),
            error => error.into(),
        })?;
    // What the database has written is what we would have: two programs have hashed it.
    if sealed.hash[..] != place.hash {
        return Err(Error::BrokenChain(chain));
    }
    Ok(sealed)
}

/// An entry that the head called for does not fit the entries or the head itself.
fn broken(error: sqlx::Error, chain: ChainId) -> Error {
    let Some(said) = error.as_database_error() else { return error.into() };
    match said.constraint() {
        Some("admin_audit_log_id_key") => error.into(),
        Some(_) => Error::BrokenChain(chain),
        None if said.code().as_deref() == Some(OUT_OF_RANGE) => Error::BrokenChain(chain),
        None => error.into(),
    }
}

/// SQLSTATE `numeric_value_out_of_range`: there is no number after the head's.
const OUT_OF_RANGE: &str = "22003";

/// Locks the head until the transaction ends; `created_at` is the time for the next entry, taken when the lock is held.
async fn lock(conn: &mut PgConnection, chain: ChainId) -> Result<Head> {
    let row = sqlx::query!(
        r#"
        with head as materialized (
          select seq, hash, created_at from audit_chain_heads where chain = $1 for update
        )
        select seq as "seq!", hash,
               greatest(clock_timestamp(), created_at) as "created_at!"
          from head
        "#,
        chain.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .ok_or(Error::NoChain(chain))?;
    let hash = row.hash.map(Hash::try_from).transpose().map_err(|_| Error::BrokenChain(chain))?;
    Ok(Head { seq: row.seq, hash, created_at: row.created_at })
}
