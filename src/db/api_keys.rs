//! Keys of machines. The key itself never comes here: callers pass its HMAC.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{ApiKeyId, OrgId, UserId};
use evidence::org::Scope;
use evidence::time::{Time, stamp};
use sqlx::postgres::PgConnection;

use crate::column::Count;
use crate::{Cause, Error, Page, Result, Slice, chain};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub org_id: OrgId,
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Scopes,
    pub created_by: UserId,
    pub created_at: Time,
    /// From then on it opens nothing; `None`: it ends only by being revoked.
    pub expires_at: Option<Time>,
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
    /// HMAC-SHA-256 of the key under the pepper in force.
    pub key_hmac: [u8; 32],
    /// At least one.
    pub scopes: &'a [Scope],
    pub created_by: UserId,
    /// Later than now; `None`: it ends only by being revoked.
    pub expires_at: Option<Time>,
}

/// As what a key may be stored.
#[derive(Clone, Copy)]
pub struct Hmacs {
    /// Under the pepper in force.
    pub in_force: [u8; 32],
    /// Under the other one, while peppers are exchanged.
    pub accepted: Option<[u8; 32]>,
}

pub async fn create(
    conn: &mut PgConnection,
    org: OrgId,
    draft: Draft<'_>,
    cause: &Cause,
) -> Result<ApiKey> {
    check(&draft, cause.now)?;
    let scopes: Vec<String> = draft.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let key = sqlx::query_as!(
        ApiKey,
        "
        insert into api_keys
               (org_id, id, name, key_hmac, scopes, created_by, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        returning org_id, id, name, scopes, created_by, created_at, expires_at, revoked_at,
               last_used_at
        ",
        org.0,
        cause.id(),
        draft.name,
        draft.key_hmac.as_slice(),
        &scopes,
        draft.created_by.0,
        cause.now,
        draft.expires_at,
    )
    .fetch_one(&mut *conn)
    .await?;
    let detail = [
        ("api_key_id", key.id.to_string().into()),
        ("scopes", scopes.into()),
        ("expires_at", key.expires_at.map(stamp).into()),
    ];
    chain::append(conn, ChainId::Org(org), cause.draft(Action::ApiKeyCreated, detail)).await?;
    Ok(key)
}

/// The keys of the organisation, newest first, revoked ones too.
pub async fn list(conn: &mut PgConnection, org: OrgId) -> Result<Vec<ApiKey>> {
    Ok(page(conn, org, Slice::WHOLE).await?.rows)
}

/// A part of the keys of the organisation, in the same order.
pub async fn page(conn: &mut PgConnection, org: OrgId, slice: Slice) -> Result<Page<ApiKey>> {
    let rows = sqlx::query_as!(
        ApiKey,
        "
        select org_id, id, name, scopes, created_by, created_at, expires_at, revoked_at,
               last_used_at
          from api_keys
         where org_id = $1
         order by created_at desc, id
         limit $2 offset $3
        ",
        org.0,
        i64::from(slice.limit),
        i64::from(slice.offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!: Count" from api_keys where org_id = $1"#,
        org.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Page { rows, total: total.into() })
}

/// The key, be it revoked or not.
pub async fn find(conn: &mut PgConnection, org: OrgId, id: ApiKeyId) -> Result<Option<ApiKey>> {
    Ok(sqlx::query_as!(
        ApiKey,
        "
        select org_id, id, name, scopes, created_by, created_at, expires_at, revoked_at,
               last_used_at
          from api_keys
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?)
}

/// The key with one of these HMACs, unless it is revoked or has expired. Needs a transaction: until its end the row of the
/// key can be seen although the organisation is not known.
///
/// One statement asks for both: between two of them another server could store the key under the one that was asked for first.
pub async fn find_by_hmac(
    conn: &mut PgConnection,
    hmacs: &Hmacs,
    now: Time,
) -> Result<Option<ApiKey>> {
    sqlx::query!(
        "
        select set_config('driftpack.key_hmac', $1, true) as in_force,
               set_config('driftpack.key_hmac_accepted', $2, true) as accepted
        ",
        hex::encode(hmacs.in_force),
        hmacs.accepted.map(hex::encode).unwrap_or_default(),
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(sqlx::query_as!(
        ApiKey,
        "
        select org_id, id, name, scopes, created_by, created_at, expires_at, revoked_at,
               last_used_at
          from api_keys
         where key_hmac in ($1, $2)
           and revoked_at is null and (expires_at is null or expires_at > $3)
        ",
        hmacs.in_force.as_slice(),
        hmacs.accepted.as_ref().map(<[u8; 32]>::as_slice),
        now,
    )
    .fetch_optional(conn)
    .await?)
}

/// Stores a key that lies under the other pepper under the one in force; it stays the same key. Does nothing where it lies there already,
/// be it because another server was faster.
pub async fn restore(
    conn: &mut PgConnection,
    org: OrgId,
    id: ApiKeyId,
    hmacs: &Hmacs,
) -> Result<()> {
    let Some(accepted) = &hmacs.accepted else { return Ok(()) };
    sqlx::query!(
        "update api_keys set key_hmac = $3 where org_id = $1 and id = $2 and key_hmac = $4",
        org.0,
        id.0,
        hmacs.in_force.as_slice(),
        accepted.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
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

fn check(draft: &Draft<'_>, now: Time) -> Result<()> {
    let refuse = |field, fault| Err(Error::Invalid { field, fault });
    let name = draft.name;
    if !(1..=200).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return refuse("name", "must be 1 to 200 characters without control characters");
    }
    let is_repeated = |(n, scope): (usize, &Scope)| draft.scopes[..n].contains(scope);
    if draft.scopes.is_empty() || draft.scopes.iter().enumerate().any(is_repeated) {
        return refuse("scopes", "must name `read`, `write` or both, each once");
    }
    if draft.expires_at.is_some_and(|at| at <= now) {
        return refuse("expires_at", "must lie in the future");
    }
    Ok(())
}
