//! API keys of an organisation: made, shown once, revoked.

use db::api_keys::{self, Draft};
use evidence::ids::ApiKeyId;
use evidence::org::Scope;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::body::JsonBody;
use super::idempotency::{Answer, IdempotencyKey};
use super::path::Id;
use super::time::{Timestamp, is_in_range};
use super::word::KeyScope;
use super::{Tag, page};
use crate::auth::{ManageApiKeys, OrgScope, ReadSettings, api_key};
use crate::errors::{Denied, Error, Input, Refused, statuses};

/// An API key of an organisation, without the key itself.
#[derive(Debug, Object)]
pub(crate) struct ApiKey {
    id: Uuid,
    name: String,
    scopes: Vec<KeyScope>,
    /// Id of the user who made it.
    created_by: Uuid,
    created_at: Timestamp,
    /// From then on it opens nothing; null: it ends only by being revoked.
    #[oai(nullable)]
    expires_at: Option<Timestamp>,
    /// Null: it is not revoked.
    #[oai(nullable)]
    revoked_at: Option<Timestamp>,
    /// To the minute; null: never.
    #[oai(nullable)]
    last_used_at: Option<Timestamp>,
}

/// A part of the list of API keys.
#[derive(Debug, Object)]
pub(crate) struct ApiKeyList {
    api_keys: Vec<ApiKey>,
    /// Length of the whole list.
    total: u64,
    limit: u32,
    offset: u32,
}

/// An API key to be made.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct ApiKeyRequest {
    /// 1 to 200 characters without control characters.
    name: String,
    /// What the key may do: one or both, each once. `write` does not include `read`.
    scopes: Vec<KeyScope>,
    /// In the future; null or left out: it ends only by being revoked.
    #[oai(nullable)]
    expires_at: Option<Timestamp>,
}

/// A new API key, with the key itself.
#[derive(Debug, Object)]
pub(crate) struct CreatedApiKey {
    api_key: ApiKey,
    /// The secret, in this answer and never again: `dw2_` and 43 letters and digits.
    key: String,
}

#[derive(ApiResponse)]
enum Created {
    /// The key; keep it now, nobody can read it back.
    #[oai(status = 201)]
    ApiKey(Json<CreatedApiKey>),
}

#[derive(ApiResponse)]
enum Revoked {
    /// It opens nothing any more, also when it was revoked before.
    #[oai(status = 204)]
    Gone,
}

statuses! {
    ListErrors = [400, 401, 403, 404, 500, 503];
    CreateErrors = [400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503];
    GetErrors = [401, 403, 404, 500, 503];
    RevokeErrors = [401, 403, 404, 429, 500, 503];
}

pub(crate) struct Api;

#[OpenApi(prefix_path = "/api/v2", tag = "Tag::ApiKeys")]
impl Api {
    /// List API keys
    ///
    /// Newest first, revoked and expired ones too; never the keys themselves. Every member.
    #[oai(path = "/orgs/:org_id/api-keys", method = "get", operation_id = "listApiKeys")]
    async fn list(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// 1 to 1000; 50 unless given.
        limit: Query<Option<u32>>,
        /// How many to leave out.
        offset: Query<Option<u32>>,
    ) -> Result<Json<ApiKeyList>, Refused<ListErrors>> {
        let slice = page::slice(limit.0, offset.0)?;
        let mut tx = scope.begin().await?;
        let page = api_keys::page(&mut tx, scope.org.id, slice).await?;
        tx.commit().await?;
        let db::Slice { limit, offset } = slice;
        let api_keys = page.rows.into_iter().map(ApiKey::from).collect();
        Ok(Json(ApiKeyList { api_keys, total: page.total, limit, offset }))
    }

