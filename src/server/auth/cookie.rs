//! The cookies of this service: their names, how they are set, and how they are read.
//!
//! Invariants
//! - No script can read one, and no other site's request carries one but for following a link (`SameSite=Lax`).
//! - Over HTTPS no other host, not even a subdomain, can set one (`__Host-`, which also asks for `Secure` and `Path=/`).
//! - A cookie that comes twice does not count: which of two is ours must not be a guess.

use poem::http::{HeaderMap, HeaderValue, header};
use url::Url;

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Who is signed in.
    Session,
    /// Which browser began to sign in.
    SignIn,
    /// The ID token, which the issuer wants to see at a sign-out. Sent to nobody but `/logout`.
    IdToken,
}

/// How cookies are written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cookies {
    is_secure: bool,
}

impl Cookies {
    /// As fits the address under which browsers reach the service.
    pub(crate) fn of(base_url: &Url) -> Self {
        Self { is_secure: base_url.scheme() == "https" }
    }

    pub(crate) fn name(self, name: Name) -> &'static str {
        match (name, self.is_secure) {
            (Name::Session, true) => "__Host-driftpack_session",
            (Name::Session, false) => "driftpack_session",
            (Name::SignIn, true) => "__Host-driftpack_sign_in",
            (Name::SignIn, false) => "driftpack_sign_in",
            // `__Host-` would ask for the path `/`.
            (Name::IdToken, true) => "__Secure-driftpack_id_token",
            (Name::IdToken, false) => "driftpack_id_token",
        }
    }

    /// The header that sets a cookie. `value` is of the alphabet of base64url and `.`. Without `max_age_seconds` the
    /// browser forgets it when it is closed.
    pub(crate) fn set(self, name: Name, value: &str, max_age_seconds: Option<i64>) -> HeaderValue {
        let (path, same_site) = match name {
            Name::IdToken => ("/logout", "Strict"),
            _ => ("/", "Lax"),
        };
        let mut text =
            format!("{}={value}; Path={path}; HttpOnly; SameSite={same_site}", self.name(name));
        if self.is_secure {
            text.push_str("; Secure");
        }
        if let Some(seconds) = max_age_seconds {
            text.push_str("; Max-Age=");
            text.push_str(&seconds.to_string());
        }
        HeaderValue::try_from(text).expect("base64url is plain ASCII")
    }

    /// The header that makes the browser forget a cookie.
    pub(crate) fn clear(self, name: Name) -> HeaderValue {
        self.set(name, "", Some(0))
    }

    /// The value of a cookie, if the request brings it, once.
    pub(crate) fn find(self, headers: &HeaderMap, name: Name) -> Option<&str> {
        let wanted = self.name(name);
        let mut found = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, value)| *name == wanted && !value.is_empty())
            .map(|(_, value)| value);
        let value = found.next()?;
        found.next().is_none().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(base: &str) -> Cookies {
        Cookies::of(&Url::parse(base).unwrap())
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn over_https_a_cookie_belongs_to_this_host_alone_and_no_script_sees_it() {
        let text = cookies("https://packs.example").set(Name::Session, "abc", None);
        assert_eq!(text, "__Host-driftpack_session=abc; Path=/; HttpOnly; SameSite=Lax; Secure");
        let text = cookies("https://packs.example").set(Name::IdToken, "a.b.c", None);
        assert_eq!(
            text,
            "__Secure-driftpack_id_token=a.b.c; Path=/logout; HttpOnly; SameSite=Strict; Secure"
        );
        let text = cookies("http://127.0.0.1:1").clear(Name::Session);
        assert_eq!(text, "driftpack_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_not_when_it_comes_twice() {
        let cookies = cookies("http://127.0.0.1:1");
        let find = |lines: &[&str]| cookies.find(&headers(lines), Name::Session).map(str::to_owned);
        assert_eq!(find(&["a=b; driftpack_session=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(find(&["a=b", "driftpack_session=x"]).as_deref(), Some("x"));
        for lines in [
            &["driftpack_session=x; driftpack_session=y"][..],
            &["driftpack_session=x", "driftpack_session=x"],
            &["__Host-driftpack_session=x"],
            &["driftpack_session="],
            &["driftpack_session"],
            &["Driftpack_session=x"],
            &[],
        ] {
            assert_eq!(find(lines), None, "{lines:?}");
        }
    }
}
