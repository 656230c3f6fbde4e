//! The page of signing out. It works without scripts.

use askama::Template;

use crate::auth::csrf;

/// Who is signed in, and the button that ends it.
#[derive(Template)]
#[template(path = "leave.html")]
pub(super) struct Leave {
    pub(super) assets: String,
    pub(super) who: Option<String>,
    pub(super) csrf_token: String,
}

impl Leave {
    const FIELD: &str = csrf::FIELD;
}
