//! Reading exports.

use evidence::ids::{ExportId, OrgId};
use evidence::org::Role;
use evidence::time::Time;
use sqlx::Decode;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgConnection, PgTypeInfo, PgValueRef, Postgres};
use sqlx::types::Json;

use super::{Entries, Export, Status};
use crate::column::{MaybeCount, MaybeDigest, Word};
use crate::{Error, Result};

/// A part of a list, and how long the whole is.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub exports: Vec<Export>,
    pub total: i64,
}

/// An artifact whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub id: ExportId,
    pub object_key: String,
    pub expires_at: Time,
}

/// A jsonb column of entries, or null.
struct MaybeEntries(Option<Entries>);

impl sqlx::Type<Postgres> for MaybeEntries {
    fn type_info() -> PgTypeInfo {
        <Json<Entries> as sqlx::Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for MaybeEntries {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let entries = <Option<Json<Entries>> as Decode<Postgres>>::decode(value)?;
        Ok(Self(entries.map(|Json(entries)| entries)))
    }
}

impl From<MaybeEntries> for Option<Entries> {
    fn from(column: MaybeEntries) -> Self {
        column.0
    }
}

pub async fn find(conn: &mut PgConnection, org: OrgId, id: ExportId) -> Result<Option<Export>> {
    Ok(sqlx::query_file_as!(Export, "sql/export.sql", org.0, id.0).fetch_optional(conn).await?)
}

pub async fn get(conn: &mut PgConnection, org: OrgId, id: ExportId) -> Result<Export> {
    find(conn, org, id).await?.ok_or(Error::NotFound("audit export"))
}

/// The exports of the organisation, newest first.
pub async fn list(
    conn: &mut PgConnection,
    org: OrgId,
    status: Option<Status>,
    limit: u32,
    offset: u32,
) -> Result<Page> {
    let status = status.map(Status::as_str);
    let exports = sqlx::query_file_as!(
        Export,
        "sql/exports.sql",
        org.0,
        status,
        i64::from(limit),
        i64::from(offset),
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
          from audit_exports
         where org_id = $1 and ($2::text is null or status = $2)
        "#,
        org.0,
        status,
    )
    .fetch_one(conn)
    .await?;
    Ok(Page { exports, total })
}

/// Finished packs of the organisation whose time is over, the longest overdue first.
pub async fn due(conn: &mut PgConnection, org: OrgId, now: Time, limit: u32) -> Result<Vec<Due>> {
    Ok(sqlx::query_as!(
        Due,
        r#"
        select id, object_key as "object_key!", expires_at
          from audit_exports
         where org_id = $1 and status = 'done' and expires_at <= $2
         order by expires_at, id
         limit $3
        "#,
        org.0,
        now,
        i64::from(limit),
    )
    .fetch_all(conn)
    .await?)
}
