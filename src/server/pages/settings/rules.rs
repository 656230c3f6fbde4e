//! Custom rules: how drift is graded here, before the built-in rules are asked.

use askama::Template;
use db::rules::{self, Rule, Settings};
use evidence::ids::{OrgId, RuleId};
use poem::http::StatusCode;
use poem::{Request, Response, Route, get, post};
use serde::Deserialize;

use super::frame::{Frame, Notice, Place};
use super::members::id;
use super::pager::Pager;
use super::visit::Visit;
use super::{answer, form, page};
use crate::auth::{ChangeSettings, OrgScope, ReadSettings};
use crate::errors::{Denied, Error, Input, Result};

const PATH: &str = "/orgs/:slug/settings/custom-rules";

pub(super) fn route(routes: Route) -> Route {
    routes
        .at(PATH, get(page!(show)).post(page!(create)))
        .at(format!("{PATH}/:id"), post(page!(change)))
        .at(format!("{PATH}/:id/delete"), post(page!(delete)))
}

#[derive(Template)]
#[template(path = "settings/rules.html")]
struct Page {
    frame: Frame,
    rules: Vec<Rule>,
    pager: Pager,
    next_position: i32,
    barred: Option<String>,
}

impl Page {
    fn is_at(path: &str) -> bool {
        path == "custom-rules"
    }

    fn attribute(rule: &Rule) -> String {
        rule.attribute_pattern.clone().unwrap_or_default()
    }

    fn drift_type(rule: &Rule) -> String {
        rule.drift_type.map_or_else(String::new, |kind| kind.to_string())
    }
}

async fn show(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let scope = visit.org::<ReadSettings>(&request).await?;
    let notice = form::query(&request).get("done").and_then(|done| match done.as_str() {
        "created" => Some("The rule grades the scans that come from now on."),
        "changed" => Some("Changed. Its versions are kept, and packs show the one that held."),
        "deleted" => Some("It grades nothing any more. What it said stays on record."),
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
    let mut tx = scope.begin().await?;
    let mut pager = Pager::of(request, "page");
    let rules = pager.take(rules::page(&mut tx, scope.org.id, pager.slice()).await?);
    let next_position = next_position(&mut tx, scope.org.id, pager.total()).await?;
    tx.commit().await?;
    let page = Page {
        frame: Frame::new(visit, Some(&scope.org.slug), Place::Settings, "Custom rules")
            .saying(notice),
        rules,
        pager,
        next_position,
        barred: scope.may::<ChangeSettings>().err().map(|error| error.message()),
    };
    answer::html(status, &page)
}

/// Behind the last one, with room between them.
async fn next_position(tx: &mut db::OrgTx, org: OrgId, total: u64) -> Result<i32> {
    let offset = u32::try_from(total.saturating_sub(1)).unwrap_or(u32::MAX);
    let last = rules::page(tx, org, db::Slice { limit: 1, offset }).await?.rows;
    Ok(last.first().map_or(0, |rule| rule.position).saturating_add(10))
}

async fn after(visit: &Visit, request: &Request, done: Result<&'static str>) -> Result<Response> {
    let scope = visit.org::<ReadSettings>(request).await?;
    match done {
        Ok(done) => {
            answer::redirect(&format!("/orgs/{}/settings/custom-rules?done={done}", scope.org.slug))
        }
        Err(error) => {
            let status = poem::error::ResponseError::status(&error);
            render(visit, &scope, request, Some(Notice::refused(&error)), status).await
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    position: String,
    resource_pattern: String,
    attribute_pattern: String,
    drift_type: String,
    risk_level: String,
    reason: String,
    enabled: Option<String>,
}

impl Asked {
    fn settings(self) -> Result<Settings> {
        let refused = |field, message: &str| {
            Error::from(Input::InvalidField { field, message: message.to_owned() })
        };
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let drift_type = some(&self.drift_type).map(|word| word.parse());
        Ok(Settings {
            name: self.name.trim().to_owned(),
            position: self
                .position
                .trim()
                .parse()
                .map_err(|_| refused("position", "the position must be a whole number"))?,
            resource_pattern: self.resource_pattern.trim().to_owned(),
            attribute_pattern: some(&self.attribute_pattern),
            drift_type: drift_type
                .transpose()
                .map_err(|_| refused("drift_type", "choose a kind of drift, or any"))?,
            risk_level: self
                .risk_level
                .parse()
                .map_err(|_| refused("risk_level", "choose a level, or ignore"))?,
            reason: self.reason.trim().to_owned(),
            enabled: self.enabled.is_some(),
        })
    }
}

async fn create(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ChangeSettings>(&request).await?;
        let mut tx = scope.begin().await?;
        rules::create(&mut tx, scope.org.id, &asked.settings()?, &scope.cause()).await?;
        tx.commit().await?;
        Ok("created")
    }
    .await;
    after(&visit, &request, done).await
}

async fn change(request: Request) -> Result<Response> {
    let (request, asked) = form::read::<Asked>(request).await?;
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ChangeSettings>(&request).await?;
        let (rule, settings) = (RuleId(id(&request, "custom rule")?), asked.settings()?);
        let mut tx = scope.begin().await?;
        rules::change(&mut tx, scope.org.id, rule, |_| settings, &scope.cause()).await?;
        tx.commit().await?;
        Ok("changed")
    }
    .await;
    after(&visit, &request, done).await
}

async fn delete(request: Request) -> Result<Response> {
    let visit = Visit::of(&request).await?;
    let done = async {
        let scope = visit.org::<ChangeSettings>(&request).await?;
        let rule = RuleId(id(&request, "custom rule")?);
        let mut tx = scope.begin().await?;
        if !rules::delete(&mut tx, scope.org.id, rule, &scope.cause()).await? {
            return Err(Denied::NotFound("custom rule").into());
        }
        tx.commit().await?;
        Ok("deleted")
    }
    .await;
    after(&visit, &request, done).await
}
