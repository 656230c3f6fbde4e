//! What pages load: the style, the script and the font, from the program itself.
//!
//! Invariant: an address names its bytes (it holds their hash), so browsers may keep them for ever.

use std::sync::LazyLock;

use poem::http::{StatusCode, header};
use poem::{Request, Response, Route, get};
use sha2::{Digest as _, Sha256};

use crate::errors::{Denied, Result};

/// Name, media type, bytes.
const ASSETS: [(&str, &str, &[u8]); 3] = [
    ("app.css", "text/css; charset=utf-8", include_bytes!("assets/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_bytes!("assets/app.js")),
    // Inter, by The Inter Project Authors, under the SIL Open Font License 1.1 (assets/inter.LICENSE.txt).
    ("inter.woff2", "font/woff2", include_bytes!("assets/inter.woff2")),
];

/// Changes with any of the bytes.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (_, _, bytes) in ASSETS {
        hash.update(bytes);
    }
    hex::encode(&hash.finalize()[..8])
});

/// The folder of the assets of this program.
pub(crate) fn folder() -> String {
    format!("/assets/{}", *VERSION)
}

pub(super) fn route(routes: Route) -> Route {
    routes.at("/assets/:version/:name", get(super::page!(show)))
}

async fn show(request: Request) -> Result<Response> {
    let name = request.raw_path_param("name").unwrap_or_default();
    let is_current = request.raw_path_param("version") == Some(VERSION.as_str());
    let asset = ASSETS.into_iter().find(|(known, ..)| is_current && *known == name);
    let (_, media_type, bytes) = asset.ok_or(Denied::NotFound("asset"))?;
    Ok(Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .body(bytes))
}
