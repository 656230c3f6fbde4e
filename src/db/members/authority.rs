//! Who may give roles away, decided while nobody else can change one.
//!
//! Invariants
//! - Every change of roles holds all memberships of the organisation from before it looks at them: two who remove or lower each
//!   other at once take turns, and the second one is asked again whether they still may.
//! - Owners and admins give roles away and take them; what is an owner's, an owner gives and takes.
//! - An organisation that has an owner keeps one.

use evidence::ids::{OrgId, UserId};
use evidence::org::Role;
use sqlx::postgres::PgConnection;

use crate::column::Word;
use crate::{Error, Result};

/// Everybody's role in an organisation. Locked until the transaction ends.
pub(crate) struct Roles(Vec<(UserId, Role)>);

impl Roles {
    pub(crate) async fn lock(conn: &mut PgConnection, org: OrgId) -> Result<Self> {
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
        Ok(Self(rows.into_iter().map(|row| (UserId(row.user_id), row.role.into())).collect()))
    }

    pub(crate) fn of(&self, user: UserId) -> Option<Role> {
        self.0.iter().find(|(id, _)| *id == user).map(|(_, role)| *role)
    }

    /// Whether `by` may give or take each of these roles now.
    pub(crate) fn require(&self, by: UserId, roles: &[Role]) -> Result<()> {
        match self.of(by) {
            Some(role) if role >= Role::Admin => {
                if roles.iter().all(|at_stake| may_give(role, *at_stake)) {
                    Ok(())
                } else {
                    Err(Error::RoleRequired(&[Role::Owner]))
                }
            }
            _ => Err(Error::RoleRequired(&[Role::Owner, Role::Admin])),
        }
    }

    /// An owner who is none of `users` is there.
    pub(crate) fn have_owner_beside(&self, users: &[UserId]) -> bool {
        self.0.iter().any(|(id, role)| *role == Role::Owner && !users.contains(id))
    }

    /// An owner other than `user` is there.
    pub(crate) fn require_other_owner(&self, user: UserId) -> Result<()> {
        let is_other = |(id, role): &(UserId, Role)| *id != user && *role == Role::Owner;
        if self.0.iter().any(is_other) { Ok(()) } else { Err(Error::LastOwner) }
    }
}

/// Whether who has the role `own` may give the role `given`.
pub(crate) fn may_give(own: Role, given: Role) -> bool {
    own == Role::Owner || (own == Role::Admin && given < Role::Owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_give_every_role_and_admins_every_other() {
        for given in Role::ALL.iter().copied() {
            assert!(may_give(Role::Owner, given));
            assert_eq!(may_give(Role::Admin, given), given != Role::Owner);
            assert!(!may_give(Role::Member, given) && !may_give(Role::Viewer, given));
        }
    }
}