    /// Create an API key
    ///
    /// Owners and admins, signed in with the identity provider. The key itself is in this answer and nowhere else: only its HMAC is kept. Whoever loses the answer revokes the key and makes another one; the same Idempotency-Key again is refused, as the key is not kept.
    #[oai(path = "/orgs/:org_id/api-keys", method = "post", operation_id = "createApiKey")]
    async fn create(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ManageApiKeys>,
        /// 1 to 255 printable ASCII characters. The same key with the same request within 24 hours gives the same answer and does nothing again.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: JsonBody<ApiKeyRequest>,
    ) -> Result<Created, Refused<CreateErrors>> {
        let asked = key.asked(&scope, &body.0.to_json_string());
        let scopes: Vec<Scope> = body.0.scopes.into_iter().map(Into::into).collect();
        let minted = api_key::mint(rand::random());
        let draft = Draft {
            name: &body.0.name,
            key_hmac: scope.context.state.pepper.hmac(&minted),
            scopes: &scopes,
            created_by: scope.user()?,
            expires_at: expires_at(body.0.expires_at)?,
        };
        let mut tx = scope.begin().await?;
        if let Some(created) = asked.answered(&mut tx).await? {
            return Ok(Created::ApiKey(Json(created)));
        }
        let made = api_keys::create(&mut tx, scope.org.id, draft, &scope.cause()).await?;
        let created = CreatedApiKey { api_key: made.into(), key: minted };
        asked.keep(&mut tx, &created).await?;
        tx.commit().await?;
        Ok(Created::ApiKey(Json(created)))
    }

    /// Get an API key
    ///
    /// Without the key itself. Every member.
    #[oai(path = "/orgs/:org_id/api-keys/:api_key_id", method = "get", operation_id = "getApiKey")]
    async fn get(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ReadSettings>,
        /// The API key.
        api_key_id: Id,
    ) -> Result<Json<ApiKey>, Refused<GetErrors>> {
        let mut tx = scope.begin().await?;
        let found = api_keys::find(&mut tx, scope.org.id, ApiKeyId(api_key_id.0)).await?;
        tx.commit().await?;
        Ok(Json(found.ok_or(Denied::NotFound("API key"))?.into()))
    }

    /// Revoke an API key
    ///
    /// Owners and admins, signed in with the identity provider. The next request with it is refused. Revoking it again changes nothing.
    #[oai(
        path = "/orgs/:org_id/api-keys/:api_key_id",
        method = "delete",
        operation_id = "revokeApiKey"
    )]
    async fn revoke(
        &self,
        /// The organisation.
        #[oai(name = "org_id")]
        scope: OrgScope<ManageApiKeys>,
        /// The API key.
        api_key_id: Id,
    ) -> Result<Revoked, Refused<RevokeErrors>> {
        let (org, id) = (scope.org.id, ApiKeyId(api_key_id.0));
        let mut tx = scope.begin().await?;
        if !api_keys::revoke(&mut tx, org, id, &scope.cause()).await?
            && api_keys::find(&mut tx, org, id).await?.is_none()
        {
            return Err(Denied::NotFound("API key").into());
        }
        tx.commit().await?;
        Ok(Revoked::Gone)
    }
}

/// A time that the database can count with; whether it lies in the future is asked there.
fn expires_at(asked: Option<Timestamp>) -> Result<Option<evidence::time::Time>, Error> {
    match asked {
        Some(at) if !is_in_range(at.0) => {
            let message = "expires_at must lie before the year 10000".to_owned();
            Err(Input::InvalidField { field: "expires_at", message }.into())
        }
        asked => Ok(asked.map(|at| at.0)),
    }
}

impl Answer for CreatedApiKey {
    const IS_SHOWN_ONCE: bool = true;

    fn status(&self) -> u16 {
        201
    }
}

impl From<api_keys::ApiKey> for ApiKey {
    fn from(key: api_keys::ApiKey) -> Self {
        Self {
            id: key.id.0,
            name: key.name,
            scopes: key.scopes.0.into_iter().map(Into::into).collect(),
            created_by: key.created_by.0,
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Into::into),
            revoked_at: key.revoked_at.map(Into::into),
            last_used_at: key.last_used_at.map(Into::into),
        }
    }
}
