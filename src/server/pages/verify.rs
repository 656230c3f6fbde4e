//! `/verify`: a page that checks a pack in the browser alone, and the program that does the same without a browser.
//!
//! Invariants
//! - The server only hands out files that are part of it; it gets nothing, and knows nobody who checks.
//! - The page may run its own modules and ask this server for the list of keys, nothing else: no script in the page, no asset
//!   from elsewhere, no form.

use poem::http::{HeaderName, StatusCode, header};
use poem::{Response, Route, get, handler};

/// The page.
const PAGE: &str = "/verify";

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A worker has the policy of its own file, not that of the page: it imports modules, and asks nobody for anything.
const SCRIPT_POLICY: &str = "default-src 'none'; script-src 'self'; frame-ancestors 'none'";

/// A file of the page.
struct Asset {
    path: &'static str,
    kind: &'static str,
    policy: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! script {
    ($name:literal) => {
        Asset {
            path: concat!("/verify/assets/", $name),
            kind: SCRIPT,
            policy: SCRIPT_POLICY,
            text: include_str!(concat!("verify/", $name)),
        }
    };
}

static ASSETS: [Asset; 17] = [
    Asset { path: PAGE, kind: HTML, policy: PAGE_POLICY, text: include_str!("verify/page.html") },
    Asset {
        path: "/verify/assets/page.css",
        kind: "text/css; charset=utf-8",
        policy: SCRIPT_POLICY,
        text: include_str!("verify/page.css"),
    },
    Asset {
        path: "/verify/assets/icon.svg",
        kind: "image/svg+xml",
        policy: SCRIPT_POLICY,
        text: include_str!("verify/icon.svg"),
    },
    Asset {
        path: "/verify/verify_pack.py",
        kind: "text/x-python; charset=utf-8",
        policy: SCRIPT_POLICY,
        text: include_str!("../../../openapi/sdk/python/driftpack_client/verify_pack.py"),
    },
    script!("bytes.mjs"),
    script!("chain.mjs"),
    script!("container.mjs"),
    script!("figures.mjs"),
    script!("json.mjs"),
    script!("page.mjs"),
    script!("report.mjs"),
    script!("shape.mjs"),
    script!("signature.mjs"),
    script!("stamp.mjs"),
    script!("tables.mjs"),
    script!("verify.mjs"),
    script!("worker.mjs"),
];

/// Adds the routes of this module.
pub(crate) fn route(routes: Route) -> Route {
    ASSETS.iter().fold(routes, |routes, asset| routes.at(asset.path, get(serve)))
}

#[handler]
fn serve(request: &poem::Request) -> Response {
    let asset = ASSETS.iter().find(|asset| asset.path == request.original_uri().path());
    let Some(asset) = asset else {
        return Response::builder().status(StatusCode::NOT_FOUND).finish();
    };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CONTENT_SECURITY_POLICY, asset.policy),
        // A new version of the program is a new page at once; a file is asked for again, and small.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let response = headers
        .into_iter()
        .fold(Response::builder(), |response, (name, value)| response.header(name, value));
    response.body(asset.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names after `from` and in `src` or `href` of the files.
    #[test]
    fn every_file_that_the_page_needs_is_served_and_none_comes_from_elsewhere() {
        let served: Vec<_> = ASSETS.iter().map(|asset| asset.path).collect();
        for asset in ASSETS.iter().filter(|asset| asset.kind == SCRIPT) {
            for import in asset.text.lines().filter(|line| line.starts_with("import ")) {
                let name = import.split_once("'./").unwrap().1.trim_end_matches("';");
                assert!(served.contains(&&*format!("/verify/assets/{name}")), "{import}");
            }
            assert!(
                !asset.text.contains("http://") && !asset.text.contains("eval("),
                "{}",
                asset.path
            );
        }
        let page = ASSETS[0].text;
        for part in page.split("src=\"").skip(1).chain(page.split("href=\"").skip(1)) {
            let link = part.split('"').next().unwrap();
            let is_known = served.contains(&link)
                || link.starts_with('#')
                || link == "/.well-known/driftpack-keys.json";
            assert!(is_known, "{link}");
        }
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains(" onclick"));
        assert!(
            page.split("<script").skip(1).all(|script| script.starts_with(" type=\"module\" src="))
        );
    }
}
