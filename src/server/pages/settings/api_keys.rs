//! API keys: made, shown once, revoked.

use askama::Template;
use db::api_keys::{self, ApiKey, Draft};
use evidence::ids::ApiKeyId;
use evidence::org::Scope;
use evidence::time::Time;
use poem::http::StatusCode;
use poem::{Request, Response, Route, get, post};
use serde::Deserialize;

use super::frame::{Frame, Notice, Place};
use super::members::id;
use super::pager::Pager;
use super::visit::Visit;
use super::{answer, form, page};
use crate::auth::{ManageApiKeys, OrgScope, ReadSettings, api_key};
use crate::errors::{Denied, Error, Input, Result};
use crate::pages::text;

const PATH: &str = "/orgs/:slug/settings/api-keys";

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(show)).post(page!(create)))
        .at(format!("{PATH}/:id/revoke"), post(page!(revoke)))
}

#[derive(Template)]
#[template(path = "settings/api_keys.html")]
struct Page {
    frame: Frame,
    now: Time,
    keys: Vec<ApiKey>,
    pager: Pager,
    barred: Option<String>,
    /// A key that was just made, in this answer and never again.
    minted: Option<String>,
    /// Where a pipeline sends scans to.
    address: String,
}

impl Page {
    fn is_at(path: &str) -> bool {
        path == "api-keys"
    }

    fn scopes(key: &ApiKey) -> String {
        key.scopes.0.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn has_expired(&self, key: &ApiKey) -> bool {
        key.expires_at.is_some_and(|at| at <= self.now)
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadSettings>(&request).await?;
    let is_revoked = form::query(&request).contains_key("revoked");
    let notice = is_revoked.then(|| Notice::done("The next request with this key is refused."));
    render(&visit, &scope, &request, (notice, None), StatusCode::OK).await
}

async fn render(
    visit: &Visit,
    scope: &OrgScope<ReadSettings>,
    request: &Request,
    (notice, minted): (Option<Notice>, Option<String>),
    status: StatusCode,
) -> Result<Response> {
    let mut tx = scope.begin().await?;
    let mut pager = Pager::of(request, "page");
    let keys = pager.take(api_keys::page(&mut tx, scope.org.id, pager.slice()).await?);
    tx.commit().await?;
    let base_url = scope.context.state.options.base_url.as_str().trim_end_matches('/');
    let page = Page {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Settings, "API keys").saying(notice),
        now: scope.context.now,
        keys,
        pager,
        barred: scope.may::<ManageApiKeys>().err().map(|error| error.message()),
        minted,
        address: format!("{base_url}/api/v2/orgs/{}/scans?state_source=prod", scope.org.id),
    };
    answer::html(status, &page)
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    read: Option<String>,
    write: Option<String>,
    expires_in_days: String,
}

async fn create(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ManageApiKeys>(&request).await?;
        let chosen = [(asked.read.is_some(), Scope::Read), (asked.write.is_some(), Scope::Write)];
        let scopes: Vec<_> = chosen
            .into_iter()
            .filter_map(|(is_chosen, scope)| is_chosen.then_some(scope))
            .collect();
        let minted = api_key::mint(rand::random());
        let draft = Draft {
            name: asked.name.trim(),
            key_hmac: scope.context.state.pepper.hmac(&minted),
            scopes: &scopes,
            created_by: scope.user()?,
            expires_at: expires_at(&asked.expires_in_days, scope.context.now)?,
        };
        let mut tx = scope.begin().await?;
        api_keys::create(&mut tx, scope.org.id, draft, &scope.cause()).await?;
        tx.commit().await?;
        Ok(minted)
    }
    .await;
    let scope = visit.org::<ReadSettings>(&request).await?;
    match done {
        // In the answer itself, never in an address: what is shown once must not lie in a history.
        Ok(minted) => {
            render(&visit, &scope, &request, (None, Some(minted)), StatusCode::CREATED).await
        }
        Err(error) => {
            let status = poem::error::ResponseError::status(&error);
            render(&visit, &scope, &request, (Some(Notice::refused(&error)), None), status).await
        }
    }
}

/// Empty: never.
fn expires_at(days: &str, now: Time) -> Result<Option<Time>> {
    if days.trim().is_empty() {
        return Ok(None);
    }
    let days = days.trim().parse::<i64>().ok().filter(|days| (1..=3650).contains(days));
    let days = days.ok_or_else(|| {
        let message = "the days must be 1 to 3650, or left out".to_owned();
        Error::from(Input::InvalidField { field: "expires_in_days", message })
    })?;
    Ok(Some(now + chrono::Duration::days(days)))
}

async fn revoke(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ManageApiKeys>(&request).await?;
    let (org, key) = (scope.org.id, ApiKeyId(id(&request, "API key")?));
    let mut tx = scope.begin().await?;
    if !api_keys::revoke(&mut tx, org, key, &scope.cause()).await?
        && api_keys::find(&mut tx, org, key).await?.is_none()
    {
        return Err(Denied::NotFound("API key").into());
    }
    tx.commit().await?;
    answer::redirect(&format!("/orgs/{}/settings/api-keys?revoked=1", scope.org.slug))
}
