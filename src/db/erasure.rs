//! Erasure of a person: what names them goes, their id stays.
//!
//! Invariants
//! - The audit chains hold ids of people and nothing else of them, so they verify afterwards as before.
//! - All of it is one transaction: memberships, invitations, sessions, identity, and an entry in the chain of each organisation
//!   that knew the person, and in the platform's.
//! - An organisation that has an owner keeps one.
//!
//! Not here: packs that were built before, and texts that people wrote; both may name whom they like.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{OrgId, UserId};
use evidence::org::Role;
use evidence::time::Time;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgConnection;

use crate::members::authority::Roles;
use crate::{Cause, Error, OrgTx, Result, chain, invitations, members, orgs, scope};

/// Organisations that are looked through at once.
const PART: u32 = 1_000;

/// Whose address it is, and where the address or the person is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// With its ASCII letters in lower case.
    pub email: String,
    /// Those who had this address at their latest sign-in; more than one where there is more than one issuer.
    pub users: Vec<UserId>,
    /// In the order of their ids.
    pub orgs: Vec<OrgId>,
}

impl Trace {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.orgs.is_empty()
    }
}

/// What was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    pub users: u64,
    pub memberships: u64,
    pub invitations: u64,
    /// Organisations whose audit log tells of it.
    pub orgs: u64,
}

/// Finds who has the address, and every organisation that knows them or it.
pub async fn trace(pool: &PgPool, email: &str) -> Result<Trace> {
    let email = invitations::fold(email);
    let mut conn = pool.acquire().await?;
    let users = sqlx::query_scalar!(
        "
        select id from users
         where translate(email, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') = $1
         order by id
        ",
        email,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut trace =
        Trace { email, users: users.into_iter().map(UserId).collect(), orgs: Vec::new() };
    let mut after = None;
    loop {
        let ids = orgs::ids_after(&mut conn, after, PART).await?;
        for org in &ids {
            if knows(pool, *org, &trace).await? {
                trace.orgs.push(*org);
            }
        }
        after = ids.last().copied();
        if ids.len() < PART as usize {
            return Ok(trace);
        }
    }
}

async fn knows(pool: &PgPool, org: OrgId, trace: &Trace) -> Result<bool> {
    let mut tx = OrgTx::begin(pool, org).await?;
    let known = sqlx::query_scalar!(
        r#"
        select exists (select from memberships where org_id = $1 and user_id = any($2))
            or exists (select from invitations where org_id = $1
                          and (email = $3 or accepted_by = any($2) and email not like 'erased-%@invalid'))
            or exists (select from idempotency_keys where org_id = $1 and strpos(lower(body), $3) > 0)
               as "known!"
        "#,
        org.0,
        &ids(&trace.users),
        trace.email,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.rollback().await?;
    Ok(known)
}

/// Erases what was found. [`Error::LastOwner`]: somebody else must become owner first; nothing is erased then.
///
/// The transaction ends soon: the audit chains of all these organisations are locked when this returns.
pub async fn erase(conn: &mut PgConnection, trace: &Trace, cause: &Cause) -> Result<Erased> {
    let mut erased = Erased::default();
    for org in &trace.orgs {
        scope(conn, *org).await?;
        let (memberships, invitations) = from_org(conn, *org, trace, cause).await?;
        erased.memberships += memberships;
        erased.invitations += invitations;
        erased.orgs += 1;
    }
    sqlx::query!(
        "delete from platform_idempotency_keys where strpos(lower(body), $1) > 0",
        trace.email
    )
    .execute(&mut *conn)
    .await?;
    for user in &trace.users {
        if person(conn, *user, cause.now).await? {
            erased.users += 1;
        }
    }
    let detail = [
        ("user_ids", users(trace)),
        ("orgs", erased.orgs.into()),
        ("invitations", erased.invitations.into()),
    ];
    chain::append(conn, ChainId::Platform, cause.draft(Action::MemberErased, detail)).await?;
    Ok(erased)
}

/// Memberships and invitations of one organisation, which the transaction works for.
async fn from_org(
    conn: &mut PgConnection,
    org: OrgId,
    trace: &Trace,
    cause: &Cause,
) -> Result<(u64, u64)> {
    let roles = Roles::lock(conn, org).await?;
    let mut memberships = 0;
    for user in &trace.users {
        let Some(role) = roles.of(*user) else { continue };
        // A deleted organisation has none any more.
        if role == Role::Owner && !roles.have_owner_beside(&trace.users) {
            return Err(Error::LastOwner);
        }
        members::take_out(conn, org, (*user, role), cause).await?;
        memberships += 1;
    }
    let mut invitations = erase_invitations(conn, &trace.email, None, cause.now).await?;
    for user in &trace.users {
        invitations += erase_invitations(conn, &trace.email, Some(*user), cause.now).await?;
    }
    // Answers that would be given again to whoever repeats a request.
    sqlx::query!(
        "delete from idempotency_keys where org_id = $1 and strpos(lower(body), $2) > 0",
        org.0,
        trace.email,
    )
    .execute(&mut *conn)
    .await?;
    let detail = [
        ("user_ids", users(trace)),
        ("memberships", memberships.into()),
        ("invitations", invitations.into()),
    ];
    let draft = cause.draft(Action::MemberErased, detail);
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok((memberships, invitations))
}

async fn erase_invitations(
    conn: &mut PgConnection,
    email: &str,
    user: Option<UserId>,
    now: Time,
) -> Result<u64> {
    let erased = sqlx::query_scalar!(
        r#"select driftpack_erase_invitations($1, $2, $3) as "erased!""#,
        email,
        user.map(|user| user.0),
        now,
    )
    .fetch_one(conn)
    .await?;
    Ok(erased.unsigned_abs())
}

async fn person(conn: &mut PgConnection, user: UserId, now: Time) -> Result<bool> {
    let asked =
        sqlx::query_scalar!(r#"select driftpack_erase_person($1, $2) as "erased!""#, user.0, now);
    Ok(asked.fetch_one(conn).await?)
}

fn ids(users: &[UserId]) -> Vec<uuid::Uuid> {
    users.iter().map(|user| user.0).collect()
}

fn users(trace: &Trace) -> Value {
    trace.users.iter().map(ToString::to_string).collect::<Vec<_>>().into()
}
