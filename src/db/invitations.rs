//! Invitations: who is to become a member once their identity provider says that an address is theirs.
//!
//! Invariants
//! - An invitation stands for what its giver may give: it is withdrawn when they lose the right to.
//! - It is accepted once, by whoever first signs in with its address as a verified one, and never lowers or raises who is a
//!   member already.
//! - Addresses are compared with their ASCII letters in lower case and otherwise byte by byte: what merely looks alike is
//!   somebody else. They are not in the audit chain, which can be erased from nowhere.
//!
//! Not here: whether an address is verified, which a token says.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{InvitationId, OrgId, UserId};
use evidence::org::{InvitationStatus, Role};
use evidence::time::Time;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::column::{Count, Word};
use crate::members::authority::{Roles, may_give};
use crate::{Cause, Error, Page, Result, Slice, chain, members};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub status: InvitationStatus,
    pub invited_by: UserId,
    pub created_at: Time,
    pub expires_at: Time,
    /// When it was accepted or revoked, or had expired.
    pub ended_at: Option<Time>,
    /// Id of the user.
    pub accepted_by: Option<Uuid>,
}

/// An invitation to be given.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    pub email: &'a str,
    pub role: Role,
    pub expires_at: Time,
}

/// An address as addresses are compared. Letters beyond ASCII stay as they are: some of them fold to ASCII ones, and then
/// whoever gets such an address would be taken for somebody else.
pub fn fold(email: &str) -> String {
    email.to_ascii_lowercase()
}

