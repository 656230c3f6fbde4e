//! The caller of a request, whatever organisation it is about.

use db::Cause;
use db::api_keys::ApiKey;
use db::users::{Profile, User};
use evidence::action::Actor;
use evidence::time::Time;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use sqlx::PgConnection;

use super::api_key;
use super::credentials::Credentials;
use super::csrf::Standing;
use super::oidc::Identity;
use super::session::SessionId;
use super::signed_in::SignedIn;
use crate::errors::{Denied, Result, describe};
use crate::state::{Context, State};

/// Somebody whose credentials were verified.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Person(User),
    Key(ApiKey),
}

impl Caller {
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Person(user) => Actor::user(user.id),
            Self::Key(key) => Actor::api_key(key.id),
        }
    }

    /// Counts a request that may change something against what its caller may.
    pub(super) async fn pace(&self, request: &Request, state: &State) -> Result<()> {
        if request.method().is_safe() {
            return Ok(());
        }
        let actor = self.actor();
        state.limiter.pace(&format!("{}:{}", actor.kind, actor.id)).await
    }

    /// Verifies the request's credentials.
    pub(super) async fn of(request: &Request, state: &State, now: Time) -> Result<Self> {
        match Credentials::of(request, &state.options.base_url)? {
            Credentials::Token(token) => {
                Self::person(state, token, &Context::of(request).request_id, now).await
            }
            Credentials::Key(key) => Self::key(state, key, now).await,
            Credentials::Session(id) => Self::browser(request, state, &id, now).await,
        }
    }

    pub(super) async fn browser(
        request: &Request,
        state: &State,
        id: &SessionId,
        now: Time,
    ) -> Result<Self> {
        let mut conn = state.pool.acquire().await?;
        let lifetime = state.options.sessions;
        let user = db::sessions::find(&mut conn, id.hash(), lifetime, now).await?;
        let user = user.ok_or(Denied::Unauthorized("The session has ended; sign in at /login"))?;
        match Standing::of(request) {
            Standing::Proven => Ok(Self::Person(user)),
            Standing::Refused(reason) => Err(Denied::Forged(reason).into()),
        }
    }

    async fn person(state: &State, token: &str, origin: &str, now: Time) -> Result<Self> {
        let identity = state.verifier.verify(token, now).await?;
        let mut conn = state.pool.acquire().await?;
        Ok(Self::Person(person(&mut conn, &identity, origin, now).await?))
    }

    async fn key(state: &State, text: &str, now: Time) -> Result<Self> {
        const UNKNOWN: Denied = Denied::Unauthorized("The API key is unknown, revoked or expired");
        if !api_key::is_well_formed(text) {
            return Err(UNKNOWN.into());
        }
        let mut tx = state.pool.begin().await?;
        let hmacs = state.pepper.hmacs(text);
        let found = db::api_keys::find_by_hmac(&mut tx, &hmacs, now).await?;
        let key = found.ok_or(UNKNOWN)?;
        db::scope(&mut tx, key.org_id).await?;
        db::api_keys::restore(&mut tx, key.org_id, key.id, &hmacs).await?;
        db::api_keys::touch(&mut tx, key.org_id, key.id, now).await?;
        tx.commit().await?;
        Ok(Self::Key(key))
    }
}

/// The user whom the identity provider has just vouched for, in the request `origin`.
pub(crate) async fn person(
    conn: &mut PgConnection,
    identity: &Identity,
    origin: &str,
    now: Time,
) -> Result<User> {
    let Identity { iss, sub, email, .. } = identity;
    let profile = Profile { iss, sub, email: email.as_deref() };
    let login = db::users::log_in(conn, profile, origin, now).await?;
    for (org, error) in login.refused {
        tracing::error!(%org, cause = %describe(&error), "an invitation cannot be accepted");
    }
    Ok(login.user)
}

pub(super) const OIDC: &str = "oidc";
pub(super) const API_KEY: &str = "api_key";

const OIDC_DESCRIPTION: &str = "An access token of the configured OIDC issuer: a person. A browser that has signed in at /login \
sends the cookie of its session instead, and with everything that changes something the session's token as X-CSRF-Token.";

/// Names the ways to sign in.
pub(super) fn register_schemes(registry: &mut Registry) {
    let scheme = |ty, description| MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    let oidc = scheme("http", OIDC_DESCRIPTION);
    registry.create_security_scheme(
        OIDC,
        MetaSecurityScheme { scheme: Some("bearer"), bearer_format: Some("JWT"), ..oidc },
    );
    let key = scheme(
        "apiKey",
        "A machine of one organisation; the key may also be sent as a bearer token.",
    );
    registry.create_security_scheme(
        API_KEY,
        MetaSecurityScheme { name: Some("x-api-key"), key_in: Some("header"), ..key },
    );
}

/// Any verified caller.
pub(crate) struct Anyone {
    pub(crate) caller: Caller,
    pub(crate) context: Context,
}

/// A person who administers the platform.
pub(crate) struct PlatformAdmin {
    actor: Actor,
    pub(crate) context: Context,
}

impl PlatformAdmin {
    /// For a person at a browser.
    pub(crate) async fn of_person(request: &Request, person: &SignedIn) -> Result<Self> {
        Self::admit(request, &Caller::Person(person.user.clone())).await
    }

    async fn admit(request: &Request, caller: &Caller) -> Result<Self> {
        let context = Context::of(request);
        let user = match caller {
            Caller::Key(_) => return Err(Denied::OidcRequired.into()),
            Caller::Person(user) if !user.is_platform_admin => {
                return Err(Denied::PlatformAdminRequired.into());
            }
            Caller::Person(user) => user,
        };
        caller.pace(request, &context.state).await?;
        Ok(Self { actor: Actor::operator(&user.id.to_string()), context })
    }

    /// Opaque, as the audit log names them.
    pub(crate) fn id(&self) -> &str {
        &self.actor.id
    }

    /// Who causes a change, from which request, and when.
    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.actor.clone(), self.context.request_id.clone(), self.context.now)
    }
}

impl<'a> ApiExtractor<'a> for Anyone {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![OIDC, API_KEY]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = Context::of(request);
        let caller = Caller::of(request, &context.state, context.now).await?;
        caller.pace(request, &context.state).await?;
        Ok(Self { caller, context })
    }
}

impl<'a> ApiExtractor<'a> for PlatformAdmin {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register_schemes(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![OIDC]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = Context::of(request);
        let caller = Caller::of(request, &context.state, context.now).await?;
        Ok(Self::admit(request, &caller).await?)
    }
}
