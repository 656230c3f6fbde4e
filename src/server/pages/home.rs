//! `/`: what this is, to strangers; to members the way to their organisation.

use askama::Template;
use poem::http::StatusCode;
use poem::{Request, Response};

use super::frame::{Frame, Place};
use super::visit::Visit;
use super::{answer, asset};
use crate::auth::SignedIn;
use crate::errors::Result;
use crate::state::Context;

/// Nobody is signed in.
#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    assets: String,
    can_sign_in: bool,
}

/// Somebody who is a member of nothing, or of several organisations.
#[derive(Template)]
#[template(path = "orgs.html")]
struct Orgs {
    frame: Frame,
    visit: Visit,
}

pub(super) async fn show(request: Request) -> Result<Response> {
    if SignedIn::find(&request).await?.is_none() {
        let can_sign_in = Context::of(&request).state.options.sign_in.is_some();
        return answer::html(StatusCode::OK, &Home { assets: asset::folder(), can_sign_in });
    }
    let visit = Visit::of(&request).await?;
    match visit.orgs.as_slice() {
        [only] => answer::redirect(&format!("/orgs/{}", only.slug)),
        [] if visit.person.user.is_platform_admin => answer::redirect("/ops/runs"),
        _ => {
            let frame = Frame::new(&visit, None, Place::Nowhere, "Organisations");
            answer::html(StatusCode::OK, &Orgs { frame, visit })
        }
    }
}
