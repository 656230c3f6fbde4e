//! Members and invitations.

use askama::Template;
use chrono::Duration;
use db::invitations::{self, Draft, Invitation};
use db::members::{self, Member};
use evidence::ids::{InvitationId, UserId};
use evidence::org::{InvitationStatus, Role};
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get, post};
use serde::Deserialize;

use super::frame::{Frame, Notice, Place};
use super::pager::Pager;
use super::visit::Visit;
use super::{answer, form, page};
use crate::auth::{ManageMembers, OrgScope, ReadSettings};
use crate::errors::{Denied, Error, Input, Result};
use crate::pages::text;

const PATH: &str = "/orgs/:slug/settings/members";
/// More are listed by the API.
const INVITED_FOR: Duration = Duration::days(14);

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(show)).post(page!(invite)))
        .at(format!("{PATH}/:id/role"), post(page!(change)))
        .at(format!("{PATH}/:id/remove"), post(page!(remove)))
        .at(format!("{PATH}/invitations/:id/revoke"), post(page!(revoke)))
}

#[derive(Template)]
#[template(path = "settings/members.html")]
struct Page {
    frame: Frame,
    now: Time,
    members: Vec<Member>,
    pager: Pager,
    invitations: Vec<Invitation>,
    invited: Pager,
    barred: Option<String>,
    own: UserId,
}

impl Page {
    fn is_at(path: &str) -> bool {
        path == "members"
    }

    fn is_own(&self, member: &Member) -> bool {
        member.user_id == self.own
    }

    fn is_pending(invitation: &Invitation) -> bool {
        invitation.status == InvitationStatus::Pending
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadSettings>(&request).await?;
    let notice = form::query(&request).get("done").and_then(|done| match done.as_str() {
        "invited" => Some("Invited. No mail is sent: tell them to sign in here with this address."),
        "changed" => Some("The role holds from their next request on."),
        "removed" => Some("Removed. It holds from their next request on."),
        "revoked" => Some("Nobody can accept this invitation any more."),
        _ => None,
    });
    render(&visit, &scope, &request, notice.map(Notice::done), StatusCode::OK).await
}

async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadSettings>,
    request: &Request,
    notice: Option<Notice>,
    status: StatusCode,
) -> Result<Response> {
    let (org, now) = (scope.org.id, scope.context.now);
    let mut tx = scope.begin().await?;
    let (mut pager, mut invited) = (Pager::of(request, "page"), Pager::of(request, "invited"));
    let members = pager.take(members::page(&mut tx, org, pager.slice()).await?);
    let invitations = invited.take(invitations::page(&mut tx, org, invited.slice(), now).await?);
    tx.commit().await?;
    let page = Page {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Settings, "Members").saying(notice),
        now,
        members,
        pager,
        invitations,
        invited,
        barred: scope.may::<ManageMembers>().err().map(|error| error.message()),
        own: visit.person.user.id,
    };
    answer::html(status, &page)
}

async fn after(visit: &Visit, request: &Request, done: Result<&'static str>) -> Result<Response> {
    let scope = visit.org::<ReadSettings>(request).await;
    match done {
        // Who has just removed themselves sees this organisation no more.
        Ok(_) if scope.is_err() => answer::redirect("/"),
        Ok(done) => {
            answer::redirect(&format!("/orgs/{}/settings/members?done={done}", scope?.org.slug))
        }
        Err(error) => {
            let status = poem::error::ResponseError::status(&error);
            render(visit, &scope?, request, Some(Notice::refused(&error)), status).await
        }
    }
}

#[derive(Deserialize)]
struct Invited {
    email: String,
    role: String,
}

async fn invite(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Invited>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ManageMembers>(&request).await?;
        let expires_at = scope.context.now + INVITED_FOR;
        let draft = Draft { email: asked.email.trim(), role: role(&asked.role)?, expires_at };
        let mut tx = scope.begin().await?;
        invitations::create(&mut tx, scope.org.id, draft, scope.user()?, &scope.cause()).await?;
        tx.commit().await?;
        Ok("invited")
    }
    .await;
    after(&visit, &request, done).await
}

#[derive(Deserialize)]
struct Changed {
    role: String,
}

async fn change(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Changed>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ManageMembers>(&request).await?;
        let change = (UserId(id(&request, "member")?), role(&asked.role)?);
        let mut tx = scope.begin().await?;
        members::change_role(&mut tx, scope.org.id, change, scope.user()?, &scope.cause()).await?;
        tx.commit().await?;
        Ok("changed")
    }
    .await;
    after(&visit, &request, done).await
}

async fn remove(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ManageMembers>(&request).await?;
        let user = UserId(id(&request, "member")?);
        let mut tx = scope.begin().await?;
        members::remove(&mut tx, scope.org.id, user, scope.user()?, &scope.cause()).await?;
        tx.commit().await?;
        Ok("removed")
    }
    .await;
    after(&visit, &request, done).await
}

async fn revoke(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ManageMembers>(&request).await?;
        let invitation = InvitationId(id(&request, "invitation")?);
        let mut tx = scope.begin().await?;
        invitations::revoke(&mut tx, scope.org.id, invitation, scope.user()?, &scope.cause())
            .await?;
        tx.commit().await?;
        Ok("revoked")
    }
    .await;
    after(&visit, &request, done).await
}

fn role(word: &str) -> Result<Role> {
    word.parse().map_err(|_| {
        let message = "choose a role".to_owned();
        Error::from(Input::InvalidField { field: "role", message })
    })
}

/// The id in the address.
pub(super) fn id(request: &Request, what: &'static str) -> Result<uuid::Uuid> {
    let id = request.raw_path_param("id").and_then(|id| id.parse().ok());
    Ok(id.ok_or(Denied::NotFound(what))?)
}
