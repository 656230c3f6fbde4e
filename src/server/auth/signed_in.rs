//! The person at a browser that is signed in, for pages.
//!
//! Invariant: on a request that changes something there is a `SignedIn` only after [`super::csrf`] was asked, so a page that
//! acts for somebody cannot forget to.

use db::users::User;
use poem::Request;

use super::caller::Caller;
use super::cookie::{Cookies, Name};
use super::session::SessionId;
use crate::errors::{Denied, Error, Result};
use crate::state::Context;

/// A person at a browser.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    session: SessionId,
}

impl SignedIn {
    /// `None`: nobody is signed in with this browser, or not any more.
    ///
    /// Errors when the request would change something and was not made by a page of this session.
    pub(crate) async fn find(request: &Request) -> Result<Option<Self>> {
        let context = Context::of(request);
        let cookies = Cookies::of(&context.state.options.base_url);
        let cookie = cookies.find(request.headers(), Name::Session);
        let Some(session) = cookie.and_then(SessionId::parse) else { return Ok(None) };
        match Caller::browser(request, &context.state, &session, context.now).await {
            Ok(Caller::Person(user)) => Ok(Some(Self { user, session })),
            Ok(Caller::Key(_)) | Err(Error::Denied(Denied::Unauthorized(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn session(&self) -> &SessionId {
        &self.session
    }

    /// For the field [`super::csrf::FIELD`] of every form of a page.
    pub(crate) fn csrf_token(&self) -> String {
        self.session.csrf_token()
    }
}
