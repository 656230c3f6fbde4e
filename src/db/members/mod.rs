//! Who may do what in which organisation.

pub(crate) mod authority;

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{OrgId, UserId};
use evidence::org::{Plan, Role};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::column::{Count, Word};
use crate::{Cause, Error, Page, Result, Slice, chain, invitations};
use authority::Roles;

/// A person in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user_id: UserId,
    pub email: Option<String>,
    pub role: Role,
    pub created_at: Time,
}

/// An organisation of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub org_id: OrgId,
    pub slug: String,
    pub name: String,
    pub plan: Plan,
    pub role: Role,
}

/// The members of the organisation, the most powerful first.
pub async fn list(conn: &mut PgConnection, org: OrgId) -> Result<Vec<Member>> {
    Ok(page(conn, org, Slice::WHOLE).await?.rows)
}

/// A part of the members of the organisation, in the same order.
pub async fn page(conn: &mut PgConnection, org: OrgId, slice: Slice) -> Result<Page<Member>> {
    let rows = sqlx::query_as!(
        Member,
        r#"
        select m.user_id, u.email, m.role as "role: Word<Role>", m.created_at
          from memberships m
          join users u on u.id = m.user_id
         where m.org_id = $1
         order by array_position(array['owner', 'admin', 'member', 'viewer'], m.role), m.user_id
         limit $2 offset $3
        "#,
        org.0,
        i64::from(slice.limit),
        i64::from(slice.offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!: Count" from memberships where org_id = $1"#,
        org.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Page { rows, total: total.into() })
}

pub async fn find(conn: &mut PgConnection, org: OrgId, user: UserId) -> Result<Option<Member>> {
    Ok(sqlx::query_as!(
        Member,
        r#"
        select m.user_id, u.email, m.role as "role: Word<Role>", m.created_at
          from memberships m
          join users u on u.id = m.user_id
         where m.org_id = $1 and m.user_id = $2
        "#,
        org.0,
        user.0,
    )
    .fetch_optional(conn)
    .await?)
}

/// The person's role in the organisation; `None`: no member.
pub async fn find_role(conn: &mut PgConnection, org: OrgId, user: UserId) -> Result<Option<Role>> {
    let role = sqlx::query_scalar!(
        r#"select role as "role: Word<Role>" from memberships where org_id = $1 and user_id = $2"#,
        org.0,
        user.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(role.map(Role::from))
}

/// The organisations of a person, by slug. Needs a transaction: it lets the rest of it see the
/// person's own memberships, whatever the organisation.
pub async fn of_user(conn: &mut PgConnection, user: UserId) -> Result<Vec<Membership>> {
    sqlx::query!("select set_config('driftpack.user_id', $1, true)", user.to_string())
        .fetch_one(&mut *conn)
        .await?;
    Ok(sqlx::query_as!(
        Membership,
        r#"
        select m.org_id, o.slug, o.name, o.plan as "plan: Word<Plan>", m.role as "role: Word<Role>"
          from memberships m
          join orgs o on o.id = m.org_id
         where m.user_id = $1 and o.deleted_at is null
         order by o.slug
        "#,
        user.0,
    )
    .fetch_all(conn)
    .await?)
}

/// Adds the person with this role, or changes the role, whoever asks for it. The same role again changes and records
/// nothing. The last owner stays owner. Invitations that the person may not give any more are withdrawn.
pub async fn set_role(
    conn: &mut PgConnection,
    org: OrgId,
    user: UserId,
    role: Role,
    cause: &Cause,
) -> Result<()> {
    let roles = Roles::lock(conn, org).await?;
    put(conn, org, (user, roles.of(user), role), &roles, cause).await
}

/// Gives a member another role, on behalf of `by`, who must be allowed to.
pub async fn change_role(
    conn: &mut PgConnection,
    org: OrgId,
    (user, role): (UserId, Role),
    by: UserId,
    cause: &Cause,
) -> Result<Member> {
    let roles = Roles::lock(conn, org).await?;
    let before = roles.of(user).ok_or(Error::NotFound("member"))?;
    roles.require(by, &[before, role])?;
    put(conn, org, (user, Some(before), role), &roles, cause).await?;
    find(conn, org, user).await?.ok_or(Error::NotFound("member"))
}

/// Takes a member out of the organisation, on behalf of `by`, who must be allowed to. The last owner stays. Invitations
/// that the member gave are withdrawn; API keys are the organisation's, and stay.
pub async fn remove(
    conn: &mut PgConnection,
    org: OrgId,
    user: UserId,
    by: UserId,
    cause: &Cause,
) -> Result<()> {
    let roles = Roles::lock(conn, org).await?;
    let role = roles.of(user).ok_or(Error::NotFound("member"))?;
    roles.require(by, &[role])?;
    if role == Role::Owner {
        roles.require_other_owner(user)?;
    }
    take_out(conn, org, (user, role), cause).await
}

/// The same on nobody's behalf, by whoever holds all roles and has seen that an owner is left.
pub(crate) async fn take_out(
    conn: &mut PgConnection,
    org: OrgId,
    (user, role): (UserId, Role),
    cause: &Cause,
) -> Result<()> {
    invitations::withdraw(conn, org, user, None, cause).await?;
    sqlx::query!("delete from memberships where org_id = $1 and user_id = $2", org.0, user.0)
        .execute(&mut *conn)
        .await?;
    let detail = [("user_id", user.to_string().into()), ("role", role.as_str().into())];
    chain::append(conn, ChainId::Org(org), cause.draft(Action::MemberRemoved, detail)).await?;
    Ok(())
}

async fn put(
    conn: &mut PgConnection,
    org: OrgId,
    (user, before, role): (UserId, Option<Role>, Role),
    roles: &Roles,
    cause: &Cause,
) -> Result<()> {
    if before == Some(role) {
        return Ok(());
    }
    if before == Some(Role::Owner) {
        roles.require_other_owner(user)?;
    }
    invitations::withdraw(conn, org, user, Some(role), cause).await?;
    write(conn, org, user, role, cause).await?;
    let id = user.to_string();
    let draft = match before {
        None => cause
            .draft(Action::MemberAdded, [("user_id", id.into()), ("role", role.as_str().into())]),
        Some(before) => cause.draft(
            Action::MemberRoleChanged,
            [
                ("user_id", id.into()),
                ("from", before.as_str().into()),
                ("to", role.as_str().into()),
            ],
        ),
    };
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(())
}

/// The row alone.
async fn write(
    conn: &mut PgConnection,
    org: OrgId,
    user: UserId,
    role: Role,
    cause: &Cause,
) -> Result<()> {
    sqlx::query!(
        "
        insert into memberships (org_id, user_id, role, created_at, updated_at)
        values ($1, $2, $3, $4, $4)
        on conflict on constraint memberships_pkey
        do update set role = excluded.role, updated_at = excluded.updated_at
        ",
        org.0,
        user.0,
        role.as_str(),
        cause.now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
