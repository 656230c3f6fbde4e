//! People, as their OIDC issuer names them.

use evidence::action::Actor;
use evidence::ids::{self, OrgId, UserId};
use evidence::time::Time;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::{Cause, Error, Result, invitations, scope};

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
    /// Only an address that is known to be theirs: the issuer has verified it, or gives it itself.
    pub email: Option<&'a str>,
}

/// Somebody who has signed in.
#[derive(Debug)]
pub struct Login {
    pub user: User,
    /// Organisations whose invitation waits for them and could not be accepted, and why. That of one must not keep a person
    /// out of all others.
    pub refused: Vec<(OrgId, Error)>,
}

/// How long a profile that is unchanged is not written again: most requests only read.
const SEEN_AGAIN: chrono::Duration = chrono::Duration::hours(1);

/// The user who shows this profile in the request `origin`, made on first sight; invitations of their verified address are
/// accepted. The one place where a sign-in becomes a user, whatever shows the profile.
///
/// Each organisation's invitation is a transaction of its own: what is left over when the process dies is accepted with the
/// next request.
pub async fn log_in(
    conn: &mut PgConnection,
    profile: Profile<'_>,
    origin: &str,
    now: Time,
) -> Result<Login> {
    let user = upsert(conn, profile, now).await?;
    let mut refused = Vec::new();
    let Some(email) = profile.email.map(invitations::fold) else {
        return Ok(Login { user, refused });
    };
    if !invitations::is_invited(conn, &email, now).await? {
        return Ok(Login { user, refused });
    }
    let cause = Cause::new(Actor::user(user.id), origin, now);
    let mut tx = conn.begin().await?;
    let invited = invitations::of_address(&mut tx, &email, now).await?;
    tx.rollback().await?;
    for (org, invitation) in invited {
        let mut tx = conn.begin().await?;
        scope(&mut tx, org).await?;
        match invitations::accept(&mut tx, org, invitation, user.id, &cause).await {
            Ok(()) => tx.commit().await?,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => refused.push((org, error)),
        }
    }
    Ok(Login { user, refused })
}

/// The user with this issuer and subject, made on first sight. The address follows the token; one that
/// names none (an access token may not) leaves it as it is.
pub async fn upsert(conn: &mut PgConnection, profile: Profile<'_>, now: Time) -> Result<User> {
    if let Some((known, seen_at)) = seen(conn, profile).await?
        && (profile.email.is_none() || known.email.as_deref() == profile.email)
        && now - seen_at < SEEN_AGAIN
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

/// What the issuer calls a person; `None`: it says nothing. Written only when it has changed.
pub async fn set_name(conn: &mut PgConnection, id: UserId, name: Option<&str>) -> Result<()> {
    sqlx::query!(
        "update users set name = $2 where id = $1 and name is distinct from $2",
        id.0,
        name
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What the issuer called a person at their latest sign-in with a browser.
pub async fn find_name(conn: &mut PgConnection, id: UserId) -> Result<Option<String>> {
    let name = sqlx::query_scalar!("select name from users where id = $1", id.0);
    Ok(name.fetch_optional(conn).await?.flatten())
}

/// The user, and when their profile was last taken from a token.
async fn seen(conn: &mut PgConnection, profile: Profile<'_>) -> Result<Option<(User, Time)>> {
    let row = sqlx::query!(
        "
        select id, iss, sub, email, is_platform_admin, created_at, seen_at
          from users
         where iss = $1 and sub = $2
        ",
        profile.iss,
        profile.sub,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| {
        let user = User {
            id: row.id.into(),
            iss: row.iss,
            sub: row.sub,
            email: row.email,
            is_platform_admin: row.is_platform_admin,
            created_at: row.created_at,
        };
        (user, row.seen_at)
    }))
}
