//! Organisations and the people in them.

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use db::OrgTx;
use db::orgs::Org as Row;
use db::users::{self, Profile, User};
use engine::Clock;
use evidence::org::{Plan, Role};
use serde_json::json;

use super::{Office, deletion, erasure, handover};
use crate::config::Issuer;
use crate::{issuer, say};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Org {
    /// Create an organisation
    Create {
        /// Its name in addresses and file names: lower-case letters, digits, hyphens
        #[arg(long)]
        slug: String,
        /// Its name for people [default: the slug]
        #[arg(long)]
        name: Option<String>,
        /// free, team or enterprise
        #[arg(long, default_value = "free")]
        plan: Plan,
        /// Print the row as JSON
        #[arg(long)]
        json: bool,
    },
    /// Put an organisation on another plan
    SetPlan {
        #[arg(long)]
        org: String,
        #[arg(long)]
        plan: Plan,
    },
    /// Every organisation
    List,
    /// Write everything that is stored of an organisation into files
    Export(handover::Args),
    /// Delete an organisation; its audit chain is sealed and stays
    Delete(deletion::Args),
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Member {
    /// Add a person, or change their role
    Add(Person),
    /// Every member of an organisation
    List {
        #[arg(long)]
        org: String,
    },
    /// Make a person an administrator of the whole platform
    PlatformAdmin(Who),
    /// Erase a person: names and addresses go, in every organisation
    Erase(erasure::Args),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Person {
    #[arg(long)]
    org: String,
    /// owner, admin, member or viewer
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    who: Who,
}

/// A person, as the identity provider knows them.
#[derive(Debug, clap::Args)]
pub(crate) struct Who {
    #[arg(long)]
    pub(crate) email: String,
    /// The `sub` of their tokens; the embedded development issuer needs none
    #[arg(long)]
    pub(crate) sub: Option<String>,
}

pub(crate) async fn org(office: &Office, command: Org) -> Result<()> {
    match command {
        Org::Create { slug, name, plan, json } => {
            let name = name.unwrap_or_else(|| slug.clone());
            let row = create(office, &slug, &name, plan, Clock::System.now()).await?;
            if json {
                say::out(
                    json!({"id": row.id, "slug": row.slug, "name": row.name, "plan": row.plan}),
                );
            } else {
                say::out(row.id);
            }
        }
        Org::SetPlan { org, plan } => {
            let mut tx = office.begin(&org).await?;
            let id = tx.org();
            db::orgs::set_plan(&mut tx, id, plan, &Office::cause(Clock::System.now())).await?;
            tx.commit().await?;
        }
        Org::List => list(office).await?,
        Org::Export(args) => handover::run(office, args).await?,
        Org::Delete(args) => deletion::run(office, args).await?,
    }
    Ok(())
}

/// Creates an organisation; its audit chain begins with it.
pub(crate) async fn create(
    office: &Office,
    slug: &str,
    name: &str,
    plan: Plan,
    now: DateTime<Utc>,
) -> Result<Row> {
    let mut tx = office
        .pool
        .begin()
        .await
        .context("the database cannot be reached (DRIFTWISE_DATABASE_URL)")?;
    let row = db::orgs::create(&mut tx, slug, name, plan, &Office::cause(now)).await?;
    tx.commit().await?;
    Ok(row)
}

async fn list(office: &Office) -> Result<()> {
    let mut conn = office.pool.acquire().await?;
    let mut rows = vec![["ID", "SLUG", "PLAN", "NAME"].map(str::to_owned).to_vec()];
    for org in db::orgs::list(&mut conn).await? {
        rows.push(vec![org.id.to_string(), org.slug, org.plan.as_str().to_owned(), org.name]);
    }
    say::out(say::table(&rows));
    Ok(())
}

pub(crate) async fn member(office: &Office, command: Member) -> Result<()> {
    match command {
        Member::Add(Person { org, role, who }) => {
            let mut tx = office.begin(&org).await?;
            add(office, &mut tx, &who, role, Clock::System.now()).await?;
            tx.commit().await?;
        }
        Member::List { org } => {
            let mut tx = office.begin(&org).await?;
            let id = tx.org();
            let mut rows = vec![["USER", "ROLE", "E-MAIL"].map(str::to_owned).to_vec()];
            for member in db::members::list(&mut tx, id).await? {
                rows.push(vec![
                    member.user_id.to_string(),
                    member.role.as_str().to_owned(),
                    member.email.unwrap_or_default(),
                ]);
            }
            say::out(say::table(&rows));
        }
        Member::PlatformAdmin(who) => platform_admin(office, &who).await?,
        Member::Erase(args) => erasure::run(office, args).await?,
    }
    Ok(())
}

/// Adds a person to the transaction's organisation.
pub(crate) async fn add(
    office: &Office,
    tx: &mut OrgTx,
    who: &Who,
    role: Role,
    now: DateTime<Utc>,
) -> Result<User> {
    let org = tx.org();
    let user = known(office, tx, who, now).await?;
    db::members::set_role(tx, org, user.id, role, &Office::cause(now)).await?;
    Ok(user)
}

pub(crate) async fn platform_admin(office: &Office, who: &Who) -> Result<()> {
    let mut tx = office.pool.begin().await?;
    let user = known(office, &mut tx, who, Clock::System.now()).await?;
    users::set_platform_admin(&mut tx, user.id, true).await?;
    tx.commit().await?;
    Ok(())
}

/// The person, known before their first login.
async fn known(
    office: &Office,
    conn: &mut sqlx::PgConnection,
    who: &Who,
    now: DateTime<Utc>,
) -> Result<User> {
    let sub = match (&who.sub, &office.config.oidc.issuer) {
        (Some(sub), _) => sub.clone(),
        (None, Issuer::Embedded { .. }) => issuer::subject(&who.email),
        (None, Issuer::Foreign(_)) => bail!(
            "give --sub: the subject that the identity provider puts into this person's tokens"
        ),
    };
    let iss = issuer::name(&office.config)?;
    Ok(users::upsert(conn, Profile { iss: &iss, sub: &sub, email: Some(&who.email) }, now).await?)
}
