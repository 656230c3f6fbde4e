//! Custom risk rules of an organisation.

mod row;

use db::rules::{self, Settings};
use evidence::ids::RuleId;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{ApiResponse, OpenApi};

use super::body::JsonBody;
use super::given::{cleared, given};
use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::{Tag, page};
use crate::auth::{ChangeSettings, OrgScope, ReadSettings};
use crate::errors::{Denied, Refused, Result, statuses};
use row::{CustomRule, CustomRuleChange, CustomRuleList, CustomRuleRequest};

#[derive(ApiResponse)]
enum Created {
    /// The rule.
    #[oai(status = 201)]
    CustomRule(Json<CustomRule>),
}

#[derive(ApiResponse)]
enum Deleted {
    /// It grades nothing any more; its versions stay.
    #[oai(status = 204)]
    Gone,
}

statuses! {
    ListErrors = [400, 401, 403, 404, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    WriteErrors = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
    DeleteErrors = [401, 403, 404, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::CustomRules")]
impl Api {
    /// List custom rules
    ///
    /// In the order in which they are asked. Every member.
    #[oai(path = "/orgs/:org_id/custom-rules", method = "get", operation_id = "listCustomRules")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
    ) -> Result<Json<CustomRuleList>, Refused<ListErrors>> {
        let slice = page::slice(limit.0, offset.0)?;
        let mut tx = scope.begin().await?;
        let page = rules::page(&mut tx, scope.org.id, slice).await?;
        tx.commit().await?;
        Ok(Json(CustomRuleList::new(page, slice)))
    }

    /// Create a custom rule
    ///
    /// Owners and admins, signed in with the identity provider. It grades the scans that come from now on.
    #[oai(path = "/orgs/:org_id/custom-rules", method = "post", operation_id = "createCustomRule")]
    async fn create(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ChangeSettings>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<CustomRuleRequest>,
    ) -> Result<Created, Refused<WriteErrors>> {
        let asked = key.asked(&scope, &body.0.to_json_string());
        let settings = body.0.settings()?;
        let mut tx = scope.begin().await?;
        if let Some(rule) = asked.answered(&mut tx).await? {
            return Ok(Created::CustomRule(Json(rule)));
        }
        let made = rules::create(&mut tx, scope.org.id, &settings, &scope.cause()).await?;
        let rule = CustomRule::from(made);
        asked.keep(&mut tx, &rule).await?;
        tx.commit().await?;
        Ok(Created::CustomRule(Json(rule)))
    }

    /// Get a custom rule
    ///
    /// Every member.
    #[oai(
        path = "/orgs/:org_id/custom-rules/:rule_id",
        method = "get",
        operation_id = "getCustomRule"
    )]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// The rule.
        rule_id: Id,
    ) -> Result<Json<CustomRule>, Refused<GetErrors>> {
        let mut tx = scope.begin().await?;
        let found = rules::find(&mut tx, scope.org.id, RuleId(rule_id.0)).await?;
        tx.commit().await?;
        Ok(Json(found.ok_or(Denied::NotFound("custom rule"))?.into()))
    }

    /// Change a custom rule
    ///
    /// Owners and admins, signed in with the identity provider. Every version is kept, with who made it and when; what changes nothing makes none.
    #[oai(
        path = "/orgs/:org_id/custom-rules/:rule_id",
        method = "patch",
        operation_id = "changeCustomRule"
    )]
    async fn change(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ChangeSettings>,
        /// The rule.
        rule_id: Id,
        body: JsonBody<CustomRuleChange>,
    ) -> Result<Json<CustomRule>, Refused<WriteErrors>> {
        let change = change(body.0)?;
        let mut tx = scope.begin().await?;
        let (org, id) = (scope.org.id, RuleId(rule_id.0));
        let changed = rules::change(&mut tx, org, id, change, &scope.cause()).await?;
        tx.commit().await?;
        Ok(Json(changed.into()))
    }

    /// Delete a custom rule
    ///
    /// Owners and admins, signed in with the identity provider. Its name is free; what it said stays on record.
    #[oai(
        path = "/orgs/:org_id/custom-rules/:rule_id",
        method = "delete",
        operation_id = "deleteCustomRule"
    )]
    async fn delete(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ChangeSettings>,
        /// The rule.
        rule_id: Id,
    ) -> Result<Deleted, Refused<DeleteErrors>> {
        let mut tx = scope.begin().await?;
        let id = RuleId(rule_id.0);
        if !rules::delete(&mut tx, scope.org.id, id, &scope.cause()).await? {
            return Err(Denied::NotFound("custom rule").into());
        }
        tx.commit().await?;
        Ok(Deleted::Gone)
    }
}

impl Answer for CustomRule {
    fn status(&self) -> u16 {
        201
    }
}

fn change(asked: CustomRuleChange) -> Result<impl FnOnce(Settings) -> Settings> {
    let name = given("name", asked.name)?;
    let position = given("position", asked.position)?;
    let resource_pattern = given("resource_pattern", asked.resource_pattern)?;
    let attribute_pattern = cleared(asked.attribute_pattern);
    let drift_type = cleared(asked.drift_type).map(|word| word.map(Into::into));
    let risk_level = given("risk_level", asked.risk_level)?.map(Into::into);
    let reason = given("reason", asked.reason)?;
    let enabled = given("enabled", asked.enabled)?;
    Ok(move |before: Settings| Settings {
        name: name.unwrap_or(before.name),
        position: position.unwrap_or(before.position),
        resource_pattern: resource_pattern.unwrap_or(before.resource_pattern),
        attribute_pattern: attribute_pattern.unwrap_or(before.attribute_pattern),
        drift_type: drift_type.unwrap_or(before.drift_type),
        risk_level: risk_level.unwrap_or(before.risk_level),
        reason: reason.unwrap_or(before.reason),
        enabled: enabled.unwrap_or(before.enabled),
    })
}
