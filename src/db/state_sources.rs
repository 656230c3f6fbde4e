//! Terraform states that are scanned for drift, and everything that they ever were.
//!
//! Invariants
//! - The row and its newest version say the same.
//! - The versions of a source follow each other without gap or overlap.

use evidence::action::Action;
use evidence::chain::ChainId;
use evidence::ids::{OrgId, StateSourceId};
use evidence::scan::SourceKind;
use evidence::time::Time;
use sqlx::postgres::PgConnection;

use crate::column::{Count, Word};
use crate::{Cause, Error, Page, Result, Slice, cause::sha256, chain};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSource {
    pub id: StateSourceId,
    pub name: String,
    pub kind: SourceKind,
    pub location: String,
    pub expected_scan_interval_hours: Option<i32>,
    /// Whether it is in scope.
    pub active: bool,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What people say about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: String,
    pub kind: SourceKind,
    /// For a person: bucket and key, workspace, path; may be empty.
    pub location: String,
    /// 1 to 87,600; `None`: no schedule is known.
    pub expected_scan_interval_hours: Option<i32>,
    pub active: bool,
}

pub async fn create(
    conn: &mut PgConnection,
    org: OrgId,
    settings: &Settings,
    cause: &Cause,
) -> Result<StateSource> {
    check(settings)?;
    let id = StateSourceId(cause.id());
    sqlx::query!(
        "
        insert into state_sources
               (org_id, id, name, kind, location, expected_scan_interval_hours, active, version,
                created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8)
        ",
        org.0,
        id.0,
        settings.name,
        settings.kind.as_str(),
        settings.location,
        settings.expected_scan_interval_hours,
        settings.active,
        cause.now,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, settings))?;
    keep_version(conn, org, id, cause).await?;
    record(conn, org, id, Action::StateSourceCreated, cause).await?;
    get(conn, org, id).await
}

/// The source with this name, made on first use.
///
/// Of two first uses at once one makes it and the other finds it. Findings may be written in the same
/// transaction afterwards, so the lock on their numbers is taken before the one on the audit chain.
pub async fn ensure(
    conn: &mut PgConnection,
    org: OrgId,
    name: &str,
    kind: SourceKind,
    cause: &Cause,
) -> Result<StateSource> {
    let settings = Settings {
        name: name.to_owned(),
        kind,
        location: String::new(),
        expected_scan_interval_hours: None,
        active: true,
    };
    check(&settings)?;
    if let Some(source) = find_by_name(conn, org, name).await? {
        return Ok(source);
    }
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('state_source ' || $1::text || $2, 0))",
        org.to_string(),
        name,
    )
    .fetch_one(&mut *conn)
    .await?;
    if let Some(source) = find_by_name(conn, org, name).await? {
        return Ok(source);
    }
    crate::orgs::lock(conn, org).await?;
    create(conn, org, &settings, cause).await
}

/// Changes a source to `settings`; the same settings again change and record nothing.
pub async fn update(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
    settings: &Settings,
    cause: &Cause,
) -> Result<StateSource> {
    change(conn, org, id, |_| settings.clone(), cause).await
}

/// Changes a source by what it is: nobody else changes it meanwhile. Settings that stay the same record nothing.
pub async fn change(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
    change: impl FnOnce(Settings) -> Settings,
    cause: &Cause,
) -> Result<StateSource> {
    lock(conn, org, id).await?;
    let before = get(conn, org, id).await?;
    let settings = change(before.settings());
    check(&settings)?;
    if before.settings() == settings {
        return Ok(before);
    }
    write(conn, org, id, &settings, cause.now).await?;
    keep_version(conn, org, id, cause).await?;
    record(conn, org, id, Action::StateSourceUpdated, cause).await?;
    get(conn, org, id).await
}

async fn write(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
    settings: &Settings,
    now: Time,
) -> Result<()> {
    sqlx::query!(
        "
        update state_sources
           set name = $3, kind = $4, location = $5, expected_scan_interval_hours = $6, active = $7,
               version = version + 1, updated_at = greatest($8, updated_at)
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
        settings.name,
        settings.kind.as_str(),
        settings.location,
        settings.expected_scan_interval_hours,
        settings.active,
        now,
    )
    .execute(conn)
    .await
    .map_err(|error| taken(error, settings))?;
    Ok(())
}

/// Takes a source out of scope for good and frees its name; its scans and findings stay. Whether it
/// was still there.
pub async fn delete(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
    cause: &Cause,
) -> Result<bool> {
    let deleted = sqlx::query!(
        "
        update state_sources
           set active = false, version = version + 1,
               updated_at = greatest($3, updated_at), deleted_at = greatest($3, updated_at)
         where org_id = $1 and id = $2 and deleted_at is null
        ",
        org.0,
        id.0,
        cause.now,
    )
    .execute(&mut *conn)
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    keep_version(conn, org, id, cause).await?;
    record(conn, org, id, Action::StateSourceDeleted, cause).await?;
    Ok(true)
}

