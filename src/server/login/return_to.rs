//! The path to come back to after a sign-in: one of this service, whatever was asked for.

use url::Url;

/// Where a browser goes that was on its way to nowhere.
pub(super) const HOME: &str = "/";
const BYTES_MAX: usize = 1024;

/// `wanted`, if it is a path of this service; else [`HOME`].
pub(super) fn local(base_url: &Url, wanted: Option<&str>) -> String {
    wanted.and_then(|wanted| path(base_url, wanted)).unwrap_or_else(|| HOME.to_owned())
}

/// What a browser would make of it is read by the parser that browsers agree on, and must lie on our host; what
/// it reads in surprising ways is refused before.
fn path(base_url: &Url, wanted: &str) -> Option<String> {
    let is_plain = wanted.len() <= BYTES_MAX
        && wanted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_plain || !wanted.starts_with('/') || wanted.starts_with("//") {
        return None;
    }
    let url = base_url.join(wanted).ok().filter(|url| url.origin() == base_url.origin())?;
    let is_of_sign_in = [super::LOGIN, super::LOGOUT].iter().any(|own| {
        url.path().strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    // As the parser wrote it, so that nobody reads it otherwise; dots may have left slashes at the start.
    let path = url[url::Position::BeforePath..].to_owned();
    (!is_of_sign_in && !path.starts_with("//")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(wanted: &str) -> String {
        local(&Url::parse("https://packs.example").unwrap(), Some(wanted))
    }

    #[test]
    fn a_path_of_ours_is_kept() {
        for path in ["/", "/orgs/acme?tab=a%20b&x=/y#top", "/a/b", "/loginx", "/a@b", "/a:b"] {
            assert_eq!(to(path), path);
        }
        assert_eq!(to("/a/../b"), "/b");
    }

    #[test]
    fn nothing_leads_elsewhere() {
        let long = format!("/{}", "a".repeat(BYTES_MAX));
        for wanted in [
            "",
            "https://evil.example",
            "https:evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e//evil.example",
            "javascript:alert(1)",
            "evil.example",
            "@evil.example",
            "/\r\nLocation: https://evil.example",
            "/\u{2044}evil.example",
            "/login",
            "/login/callback?code=x",
            "/logout",
            &long,
        ] {
            assert_eq!(to(wanted), HOME, "{wanted:?}");
        }
        assert_eq!(local(&Url::parse("https://packs.example").unwrap(), None), HOME);
    }
}
