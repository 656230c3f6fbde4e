//! Whether the database itself keeps organisations apart and history as it was, whatever the program does: what `driftpack admin
//! doctor` looks at.
//!
//! Invariants
//! - Everything is asked as the role that serves, about the database as it is, never about what the migrations say.
//! - Nothing is changed.
//!
//! Not here: what is said about a fault, and what to do about it; that is for people, and the program's.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::{MIGRATOR, Result};

/// The role that the connection has signed in as.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent attributes of a role")]
pub struct Role {
    pub name: String,
    /// Nothing holds for it: no grant, no row security.
    pub is_superuser: bool,
    /// No row security holds for it.
    pub bypasses_row_security: bool,
    /// It may make roles and give itself to them.
    pub may_create_roles: bool,
    /// It may make tables and functions beside ours, which ours would then find.
    pub may_create_objects: bool,
    /// What it owns in this database, or the database itself, as Postgres describes it: tables first, at most twenty things.
    /// An owner may switch row security off.
    pub owns: Vec<String>,
    /// Roles that it may become, and that may do what it must not.
    pub may_become: Vec<String>,
}

/// A table with rows of organisations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of a table")]
pub struct Table {
    /// As SQL names it.
    pub name: String,
    pub owner: String,
    /// Row security is on.
    pub is_secured: bool,
    /// It holds for the owner of the table too.
    pub is_forced: bool,
    /// TRUNCATE asks no row security.
    pub may_be_truncated: bool,
    /// Rows can be seen by a transaction that works for no organisation.
    pub shows_rows_to_nobody: bool,
}

/// A trigger that keeps history as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pub table: String,
    pub trigger: String,
    pub is_enabled: bool,
    /// The role has been granted what the trigger refuses.
    pub is_undermined: bool,
}

/// The application's migrations against the program's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Not applied, by version.
    pub pending: Vec<i64>,
    /// Applied with another content, or never finished.
    pub changed: Vec<i64>,
    /// Applied, and unknown to this program: a later one was here.
    pub unknown: Vec<i64>,
}

impl Ledger {
    pub fn is_current(&self) -> bool {
        self == &Self::default()
    }
}

/// Who the connection is.
pub async fn role(conn: &mut PgConnection) -> Result<Role> {
    let role = sqlx::query!(
        r#"
        select rolname::text as "name!", rolsuper as "is_superuser!",
               rolbypassrls as "bypasses_row_security!", rolcreaterole as "may_create_roles!",
               has_schema_privilege(session_user, 'public', 'create') as "may_create_objects!"
          from pg_roles
         where rolname = session_user
        "#,
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(Role {
        name: role.name,
        is_superuser: role.is_superuser,
        bypasses_row_security: role.bypasses_row_security,
        may_create_roles: role.may_create_roles,
        may_create_objects: role.may_create_objects,
        owns: owns(conn).await?,
        may_become: may_become(conn).await?,
    })
}

async fn owns(conn: &mut PgConnection) -> Result<Vec<String>> {
    // Of what is shared by the databases of the server only this database itself is of interest.
    Ok(sqlx::query_scalar!(
        r#"
        select pg_describe_object(o.classid, o.objid, o.objsubid) as "what!"
          from pg_shdepend o
          join pg_roles r on r.oid = o.refobjid and r.rolname = session_user
          join pg_database d on d.datname = current_database()
         where o.refclassid = 'pg_authid'::regclass and o.deptype = 'o'
           and (o.dbid = d.oid or (o.classid = 'pg_database'::regclass and o.objid = d.oid))
         order by o.classid <> 'pg_class'::regclass, 1
         limit 20
        "#,
    )
    .fetch_all(conn)
    .await?)
}

async fn may_become(conn: &mut PgConnection) -> Result<Vec<String>> {
    let mut roles = sqlx::query_scalar!(
        r#"
        select r.rolname::text as "name!"
          from pg_roles r
         where r.rolname <> session_user and pg_has_role(session_user, r.oid, 'member')
           and (r.rolsuper or r.rolbypassrls or r.rolcreaterole
                or r.rolname in ('pg_execute_server_program', 'pg_read_server_files',
                                 'pg_write_server_files', 'pg_write_all_data')
                or exists (select from pg_class c where c.relowner = r.oid)
                or exists (select from pg_namespace n where n.nspowner = r.oid)
                or exists (select from pg_database d
                            where d.datdba = r.oid and d.datname = current_database()))
         order by 1
        "#,
    )
    .fetch_all(conn)
    .await?;
    // Who owns the database is told so already, and has this role by that alone.
    roles.retain(|name| name != "pg_database_owner");
    Ok(roles)
}

/// Every table, in every schema, that has a column `org_id` or, as those of the audit log, `chain`. Needs a transaction.
pub async fn tables(conn: &mut PgConnection) -> Result<Vec<Table>> {
    // For nobody, whoever had the connection before.
    crate::scope::restore(conn, None).await?;
    let rows = sqlx::query!(
        r#"
        select c.oid::regclass::text as "name!", pg_get_userbyid(c.relowner)::text as "owner!",
               c.relrowsecurity as "is_secured!", c.relforcerowsecurity as "is_forced!",
               has_table_privilege(session_user, c.oid, 'truncate') as "may_be_truncated!",
               has_schema_privilege(session_user, n.oid, 'usage')
                 and has_table_privilege(session_user, c.oid, 'select') as "is_readable!"
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'm', 'f')
           and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
           and exists (select from pg_attribute a
                        where a.attrelid = c.oid and a.attname in ('org_id', 'chain')
                          and a.attnum > 0 and not a.attisdropped)
         order by 1
        "#,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in rows {
        tables.push(Table {
            shows_rows_to_nobody: row.is_readable && has_rows(conn, &row.name).await?,
            name: row.name,
            owner: row.owner,
            is_secured: row.is_secured,
            is_forced: row.is_forced,
            may_be_truncated: row.may_be_truncated,
        });
    }
    Ok(tables)
}

