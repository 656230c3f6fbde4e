//! Reading the audit log.

use evidence::chain::{ChainId, Hash};
use evidence::ids::{ExportId, OrgId};
use evidence::time::Time;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::Result;
use crate::column::Digest;

/// One entry, as people see it. The columns say what the canonical text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub seq: i64,
    pub id: Uuid,
    pub action: String,
    pub actor_type: String,
    pub actor_id: String,
    pub created_at: Time,
    /// RFC 8785 JSON.
    pub detail: String,
    pub origin: String,
    pub outcome: String,
    pub prev_hash: Option<Vec<u8>>,
    pub hash: Vec<u8>,
    pub canonical: String,
}

/// Which entries; absent: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub after_seq: i64,
    pub limit: u32,
    pub action: Option<String>,
    /// Inclusive.
    pub from: Option<Time>,
    /// Exclusive.
    pub to: Option<Time>,
}

/// Entries in order of seq.
pub async fn list(conn: &mut PgConnection, chain: ChainId, filter: &Filter) -> Result<Vec<Entry>> {
    Ok(sqlx::query_as!(
        Entry,
        "
        select seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome,
               prev_hash, hash, canonical
          from admin_audit_log
         where chain = $1
           and seq > $2
           and ($3::text is null or action = $3)
           and ($4::timestamptz is null or created_at >= $4)
           and ($5::timestamptz is null or created_at < $5)
         order by seq
         limit $6
        ",
        chain.as_uuid(),
        filter.after_seq,
        filter.action,
        filter.from,
        filter.to,
        i64::from(filter.limit),
    )
    .fetch_all(conn)
    .await?)
}

/// The entry at `seq`.
pub async fn find(conn: &mut PgConnection, chain: ChainId, seq: i64) -> Result<Option<Entry>> {
    Ok(sqlx::query_as!(
        Entry,
        "
        select seq, id, action, actor_type, actor_id, created_at, detail, origin, outcome,
               prev_hash, hash, canonical
          from admin_audit_log
         where chain = $1 and seq = $2
        ",
        chain.as_uuid(),
        seq,
    )
    .fetch_optional(conn)
    .await?)
}

/// A position of a chain that a pack has attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    pub export: ExportId,
    pub seq: i64,
    pub hash: Hash,
}

/// The heads that packs have attested, oldest first: each must still lie on the chain. Packs that are
/// being built are among them from their snapshot on, so that of any two one knows of the other.
pub async fn attested(conn: &mut PgConnection, org: OrgId) -> Result<Vec<Attested>> {
    Ok(sqlx::query_as!(
        Attested,
        r#"
        select id as export, attested_seq as "seq!", attested_hash as "hash!: Digest"
          from audit_exports
         where org_id = $1 and attested_seq is not null
           and (status in ('running', 'done', 'expired')
                or status = 'deleted' and object_key is not null)
         order by attested_seq, id
        "#,
        org.0,
    )
    .fetch_all(conn)
    .await?)
}
