//! Keys of machines. The key itself never comes here: callers pass its HMAC.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{ApiKeyId, OrgId, UserId};
use evidence::org::Scope;
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::{Cause, Result, chain};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub org_id: OrgId,
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Scopes,
    pub created_by: UserId,
    pub created_at: Time,
    pub revoked_at: Option<Time>,
    /// To the minute.
    pub last_used_at: Option<Time>,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(pub Vec<Scope>);

impl Scopes {
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

/// The column holds known words only, by constraint; one that this version does not know grants
/// nothing.
impl From<Vec<String>> for Scopes {
    fn from(words: Vec<String>) -> Self {
        Self(words.iter().filter_map(|word| word.parse().ok()).collect())
    }
}

/// A key to be stored.
#[derive(Clone)]
pub struct Draft<'a> {
    pub name: &'a str,
    /// HMAC-SHA-256 of the key under the configured pepper.
    pub key_hmac: [u8; 32],
    /// At least one.
    pub scopes: &'a [Scope],
    pub created_by: UserId,
}

pub async fn create(
    conn: &mut PgConnection,
    org: OrgId,
    draft: Draft<'_>,
    cause: &Cause,
) -> Result<ApiKey> {
    let scopes: Vec<String> = draft.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let key = sqlx::query_as!(
        ApiKey,
        "
        insert into api_keys (org_id, id, name, key_hmac, scopes, created_by, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        returning org_id, id, name, scopes, created_by, created_at, revoked_at, last_used_at
        ",
        org.0,
        cause.id(),
        draft.name,
        draft.key_hmac.as_slice(),
        &scopes,
        draft.created_by.0,
        cause.now,
    )
    .fetch_one(&mut *conn)
    .await?;
    let detail = [("api_key_id", key.id.to_string().into()), ("scopes", scopes.into())];
    chain::append(conn, ChainId::Org(org), cause.draft(Action::ApiKeyCreated, detail)).await?;
    Ok(key)
}

/// The keys of the organisation, newest first, revoked ones too.
pub async fn list(conn: &mut PgConnection, org: OrgId) -> Result<Vec<ApiKey>> {
    Ok(sqlx::query_as!(
        ApiKey,
        "
        select org_id, id, name, scopes, created_by, created_at, revoked_at, last_used_at
          from api_keys
         where org_id = $1
         order by created_at desc, id
        ",
        org.0,
    )
    .fetch_all(conn)
    .await?)
}

/// The key with this HMAC, unless it is revoked. Needs a transaction: until its end the row of the
/// key can be seen although the organisation is not known.
pub async fn find_by_hmac(conn: &mut PgConnection, key_hmac: &[u8; 32]) -> Result<Option<ApiKey>> {
    sqlx::query!("select set_config('driftpack.key_hmac', $1, true)", hex::encode(key_hmac))
        .fetch_one(&mut *conn)
        .await?;
    Ok(sqlx::query_as!(
        ApiKey,
        "
        select org_id, id, name, scopes, created_by, created_at, revoked_at, last_used_at
          from api_keys
         where key_hmac = $1 and revoked_at is null
        ",
        key_hmac.as_slice(),
    )
    .fetch_optional(conn)
    .await?)
}

/// Ends the key for good; whether it was still good.
pub async fn revoke(
    conn: &mut PgConnection,
    org: OrgId,
    id: ApiKeyId,
    cause: &Cause,
) -> Result<bool> {
    let revoked = sqlx::query!(
        "
        update api_keys set revoked_at = $3
         where org_id = $1 and id = $2 and revoked_at is null
        ",
        org.0,
        id.0,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    if revoked.rows_affected() == 0 {
        return Ok(false);
    }
    let detail = [("api_key_id", id.to_string().into())];
    chain::append(conn, ChainId::Org(org), cause.draft(Action::ApiKeyRevoked, detail)).await?;
    Ok(true)
}

/// Notes that the key was used; at most one write a minute.
pub async fn touch(conn: &mut PgConnection, org: OrgId, id: ApiKeyId, now: Time) -> Result<()> {
    sqlx::query!(
        "
        update api_keys set last_used_at = $3
         where org_id = $1 and id = $2
           and (last_used_at is null or last_used_at <= $3::timestamptz - interval '1 minute')
        ",
        org.0,
        id.0,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