/// The sources of the organisation, by name.
pub async fn list(conn: &mut PgConnection, org: OrgId) -> Result<Vec<StateSource>> {
    Ok(page(conn, org, Slice::WHOLE).await?.rows)
}

/// A part of the sources of the organisation, by name.
pub async fn page(conn: &mut PgConnection, org: OrgId, slice: Slice) -> Result<Page<StateSource>> {
    let rows = sqlx::query_as!(
        StateSource,
        r#"
        select id, name, kind as "kind: Word<SourceKind>", location, expected_scan_interval_hours,
               active, version, created_at, updated_at
          from state_sources
         where org_id = $1 and deleted_at is null
         order by name
         limit $2 offset $3
        "#,
        org.0,
        i64::from(slice.limit),
        i64::from(slice.offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"
        select count(*) as "count!: Count" from state_sources
         where org_id = $1 and deleted_at is null
        "#,
        org.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Page { rows, total: total.into() })
}

pub async fn find(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
) -> Result<Option<StateSource>> {
    Ok(sqlx::query_as!(
        StateSource,
        r#"
        select id, name, kind as "kind: Word<SourceKind>", location, expected_scan_interval_hours,
               active, version, created_at, updated_at
          from state_sources
         where org_id = $1 and id = $2 and deleted_at is null
        "#,
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?)
}

pub async fn find_by_name(
    conn: &mut PgConnection,
    org: OrgId,
    name: &str,
) -> Result<Option<StateSource>> {
    Ok(sqlx::query_as!(
        StateSource,
        r#"
        select id, name, kind as "kind: Word<SourceKind>", location, expected_scan_interval_hours,
               active, version, created_at, updated_at
          from state_sources
         where org_id = $1 and name = $2 and deleted_at is null
        "#,
        org.0,
        name,
    )
    .fetch_optional(conn)
    .await?)
}

impl StateSource {
    pub fn settings(&self) -> Settings {
        Settings {
            name: self.name.clone(),
            kind: self.kind,
            location: self.location.clone(),
            expected_scan_interval_hours: self.expected_scan_interval_hours,
            active: self.active,
        }
    }
}

async fn get(conn: &mut PgConnection, org: OrgId, id: StateSourceId) -> Result<StateSource> {
    find(conn, org, id).await?.ok_or(Error::NotFound("state source"))
}

pub(crate) async fn lock(conn: &mut PgConnection, org: OrgId, id: StateSourceId) -> Result<()> {
    sqlx::query!(
        "select from state_sources where org_id = $1 and id = $2 for no key update",
        org.0,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

fn check(settings: &Settings) -> Result<()> {
    let refuse = |field, fault| Err(Error::Invalid { field, fault });
    let printable = |text: &str| !text.chars().any(char::is_control);
    if !(1..=200).contains(&settings.name.chars().count()) || !printable(&settings.name) {
        return refuse("name", "must be 1 to 200 characters without control characters");
    }
    if settings.location.chars().count() > 2000 || !printable(&settings.location) {
        return refuse("location", "must be at most 2000 characters without control characters");
    }
    if settings.expected_scan_interval_hours.is_some_and(|hours| !(1..=87_600).contains(&hours)) {
        return refuse("expected_scan_interval_hours", "must be 1 to 87600");
    }
    Ok(())
}

fn taken(error: sqlx::Error, settings: &Settings) -> Error {
    Error::from(error).taken("state_sources_name_key", "state source", &settings.name)
}

/// Ends the version before and writes down what holds from `updated_at` on.
async fn keep_version(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
    cause: &Cause,
) -> Result<()> {
    sqlx::query!(
        "
        update state_source_versions v
           set valid_until = s.updated_at
          from state_sources s
         where s.org_id = $1 and s.id = $2
           and v.org_id = s.org_id and v.state_source_id = s.id and v.valid_until is null
        ",
        org.0,
        id.0,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "
        insert into state_source_versions
               (org_id, state_source_id, version, name, kind, location,
                expected_scan_interval_hours, active, deleted, valid_from,
                changed_by_kind, changed_by_id)
        select org_id, id, version, name, kind, location, expected_scan_interval_hours, active,
               deleted_at is not null, updated_at, $3, $4
          from state_sources
         where org_id = $1 and id = $2
        ",
        org.0,
        id.0,
        cause.actor.kind.as_str(),
        cause.actor.id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn record(
    conn: &mut PgConnection,
    org: OrgId,
    id: StateSourceId,
    action: Action,
    cause: &Cause,
) -> Result<()> {
    let detail = sqlx::query!(
        "select name, kind, location, expected_scan_interval_hours, active, version
           from state_sources
          where org_id = $1 and id = $2",
        org.0,
        id.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    let draft = cause.draft(
        action,
        [
            ("state_source_id", id.to_string().into()),
            ("name", detail.name.into()),
            ("kind", detail.kind.into()),
            ("location_sha256", sha256(&detail.location).into()),
            ("expected_scan_interval_hours", detail.expected_scan_interval_hours.into()),
            ("active", detail.active.into()),
            ("version", detail.version.into()),
        ],
    );
    chain::append(conn, ChainId::Org(org), draft).await?;
    Ok(())
}
