//! Organisations: the tenant directory, and the plans that held.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::OrgId;
use evidence::org::Plan;
use evidence::time::Time;
use serde_json::Value;
use sqlx::postgres::PgConnection;

use crate::column::{Count, Word};
use crate::{Cause, Error, Page, Result, Slice, chain, scope};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    pub id: OrgId,
    /// Lower-case letters, digits and inner hyphens, at most 63.
    pub slug: String,
    pub name: String,
    pub plan: Plan,
    pub created_at: Time,
}

/// Makes an organisation and its audit chain, whose first entry records it. From here on the
/// transaction works for the organisation.
pub async fn create(
    conn: &mut PgConnection,
    slug: &str,
    name: &str,
    plan: Plan,
    cause: &Cause,
) -> Result<Org> {
    check(slug, name)?;
    let id = OrgId(cause.id());
    scope(conn, id).await?;
    let org = Org { id, slug: slug.to_owned(), name: name.to_owned(), plan, created_at: cause.now };
    insert(conn, &org).await.map_err(|error| error.taken("orgs_slug_key", "organisation", slug))?;
    record_plan(conn, id, plan, cause).await?;
    chain::create(conn, id).await?;
    let detail = [("slug", slug.into()), ("plan", plan.as_str().into())];
    record(conn, id, Action::OrgCreated, detail, cause).await?;
    Ok(org)
}

pub async fn find(conn: &mut PgConnection, id: OrgId) -> Result<Option<Org>> {
    Ok(sqlx::query_as!(
        Org,
        r#"select id, slug, name, plan as "plan: Word<Plan>", created_at from orgs where id = $1 and deleted_at is null"#,
        id.0,
    )
    .fetch_optional(conn)
    .await?)
}

pub async fn find_by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<Org>> {
    Ok(sqlx::query_as!(
        Org,
        r#"select id, slug, name, plan as "plan: Word<Plan>", created_at from orgs where slug = $1 and deleted_at is null"#,
        slug,
    )
    .fetch_optional(conn)
    .await?)
}

/// Every organisation, by slug. For the platform's own work (retention, platform admins).
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Org>> {
    Ok(sqlx::query_as!(
        Org,
        r#"select id, slug, name, plan as "plan: Word<Plan>", created_at from orgs where deleted_at is null order by slug"#,
    )
    .fetch_all(conn)
    .await?)
}

/// Those of these organisations that there are, in no order. For platform admins.
pub async fn find_all(conn: &mut PgConnection, ids: &[OrgId]) -> Result<Vec<Org>> {
    let ids: Vec<_> = ids.iter().map(|org| org.0).collect();
    Ok(sqlx::query_as!(
        Org,
        r#"select id, slug, name, plan as "plan: Word<Plan>", created_at from orgs where id = any($1)"#,
        &ids,
    )
    .fetch_all(conn)
    .await?)
}

/// A part of the organisations, by slug.
pub async fn page(conn: &mut PgConnection, slice: Slice) -> Result<Page<Org>> {
    let rows = sqlx::query_as!(
        Org,
        r#"
        select id, slug, name, plan as "plan: Word<Plan>", created_at from orgs
         where deleted_at is null
         order by slug
         limit $1 offset $2
        "#,
        i64::from(slice.limit),
        i64::from(slice.offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!: Count" from orgs where deleted_at is null"#
    );
    Ok(Page { rows, total: total.fetch_one(conn).await?.into() })
}

/// How many organisations there are, or were: the audit chains of deleted ones are there still.
pub async fn count(conn: &mut PgConnection) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!: Count" from orgs"#);
    Ok(count.fetch_one(conn).await?.into())
}

/// The ids of the next organisations after `after`, in their order: for work that takes every one in turn, deleted ones too. Ids
/// grow with time, so those made meanwhile come last.
pub async fn ids_after(
    conn: &mut PgConnection,
    after: Option<OrgId>,
    limit: u32,
) -> Result<Vec<OrgId>> {
    let ids = sqlx::query_scalar!(
        "select id from orgs where $1::uuid is null or id > $1 order by id limit $2",
        after.map(|org| org.0),
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(OrgId).collect())
}

/// Puts the organisation on another plan; the same plan again changes and records nothing. From here
/// on the transaction works for the organisation.
pub async fn set_plan(
    conn: &mut PgConnection,
    id: OrgId,
    plan: Plan,
    cause: &Cause,
) -> Result<Org> {
    scope(conn, id).await?;
    // What it was before stands in the audit log for ever.
    lock(conn, id).await?;
    let before = find(conn, id).await?.ok_or(Error::NotFound("organisation"))?;
    if before.plan == plan {
        return Ok(before);
    }
    sqlx::query!("update orgs set plan = $2 where id = $1", id.0, plan.as_str())
        .execute(&mut *conn)
        .await?;
    record_plan(conn, id, plan, cause).await?;
    let detail = [("from", before.plan.as_str().into()), ("to", plan.as_str().into())];
    record(conn, id, Action::OrgPlanChanged, detail, cause).await?;
    Ok(Org { plan, ..before })
}

/// Locks the numbers of the organisation's findings until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: OrgId) -> Result<()> {
    sqlx::query!("select from orgs where id = $1 for no key update", id.0)
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// What platform admins do to an organisation stands in its own chain and in the platform's.
async fn record(
    conn: &mut PgConnection,
    id: OrgId,
    action: Action,
    [one, two]: [(&str, Value); 2],
    cause: &Cause,
) -> Result<()> {
    let org = ("org_id", Value::from(id.to_string()));
    let draft = cause.draft(action, [one.clone(), two.clone()]);
    chain::append(conn, ChainId::Org(id), draft).await?;
    chain::append(conn, ChainId::Platform, cause.draft(action, [org, one, two])).await?;
    Ok(())
}

/// Said in words here, so that no caller has to read the name of a constraint.
fn check(slug: &str, name: &str) -> Result<()> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = slug.as_bytes();
    let valid = (1..=63).contains(&bytes.len())
        && letter(bytes[0])
        && letter(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| letter(b) || b == b'-');
    if !valid {
        let fault = "must be 1 to 63 lower-case letters, digits and inner hyphens";
        return Err(Error::Invalid { field: "slug", fault });
    }
    if !(1..=200).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let fault = "must be 1 to 200 characters without control characters";
        return Err(Error::Invalid { field: "name", fault });
    }
    Ok(())
}

async fn insert(conn: &mut PgConnection, org: &Org) -> Result<()> {
    sqlx::query!(
        "insert into orgs (id, slug, name, plan, created_at) values ($1, $2, $3, $4, $5)",
        org.id.0,
        org.slug,
        org.name,
        org.plan.as_str(),
        org.created_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn record_plan(conn: &mut PgConnection, id: OrgId, plan: Plan, cause: &Cause) -> Result<()> {
    sqlx::query!(
        "
        insert into org_plan_versions
               (org_id, version, plan, valid_from, changed_by_kind, changed_by_id)
        select $1, 1 + count(*), $2, $3, $4, $5
          from org_plan_versions
         where org_id = $1
        ",
        id.0,
        plan.as_str(),
        cause.now,
        cause.actor.kind.as_str(),
        cause.actor.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}
