//! `GET /login/callback`: back from the identity provider; a session begins.

use poem::http::header;
use poem::{Request, Response};
use serde::Deserialize;
use sqlx::Connection as _;

use super::attempt::{Attempt, Browser};
use super::{CALLBACK, client, own, redirect};
use crate::auth::cookie::{Cookies, Name};
use crate::auth::oidc::Identity;
use crate::auth::{Grant, Granted, SessionId, fits_cookie, known, person};
use crate::errors::{Denied, Error, Result};
use crate::state::{Context, State};

/// What the issuer has the browser bring. A parameter that comes twice is refused by the reader.
#[derive(Deserialize)]
struct Query {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    /// RFC 9207.
    iss: Option<String>,
}

pub(super) async fn finish(request: &Request) -> Result<Response> {
    let context = Context::of(request);
    let Context { state, now, .. } = &context;
    let client = client(state)?;
    let query: Query = request
        .params()
        .map_err(|_| Denied::SignIn("The answer of the identity provider cannot be read"))?;
    let cookies = Cookies::of(&state.options.base_url);
    let browser = cookies.find(request.headers(), Name::SignIn).and_then(Browser::parse);
    let attempt = browser
        .zip(query.state.as_deref())
        .and_then(|(browser, state)| Attempt::of(browser, state, *now))
        .ok_or(Denied::SignIn("This sign-in was begun with another browser, or too long ago"))?;
    // Bounds how many codes strangers have us show to the issuer at once.
    let _room = state.sign_ins.acquire().await.map_err(Error::internal)?;
    let code = code(state, &query).await?;
    let grant = Grant {
        client,
        redirect_uri: &own(&state.options.base_url, CALLBACK),
        code,
        verifier: &attempt.verifier(),
        nonce: &attempt.nonce(),
    };
    let Granted { identity, id_token } = state.verifier.redeem(&grant, *now).await?;

    let had = cookies.find(request.headers(), Name::Session).and_then(SessionId::parse);
    let session = SessionId::new(rand::random());
    begin_session(&context, &identity, &session, had).await?;
    let mut response = redirect(&attempt.return_to)?;
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookies.set(Name::Session, &session.reveal(), None));
    let id_token = if fits_cookie(&id_token) {
        cookies.set(Name::IdToken, &id_token, None)
    } else {
        cookies.clear(Name::IdToken)
    };
    headers.append(header::SET_COOKIE, id_token);
    Ok(response)
}

/// The code, if the issuer gave one, and if it was our issuer.
async fn code<'a>(state: &State, query: &'a Query) -> Result<&'a str> {
    if let Some(iss) = &query.iss
        && *iss != state.verifier.provider().await?.issuer
    {
        return Err(Denied::SignIn("The answer is of another identity provider").into());
    }
    if let Some(error) = &query.error {
        tracing::warn!(error = known(error), "the identity provider refuses a sign-in");
        let reason = match known(error) {
            "access_denied" => "The identity provider did not let you in",
            _ => "The identity provider could not sign you in",
        };
        return Err(Denied::SignIn(reason).into());
    }
    let code = query.code.as_deref().filter(|code| !code.is_empty());
    code.ok_or_else(|| Denied::SignIn("The identity provider gave no code").into())
}

/// The person as they are now, invitations of theirs accepted; then, all or nothing, the new session and the end of the one that
/// the browser had.
async fn begin_session(
    context: &Context,
    identity: &Identity,
    session: &SessionId,
    had: Option<SessionId>,
) -> Result<()> {
    let Context { state, now, .. } = context;
    let mut conn = state.pool.acquire().await?;
    let user = person(&mut conn, identity, &context.request_id, *now).await?;
    let mut tx = conn.begin().await?;
    db::users::set_name(&mut tx, user.id, identity.name.as_deref()).await?;
    if let Some(had) = had {
        db::sessions::end(&mut tx, had.hash()).await?;
    }
    let lifetime = state.options.sessions;
    db::sessions::begin(&mut tx, session.hash(), user.id, lifetime, *now).await?;
    Ok(tx.commit().await?)
}
