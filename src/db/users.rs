//! People, as their OIDC issuer names them.

use evidence::ids::{self, UserId};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub iss: String,
    pub sub: String,
    pub email: Option<String>,
    pub is_platform_admin: bool,
    pub created_at: Time,
}

/// Who a verified token says its bearer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile<'a> {
    pub iss: &'a str,
    pub sub: &'a str,
    pub email: Option<&'a str>,
}

/// How long a profile that is unchanged is not written again: most requests only read.
const SEEN_AGAIN: chrono::Duration = chrono::Duration::hours(1);

/// The user with this issuer and subject, made on first sight. The address follows the token; one that
/// names none (an access token may not) leaves it as it is.
pub async fn upsert(conn: &mut PgConnection, profile: Profile<'_>, now: Time) -> Result<User> {
    if let Some(known) = find_by_subject(conn, profile.iss, profile.sub).await?
        && (profile.email.is_none() || known.email.as_deref() == profile.email)
        && now - seen_at(conn, known.id).await? < SEEN_AGAIN
    {
        return Ok(known);
    }
    Ok(sqlx::query_as!(
        User,
        "
        insert into users (id, iss, sub, email, created_at, seen_at)
        values ($1, $2, $3, $4, $5, $5)
        on conflict on constraint users_iss_sub_key
        do update set email = coalesce(excluded.email, users.email),
                      seen_at = greatest(users.seen_at, excluded.seen_at)
        returning id, iss, sub, email, is_platform_admin, created_at
        ",
        ids::v7(now, rand::random()),
        profile.iss,
        profile.sub,
        profile.email,
        now,
    )
    .fetch_one(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, id: UserId) -> Result<Option<User>> {
    Ok(sqlx::query_as!(
        User,
        "select id, iss, sub, email, is_platform_admin, created_at from users where id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?)
}

pub async fn find_by_subject(
    conn: &mut PgConnection,
    iss: &str,
    sub: &str,
) -> Result<Option<User>> {
    Ok(sqlx::query_as!(
        User,
        "
        select id, iss, sub, email, is_platform_admin, created_at
          from users
         where iss = $1 and sub = $2
        ",
        iss,
        sub,
    )
    .fetch_optional(conn)
    .await?)
}

/// Makes a person an administrator of the platform, or takes it away.
pub async fn set_platform_admin(conn: &mut PgConnection, id: UserId, admin: bool) -> Result<()> {
    let changed =
        sqlx::query!("update users set is_platform_admin = $2 where id = $1", id.0, admin)
            .execute(conn)
            .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("user"));
    }
    Ok(())
}

async fn seen_at(conn: &mut PgConnection, id: UserId) -> Result<Time> {
    Ok(sqlx::query_scalar!("select seen_at from users where id = $1", id.0).fetch_one(conn).await?)
}
