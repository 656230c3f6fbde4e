//! Who may do what in which organisation.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{OrgId, UserId};
use evidence::org::{Plan, Role};
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::column::Word;
use crate::{Cause, Error, Result, chain};

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
    Ok(sqlx::query_as!(
        Member,
        r#"
        select m.user_id, u.email, m.role as "role: Word<Role>", m.created_at
          from memberships m
          join users u on u.id = m.user_id
         where m.org_id = $1
         order by array_position(array['owner', 'admin', 'member', 'viewer'], m.role), m.user_id
        "#,
        org.0,
    )
    .fetch_all(conn)
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
         where m.user_id = $1
         order by o.slug
        "#,
        user.0,
    )
    .fetch_all(conn)
    .await?)
}

/// Adds the person with this role, or changes the role. The same role again changes and records
/// nothing. The last owner stays owner.
pub async fn set_role(
    conn: &mut PgConnection,
    org: OrgId,
    user: UserId,
    role: Role,
    cause: &Cause,
) -> Result<()> {
    let before = lock(conn, org, user).await?;
    if before == Some(role) {
        return Ok(());
    }
    if before == Some(Role::Owner) {
        other_owner(conn, org, user).await?;
    }
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
    .execute(&mut *conn)
    .await?;
    let user = user.to_string();
    let draft = match before {
        None => cause
            .draft(Action::MemberAdded, [("user_id", user.into()), ("role", role.as_str().into())]),
        Some(before) => cause.draft(
            Action::MemberRoleChanged,
            [
                ("user_id", user.into()),
                ("from", before.as_str().into()),
                ("to", role.as_str().into()),
            ],
        ),
    };
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(())
}

/// Takes the person out of the organisation; whether they were in it. The last owner stays.
pub async fn remove(
    conn: &mut PgConnection,
    org: OrgId,
    user: UserId,
    cause: &Cause,
) -> Result<bool> {
    let Some(role) = lock(conn, org, user).await? else { return Ok(false) };
    if role == Role::Owner {
        other_owner(conn, org, user).await?;
    }
    sqlx::query!("delete from memberships where org_id = $1 and user_id = $2", org.0, user.0)
        .execute(&mut *conn)
        .await?;
    let detail = [("user_id", user.to_string().into()), ("role", role.as_str().into())];
    chain::append(conn, ChainId::Org(org), cause.draft(Action::MemberRemoved, detail)).await?;
    Ok(true)
}

/// The person's role, with every membership of the organisation locked: two owners who remove each
/// other at once must not leave none.
async fn lock(conn: &mut PgConnection, org: OrgId, user: UserId) -> Result<Option<Role>> {
    let rows = sqlx::query!(
        r#"
        select user_id, role as "role: Word<Role>"
          from memberships
         where org_id = $1
         order by user_id
           for update
        "#,
        org.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().find(|row| row.user_id == user.0).map(|row| row.role.into()))
}

async fn other_owner(conn: &mut PgConnection, org: OrgId, user: UserId) -> Result<()> {
    let others = sqlx::query_scalar!(
        r#"
        select exists (
          select from memberships where org_id = $1 and user_id <> $2 and role = 'owner'
        ) as "exists!"
        "#,
        org.0,
        user.0,
    )
    .fetch_one(conn)
    .await?;
    if others { Ok(()) } else { Err(Error::LastOwner) }
}
