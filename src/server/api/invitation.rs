//! Invitations: how people become members.
//!
//! Accepting one is no operation: it happens when its address signs in (`db::users::log_in`).

use chrono::Duration;
use db::invitations::{self, Draft};
use evidence::ids::InvitationId;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::{MaybeUndefined, ToJSON as _};
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::body::JsonBody;
use super::given::given;
use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::time::Timestamp;
use super::word::{InvitationStatus, MemberRole};
use super::{Tag, page};
use crate::auth::{ManageMembers, OrgScope, ReadSettings};
use crate::errors::{Denied, Error, Input, Refused, statuses};

/// An invitation into an organisation.
#[derive(Debug, Object)]
pub(crate) struct Invitation {
    id: Uuid,
    /// Its ASCII letters in lower case.
    email: String,
    role: MemberRole,
    status: InvitationStatus,
    /// Id of the member who gave it.
    invited_by: Uuid,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// When it was accepted or revoked, or had expired; null while it is pending.
    #[oai(nullable)]
    ended_at: Option<Timestamp>,
    /// Id of the user who became a member by it.
    #[oai(nullable)]
    accepted_by: Option<Uuid>,
}

/// A part of the list of invitations.
#[derive(Debug, Object)]
pub(crate) struct InvitationList {
    invitations: Vec<Invitation>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

/// Who is to become what.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct InvitationRequest {
    /// At most 254 bytes; upper-case ASCII letters count as lower-case ones.
    email: String,
    role: MemberRole,
    /// 1 to 90; 14 unless given.
    expires_in_days: MaybeUndefined<i32>,
}

#[derive(ApiResponse)]
enum Created {
    /// The invitation.
    #[oai(status = 201)]
    Invitation(Json<Invitation>),
}

#[derive(ApiResponse)]
enum Revoked {
    /// Nobody can accept it any more.
    #[oai(status = 204)]
    Gone,
}

statuses! {
    ListErrors = [400, 401, 403, 404, 500, 503];
    CreateErrors = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    RevokeErrors = [401, 403, 404, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::Members")]
impl Api {
    /// List invitations
    ///
    /// Newest first, those that have ended too. Every member.
    #[oai(path = "/orgs/:org_id/invitations", method = "get", operation_id = "listInvitations")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
    ) -> Result<Json<InvitationList>, Refused<ListErrors>> {
        let slice = page::slice(limit.0, offset.0)?;
        let mut tx = scope.begin().await?;
        let page = invitations::page(&mut tx, scope.org.id, slice, scope.context.now).await?;
        tx.commit().await?;
        let db::Slice { limit, offset } = slice;
        let invitations = page.rows.into_iter().map(Invitation::from).collect();
        Ok(Json(InvitationList { invitations, total: page.total, limit, offset }))
    }

    /// Invite a person
    ///
    /// Owners and admins, signed in with the identity provider; only owners invite owners. Whoever signs in with this address becomes a member with this role, at once when they are known already, as soon as the identity provider says that the address is theirs (the claim `email_verified`). No mail is sent.
    #[oai(path = "/orgs/:org_id/invitations", method = "post", operation_id = "createInvitation")]
    async fn create(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ManageMembers>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<InvitationRequest>,
    ) -> Result<Created, Refused<CreateErrors>> {
        let asked = key.asked(&scope, &body.0.to_json_string());
        let InvitationRequest { email, role, expires_in_days } = body.0;
        let lifetime = lifetime(given("expires_in_days", expires_in_days)?)?;
        let expires_at = scope.context.now + lifetime;
        let draft = Draft { email: &email, role: role.into(), expires_at };
        let (org, by) = (scope.org.id, scope.user()?);
        let mut tx = scope.begin().await?;
        if let Some(invitation) = asked.answered(&mut tx).await? {
            return Ok(Created::Invitation(Json(invitation)));
        }
        let made = invitations::create(&mut tx, org, draft, by, &scope.cause()).await?;
        let invitation = Invitation::from(made);
        asked.keep(&mut tx, &invitation).await?;
        tx.commit().await?;
        Ok(Created::Invitation(Json(invitation)))
    }

    /// Get an invitation
    ///
    /// Every member.
    #[oai(
        path = "/orgs/:org_id/invitations/:invitation_id",
        method = "get",
        operation_id = "getInvitation"
    )]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// The invitation.
        invitation_id: Id,
    ) -> Result<Json<Invitation>, Refused<GetErrors>> {
        let mut tx = scope.begin().await?;
        let id = InvitationId(invitation_id.0);
        let found = invitations::find(&mut tx, scope.org.id, id, scope.context.now).await?;
        tx.commit().await?;
        Ok(Json(found.ok_or(Denied::NotFound("invitation"))?.into()))
    }

    /// Revoke an invitation
    ///
    /// Owners and admins, signed in with the identity provider; only owners revoke that of an owner. One that has ended stays as it is.
    #[oai(
        path = "/orgs/:org_id/invitations/:invitation_id",
        method = "delete",
        operation_id = "revokeInvitation"
    )]
    async fn revoke(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ManageMembers>,
        /// The invitation.
        invitation_id: Id,
    ) -> Result<Revoked, Refused<RevokeErrors>> {
        let (org, by) = (scope.org.id, scope.user()?);
        let id = InvitationId(invitation_id.0);
        let mut tx = scope.begin().await?;
        invitations::revoke(&mut tx, org, id, by, &scope.cause()).await?;
        tx.commit().await?;
        Ok(Revoked::Gone)
    }
}

/// Long enough for somebody on holiday; whoever was meant and never came should not find an open door next year.
fn lifetime(days: Option<i32>) -> Result<Duration, Error> {
    let days = days.unwrap_or(14);
    if !(1..=90).contains(&days) {
        let message = "expires_in_days must be 1 to 90".to_owned();
        return Err(Input::InvalidField { field: "expires_in_days", message }.into());
    }
    Ok(Duration::days(days.into()))
}

impl Answer for Invitation {
    fn status(&self) -> u16 {
        201
    }
}

impl From<invitations::Invitation> for Invitation {
    fn from(invitation: invitations::Invitation) -> Self {
        Self {
            id: invitation.id.0,
            email: invitation.email,
            role: invitation.role.into(),
            status: invitation.status.into(),
            invited_by: invitation.invited_by.0,
            created_at: invitation.created_at.into(),
            expires_at: invitation.expires_at.into(),
            ended_at: invitation.ended_at.map(Into::into),
            accepted_by: invitation.accepted_by,
        }
    }
}