/// `table` is a name that the database has quoted itself.
async fn has_rows(conn: &mut PgConnection, table: &str) -> Result<bool> {
    let sql = AssertSqlSafe(format!("select exists (select from {table})"));
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}

/// Views that show rows with the rights of whoever owns them.
pub async fn views_of_their_owner(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        r#"
        select c.oid::regclass::text as "name!"
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'v' and n.nspname = 'public'
           and not coalesce('security_invoker=true' = any (c.reloptions)
                            or 'security_invoker=on' = any (c.reloptions), false)
         order by 1
        "#,
    )
    .fetch_all(conn)
    .await?)
}

/// The triggers of history.
pub async fn guards(conn: &mut PgConnection) -> Result<Vec<Guard>> {
    // Bits of tgtype: 8 delete, 16 update, 32 truncate.
    Ok(sqlx::query_as!(
        Guard,
        r#"
        select c.oid::regclass::text as "table!", t.tgname::text as "trigger!",
               t.tgenabled in ('O', 'A') as "is_enabled!",
               p.proname in ('driftpack_refuse_change', 'driftpack_only_past_retention',
                            'driftpack_keep_while_it_lives')
                 and (((t.tgtype & 8) <> 0 and has_table_privilege(session_user, c.oid, 'delete'))
                   or ((t.tgtype & 16) <> 0 and has_table_privilege(session_user, c.oid, 'update'))
                   or ((t.tgtype & 32) <> 0 and has_table_privilege(session_user, c.oid, 'truncate')))
                 as "is_undermined!"
          from pg_trigger t
          join pg_class c on c.oid = t.tgrelid
          join pg_proc p on p.oid = t.tgfoid
         where not t.tgisinternal and p.proname ~ '^driftpack_'
         order by 1, 2
        "#,
    )
    .fetch_all(conn)
    .await?)
}

/// How far the database is behind or ahead of this program.
pub async fn ledger(conn: &mut PgConnection) -> Result<Ledger> {
    let is_there = sqlx::query_scalar!(
        r#"select to_regclass('public._sqlx_migrations') is not null as "is_there!""#,
    );
    let mut applied = BTreeMap::new();
    if is_there.fetch_one(&mut *conn).await? {
        let rows: Vec<(i64, bool, Vec<u8>)> =
            sqlx::query_as("select version, success, checksum from public._sqlx_migrations")
                .fetch_all(conn)
                .await?;
        applied = rows.into_iter().map(|(version, ok, sum)| (version, (ok, sum))).collect();
    }
    let mut ledger = Ledger::default();
    for migration in MIGRATOR.iter() {
        match applied.remove(&migration.version) {
            None => ledger.pending.push(migration.version),
            Some((true, sum)) if sum == *migration.checksum => {}
            Some(_) => ledger.changed.push(migration.version),
        }
    }
    ledger.unknown = applied.into_keys().collect();
    Ok(ledger)
}
