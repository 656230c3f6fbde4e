//! Members of an organisation: who they are, and what they may do.
//!
//! Not here: how people become members ([`super::invitation`]).

use db::members;
use evidence::ids::UserId;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::body::JsonBody;
use super::path::Id;
use super::time::Timestamp;
use super::word::MemberRole;
use super::{Tag, page};
use crate::auth::{ManageMembers, OrgScope, ReadSettings};
use crate::errors::{Denied, Refused, statuses};

/// A person in an organisation.
#[derive(Debug, Object)]
pub(crate) struct Member {
    user_id: Uuid,
    /// As the identity provider says.
    #[oai(nullable)]
    email: Option<String>,
    role: MemberRole,
    /// When they became a member.
    created_at: Timestamp,
}

/// A part of the list of members.
#[derive(Debug, Object)]
pub(crate) struct MemberList {
    members: Vec<Member>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

/// What a member is to become.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct MemberChange {
    role: MemberRole,
}

#[derive(ApiResponse)]
enum Removed {
    /// They are no member any more.
    #[oai(status = 204)]
    Gone,
}

statuses! {
    ListErrors = [400, 401, 403, 404, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    ChangeErrors = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
    RemoveErrors = [401, 403, 404, 409, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::Members")]
impl Api {
    /// List members
    ///
    /// The most powerful first. Every member.
    #[oai(path = "/orgs/:org_id/members", method = "get", operation_id = "listMembers")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
    ) -> Result<Json<MemberList>, Refused<ListErrors>> {
        let slice = page::slice(limit.0, offset.0)?;
        let mut tx = scope.begin().await?;
        let page = members::page(&mut tx, scope.org.id, slice).await?;
        tx.commit().await?;
        let db::Slice { limit, offset } = slice;
        let members = page.rows.into_iter().map(Member::from).collect();
        Ok(Json(MemberList { members, total: page.total, limit, offset }))
    }

    /// Get a member
    ///
    /// Every member.
    #[oai(path = "/orgs/:org_id/members/:user_id", method = "get", operation_id = "getMember")]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// The member, by the id of the user.
        user_id: Id,
    ) -> Result<Json<Member>, Refused<GetErrors>> {
        let mut tx = scope.begin().await?;
        let found = members::find(&mut tx, scope.org.id, UserId(user_id.0)).await?;
        tx.commit().await?;
        Ok(Json(found.ok_or(Denied::NotFound("member"))?.into()))
    }

    /// Give a member another role
    ///
    /// Owners and admins, signed in with the identity provider; only owners make owners, and only owners take that role away. The last owner stays owner. It holds from the next request on. Invitations that the member may not give any more are revoked.
    #[oai(path = "/orgs/:org_id/members/:user_id", method = "patch", operation_id = "changeMember")]
    async fn change(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ManageMembers>,
        /// The member, by the id of the user.
        user_id: Id,
        body: JsonBody<MemberChange>,
    ) -> Result<Json<Member>, Refused<ChangeErrors>> {
        let (org, by) = (scope.org.id, scope.user()?);
        let change = (UserId(user_id.0), body.0.role.into());
        let mut tx = scope.begin().await?;
        let changed = members::change_role(&mut tx, org, change, by, &scope.cause()).await?;
        tx.commit().await?;
        Ok(Json(changed.into()))
    }

    /// Remove a member
    ///
    /// Owners and admins, signed in with the identity provider; only owners remove owners. The last owner stays. It holds from the next request on. Invitations that the member gave are revoked; API keys belong to the organisation and stay.
    #[oai(
        path = "/orgs/:org_id/members/:user_id",
        method = "delete",
        operation_id = "removeMember"
    )]
    async fn remove(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ManageMembers>,
        /// The member, by the id of the user.
        user_id: Id,
    ) -> Result<Removed, Refused<RemoveErrors>> {
        let (org, by) = (scope.org.id, scope.user()?);
        let mut tx = scope.begin().await?;
        members::remove(&mut tx, org, UserId(user_id.0), by, &scope.cause()).await?;
        tx.commit().await?;
        Ok(Removed::Gone)
    }
}

impl From<members::Member> for Member {
    fn from(member: members::Member) -> Self {
        Self {
            user_id: member.user_id.0,
            email: member.email,
            role: member.role.into(),
            created_at: member.created_at.into(),
        }
    }
}
