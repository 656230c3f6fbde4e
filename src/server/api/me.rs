//! Who the caller is.

use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::Tag;
use super::word::{KeyScope, MemberRole, OrgPlan};
use crate::auth::{Anyone, Caller};
use crate::errors::{Refused, statuses};

/// The caller: exactly one of `user` and `api_key` is present.
#[derive(Debug, Object)]
pub(crate) struct Me {
    /// A person.
    #[oai(nullable)]
    user: Option<MeUser>,
    /// A machine.
    #[oai(nullable)]
    api_key: Option<MeApiKey>,
    /// The organisations that the caller can reach, by slug.
    orgs: Vec<MeOrg>,
}

/// A person.
#[derive(Debug, Object)]
pub(crate) struct MeUser {
    id: Uuid,
    #[oai(nullable)]
    email: Option<String>,
    is_platform_admin: bool,
}

/// An API key; the key itself is shown once, when it is made.
#[derive(Debug, Object)]
pub(crate) struct MeApiKey {
    id: Uuid,
    name: String,
    scopes: Vec<KeyScope>,
}

/// An organisation of the caller.
#[derive(Debug, Object)]
pub(crate) struct MeOrg {
    id: Uuid,
    slug: String,
    name: String,
    plan: OrgPlan,
    /// Absent for an API key.
    #[oai(nullable)]
    role: Option<MemberRole>,
}

statuses! {
    MeErrors = [401, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::Account")]
impl Api {
    /// Say who the caller is
    ///
    /// Every verified caller. A person gets the organisations that they are a member of, an API key its own.
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn me(&self, anyone: Anyone) -> Result<Json<Me>, Refused<MeErrors>> {
        let mut tx = anyone.context.state.pool.begin().await?;
        let me = match anyone.caller {
            Caller::Person(user) => {
                let memberships = db::members::of_user(&mut tx, user.id).await?;
                Me {
                    orgs: memberships.into_iter().map(MeOrg::from).collect(),
                    user: Some(MeUser {
                        id: user.id.0,
                        email: user.email,
                        is_platform_admin: user.is_platform_admin,
                    }),
                    api_key: None,
                }
            }
            Caller::Key(key) => {
                db::scope(&mut tx, key.org_id).await?;
                let org = db::orgs::find(&mut tx, key.org_id).await?;
                let scopes = key.scopes.0.into_iter().map(Into::into).collect();
                Me {
                    orgs: org.into_iter().map(MeOrg::from).collect(),
                    user: None,
                    api_key: Some(MeApiKey { id: key.id.0, name: key.name, scopes }),
                }
            }
        };
        tx.commit().await?;
        Ok(Json(me))
    }
}

impl From<db::members::Membership> for MeOrg {
    fn from(membership: db::members::Membership) -> Self {
        Self {
            id: membership.org_id.0,
            slug: membership.slug,
            name: membership.name,
            plan: membership.plan.into(),
            role: Some(membership.role.into()),
        }
    }
}

impl From<db::orgs::Org> for MeOrg {
    fn from(org: db::orgs::Org) -> Self {
        Self { id: org.id.0, slug: org.slug, name: org.name, plan: org.plan.into(), role: None }
    }
}
