//! `driftpack admin member erase`: names and addresses of a person go; the audit chains still verify.

use anyhow::{Context as _, Result, bail};
use db::erasure::{self, Trace};
use engine::Clock;

use super::Office;
use crate::say;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  driftpack admin member erase --email jo@acme.example

Erased are, in every organisation: their memberships, their address in invitations, their name, address and identity, and their
sessions. Their opaque id stays in the audit chains, which hold nothing else of them and verify as before.
Not erased, because nobody can: packs that were built before, and backups. Not looked through: texts that people wrote (reasons,
names of rules), and what pipelines say of themselves with scans (x-driftpack-ci-* headers).
Remove them at the identity provider first: whoever signs in again is somebody new here.")]
pub(crate) struct Args {
    /// Their address, in upper or lower case
    #[arg(long)]
    email: String,
}

pub(super) async fn run(office: &Office, args: Args) -> Result<()> {
    let trace = erasure::trace(&office.pool, &args.email)
        .await
        .context("the database cannot be asked (DRIFTWISE_DATABASE_URL)")?;
    if trace.is_empty() {
        say::note("nothing is known of this address; nothing was erased");
        return Ok(());
    }
    let mut tx = office.pool.begin().await?;
    let cause = Office::cause(Clock::System.now());
    let erased = match erasure::erase(&mut tx, &trace, &cause).await {
        Ok(erased) => erased,
        Err(db::Error::LastOwner) => {
            tx.rollback().await?;
            bail!(
                "nothing was erased: they are the only owner of {}. Make somebody else owner first: driftpack admin member add --org ORG --email … --role owner",
                owned(office, &trace).await?
            );
        }
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    say::note(format!(
        "erased (users: {}, memberships: {}, invitations: {}); told in the audit log of so many organisations: {}",
        erased.users, erased.memberships, erased.invitations, erased.orgs
    ));
    say::note("packs that were built before keep what they have, and so do backups");
    Ok(())
}

/// The organisations that would be left without an owner.
async fn owned(office: &Office, trace: &Trace) -> Result<String> {
    let mut slugs = Vec::new();
    for org in &trace.orgs {
        let mut tx = db::OrgTx::begin(&office.pool, *org).await?;
        let members = db::members::list(&mut tx, *org).await?;
        let is_owner = |member: &&db::members::Member| member.role == evidence::org::Role::Owner;
        let (theirs, others): (Vec<_>, Vec<_>) =
            members.iter().filter(is_owner).partition(|m| trace.users.contains(&m.user_id));
        if !theirs.is_empty() && others.is_empty() {
            slugs.extend(db::orgs::find(&mut tx, *org).await?.map(|org| org.slug));
        }
        tx.rollback().await?;
    }
    Ok(slugs.join(", "))
}
