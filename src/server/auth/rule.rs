//! Who may do what in an organisation: the whole table, one line per right. `x-rights` in the contract says the same, and a
//! test holds the two together.

use evidence::org::{PackWindow, Plan, Role, Scope};

use super::Caller;
use crate::errors::{Denied, Result};

/// Everybody.
const ANY: &[Role] = &[Role::Owner, Role::Admin, Role::Member, Role::Viewer];
const WRITERS: &[Role] = &[Role::Owner, Role::Admin, Role::Member];
const ADMINS: &[Role] = &[Role::Owner, Role::Admin];

/// What a right asks for.
pub(crate) struct Rule {
    /// People with one of these roles.
    pub(crate) people: &'static [Role],
    /// API keys with this scope; `None`: no key.
    pub(crate) keys: Option<Scope>,
    /// Organisations whose plan includes packs.
    pub(crate) needs_packs: bool,
}

impl Rule {
    /// 403 before 402.
    pub(super) fn admit(&self, caller: &Caller, role: Option<Role>, plan: Plan) -> Result<()> {
        match (caller, role) {
            (Caller::Key(key), _) => match self.keys {
                None => return Err(Denied::OidcRequired.into()),
                Some(scope) if !key.scopes.contains(scope) => {
                    return Err(Denied::ScopeRequired(scope).into());
                }
                Some(_) => {}
            },
            (Caller::Person(_), None) => return Err(Denied::OrgNotFound.into()),
            (Caller::Person(_), Some(role)) if !self.people.contains(&role) => {
                return Err(Denied::RoleRequired(self.people).into());
            }
            (Caller::Person(_), Some(_)) => {}
        }
        if self.needs_packs && plan.pack_window() == PackWindow::None {
            let feature = "audit_compliance";
            return Err(Denied::PlanFeatureRequired { feature, plan: plan.as_str() }.into());
        }
        Ok(())
    }

    pub(super) const fn takes_keys(&self) -> bool {
        self.keys.is_some()
    }
}

/// A right, as a type: [`super::OrgScope`] of it is the proof that the caller has it.
pub(crate) trait Right: Send + Sync + 'static {
    const RULE: Rule;
}

macro_rules! rights {
    ($($name:ident: people $people:expr, keys $keys:expr, packs $packs:expr;)+) => {$(
        pub(crate) struct $name;

        impl Right for $name {
            const RULE: Rule = Rule { people: $people, keys: $keys, needs_packs: $packs };
        }
    )+

        /// The table, by name: what the contract says is compared with it.
        #[cfg(test)]
        pub(crate) const TABLE: &[(&str, Rule)] = &[$((stringify!($name), $name::RULE)),+];
    };
}

rights! {
    ReadOrg:        people ANY,     keys Some(Scope::Read),  packs false;
    HandInScan:     people WRITERS, keys Some(Scope::Write), packs false;
    DecideFinding:  people ADMINS,  keys None,               packs false;
    ReadAuditLog:   people ADMINS,  keys Some(Scope::Read),  packs false;
    RequestPack:    people ADMINS,  keys None,               packs true;
    DownloadPack:   people ADMINS,  keys None,               packs false;
    DeletePack:     people ADMINS,  keys None,               packs false;
    ReadSettings:   people ANY,     keys None,               packs false;
    ChangeSettings: people ADMINS,  keys None,               packs false;
    ManageMembers:  people ADMINS,  keys None,               packs false;
    ManageApiKeys:  people ADMINS,  keys None,               packs false;
}