/// Invites an address on behalf of `by`, who must be allowed to give the role.
pub async fn create(
    conn: &mut PgConnection,
    org: OrgId,
    draft: Draft<'_>,
    by: UserId,
    cause: &Cause,
) -> Result<Invitation> {
    check(draft, cause.now)?;
    let email = fold(draft.email);
    Roles::lock(conn, org).await?.require(by, &[draft.role])?;
    if is_member(conn, org, &email).await? {
        return Err(Error::AlreadyMember);
    }
    sqlx::query!(
        "
        update invitations set status = 'expired', ended_at = expires_at
         where org_id = $1 and email = $2 and status = 'pending' and expires_at <= $3
        ",
        org.0,
        email,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    let id = InvitationId(cause.id());
    sqlx::query!(
        "
        insert into invitations (org_id, id, email, role, invited_by, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        ",
        org.0,
        id.0,
        email,
        draft.role.as_str(),
        by.0,
        cause.now,
        draft.expires_at,
    )
    .execute(&mut *conn)
    .await
    .map_err(already_invited)?;
    record(conn, org, Action::MemberInvited, (id, draft.role), cause).await?;
    find(conn, org, id, cause.now).await?.ok_or(Error::NotFound("invitation"))
}

/// The invitations of the organisation, newest first, those that have ended too.
pub async fn page(
    conn: &mut PgConnection,
    org: OrgId,
    slice: Slice,
    now: Time,
) -> Result<Page<Invitation>> {
    let rows = sqlx::query_as!(
        Invitation,
        r#"
        select id, email, role as "role: Word<Role>",
               case when status = 'pending' and expires_at <= $2 then 'expired' else status
               end as "status!: Word<InvitationStatus>",
               invited_by, created_at, expires_at,
               case when status = 'pending' and expires_at <= $2 then expires_at else ended_at
               end as ended_at,
               accepted_by
          from invitations
         where org_id = $1
         order by created_at desc, id
         limit $3 offset $4
        "#,
        org.0,
        now,
        i64::from(slice.limit),
        i64::from(slice.offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!: Count" from invitations where org_id = $1"#,
        org.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Page { rows, total: total.into() })
}

/// The invitation as it stands at `now`.
pub async fn find(
    conn: &mut PgConnection,
    org: OrgId,
    id: InvitationId,
    now: Time,
) -> Result<Option<Invitation>> {
    Ok(sqlx::query_as!(
        Invitation,
        r#"
        select id, email, role as "role: Word<Role>",
               case when status = 'pending' and expires_at <= $3 then 'expired' else status
               end as "status!: Word<InvitationStatus>",
               invited_by, created_at, expires_at,
               case when status = 'pending' and expires_at <= $3 then expires_at else ended_at
               end as ended_at,
               accepted_by
          from invitations
         where org_id = $1 and id = $2
        "#,
        org.0,
        id.0,
        now,
    )
    .fetch_optional(conn)
    .await?)
}

/// Takes an invitation back on behalf of `by`, who must be allowed to give its role. One that has ended stays as it is.
pub async fn revoke(
    conn: &mut PgConnection,
    org: OrgId,
    id: InvitationId,
    by: UserId,
    cause: &Cause,
) -> Result<()> {
    let roles = Roles::lock(conn, org).await?;
    let found = find(conn, org, id, cause.now).await?.ok_or(Error::NotFound("invitation"))?;
    roles.require(by, &[found.role])?;
    if found.status == InvitationStatus::Pending && end(conn, org, id, None, cause.now).await? {
        record(conn, org, Action::MemberInvitationRevoked, (id, found.role), cause).await?;
    }
    Ok(())
}

/// Whether somebody has invited the address, in whatever organisation.
pub(crate) async fn is_invited(conn: &mut PgConnection, email: &str, now: Time) -> Result<bool> {
    let asked = sqlx::query_scalar!(r#"select driftpack_is_invited($1, $2) as "is!""#, email, now);
    Ok(asked.fetch_one(conn).await?)
}

/// Where the address is invited. Needs a transaction: until its end the invitations can be seen.
pub(crate) async fn of_address(
    conn: &mut PgConnection,
    email: &str,
    now: Time,
) -> Result<Vec<(OrgId, InvitationId)>> {
    is_invited(conn, email, now).await?;
    let rows = sqlx::query!(
        "
        select org_id, id from invitations
         where email = $1 and status = 'pending' and expires_at > $2
         order by org_id
        ",
        email,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (OrgId(row.org_id), InvitationId(row.id))).collect())
}

/// Makes the person a member by an invitation, unless it has ended meanwhile. The transaction works for the organisation.
pub(crate) async fn accept(
    conn: &mut PgConnection,
    org: OrgId,
    id: InvitationId,
    user: UserId,
    cause: &Cause,
) -> Result<()> {
    let roles = Roles::lock(conn, org).await?;
    let Some(invitation) = find(conn, org, id, cause.now).await? else { return Ok(()) };
    let is_open = invitation.status == InvitationStatus::Pending;
    if !is_open || !end(conn, org, id, Some(user), cause.now).await? {
        return Ok(());
    }
    let detail = [
        ("invitation_id", id.to_string().into()),
        ("role", invitation.role.as_str().into()),
        ("user_id", user.to_string().into()),
    ];
    let draft = cause.draft(Action::MemberInvitationAccepted, detail);
    chain::append(conn, ChainId::Org(org), draft).await?;
    if roles.of(user).is_none() {
        members::set_role(conn, org, user, invitation.role, cause).await?;
    }
    Ok(())
}

/// Takes back what the person has invited and may not give any more, now that they are to have the role `left`.
pub(crate) async fn withdraw(
    conn: &mut PgConnection,
    org: OrgId,
    giver: UserId,
    left: Option<Role>,
    cause: &Cause,
) -> Result<()> {
    let rows = sqlx::query!(
        r#"
        select id, role as "role: Word<Role>" from invitations
         where org_id = $1 and invited_by = $2 and status = 'pending' and expires_at > $3
         order by id
        "#,
        org.0,
        giver.0,
        cause.now,
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in rows {
        let role: Role = row.role.into();
        let stands = left.is_some_and(|left| may_give(left, role));
        let id = InvitationId(row.id);
        if !stands && end(conn, org, id, None, cause.now).await? {
            record(conn, org, Action::MemberInvitationRevoked, (id, role), cause).await?;
        }
    }
    Ok(())
}

/// Ends a pending invitation: accepted by somebody, or revoked. Whether it was pending.
async fn end(
    conn: &mut PgConnection,
    org: OrgId,
    id: InvitationId,
    accepted_by: Option<UserId>,
    now: Time,
) -> Result<bool> {
    let status = match accepted_by {
        Some(_) => InvitationStatus::Accepted,
        None => InvitationStatus::Revoked,
    };
    let ended = sqlx::query!(
        "
        update invitations set status = $3, ended_at = $4, accepted_by = $5
         where org_id = $1 and id = $2 and status = 'pending'
        ",
        org.0,
        id.0,
        status.as_str(),
        now,
        accepted_by.map(|user| user.0),
    )
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() > 0)
}

async fn record(
    conn: &mut PgConnection,
    org: OrgId,
    action: Action,
    (id, role): (InvitationId, Role),
    cause: &Cause,
) -> Result<()> {
    let detail = [("invitation_id", id.to_string().into()), ("role", role.as_str().into())];
    chain::append(conn, ChainId::Org(org), cause.draft(action, detail)).await?;
    Ok(())
}

async fn is_member(conn: &mut PgConnection, org: OrgId, email: &str) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"
        select exists (
          select from memberships m
            join users u on u.id = m.user_id
           where m.org_id = $1 and translate(u.email, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') = $2
        ) as "exists!"
        "#,
        org.0,
        email,
    );
    Ok(found.fetch_one(conn).await?)
}

/// RFC 5321 as far as it matters here: something before and after one `@`, nothing that cannot be seen.
fn check(draft: Draft<'_>, now: Time) -> Result<()> {
    let refuse = |field, fault| Err(Error::Invalid { field, fault });
    let email = draft.email;
    let is_plain = !email.chars().any(|c| c.is_control() || c.is_whitespace());
    let is_address = match email.split_once('@') {
        Some((local, domain)) => !local.is_empty() && !domain.is_empty() && !domain.contains('@'),
        None => false,
    };
    if email.len() > 254 || !is_plain || !is_address {
        return refuse("email", "must be an address such as jo@example.com, of at most 254 bytes");
    }
    if draft.expires_at <= now {
        return refuse("expires_at", "must lie in the future");
    }
    Ok(())
}

fn already_invited(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(refused)
            if refused.constraint() == Some("invitations_pending_key") =>
        {
            Error::AlreadyInvited
        }
        _ => error.into(),
    }
}
