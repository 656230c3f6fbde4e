//! A sign-in under way, kept by the browser and by nobody else.
//!
//! The browser holds a random secret in a cookie; `state`, `nonce` and the secret of PKCE are made of it. So several tabs may
//! sign in at once, any process may finish what another began, and strangers cannot fill a table.
//!
//! Invariants
//! - A `state` is taken only from the browser that it was made for, and for ten minutes.
//! - `nonce` and PKCE's secret belong to one `state`, and nobody can work them out who has not the cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use evidence::time::Time;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A person may look for their second factor.
pub(super) const SECONDS: i64 = 600;
/// The longest path to return to, encoded twice, and the rest.
const STATE_BYTES_MAX: usize = 8 * 1024;

/// The secret of one browser.
#[derive(Clone)]
pub(super) struct Browser([u8; 32]);

impl Browser {
    pub(super) fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        BASE64.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// For the cookie.
    pub(super) fn reveal(&self) -> String {
        BASE64.encode(self.0)
    }

    fn derive(&self, purpose: &str, payload: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("driftpack {purpose} {payload}").as_bytes());
        mac
    }
}

/// One sign-in of one browser.
pub(super) struct Attempt {
    browser: Browser,
    /// As it stands in the state.
    payload: String,
    pub(super) return_to: String,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    random: String,
    /// Seconds since 1970.
    began_at: i64,
    return_to: String,
}

impl Attempt {
    pub(super) fn new(browser: Browser, return_to: String, random: [u8; 16], now: Time) -> Self {
        let payload = Payload {
            random: BASE64.encode(random),
            began_at: now.timestamp(),
            return_to: return_to.clone(),
        };
        let payload = serde_json::to_vec(&payload).expect("plain strings and a number");
        Self { browser, payload: BASE64.encode(payload), return_to }
    }

    /// The attempt that a state stands for, if it is one of this browser and not over.
    pub(super) fn of(browser: Browser, state: &str, now: Time) -> Option<Self> {
        if state.len() > STATE_BYTES_MAX {
            return None;
        }
        let (payload, mac) = state.split_once('.')?;
        browser.derive("state", payload).verify_slice(&BASE64.decode(mac).ok()?).ok()?;
        let read: Payload = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
        let is_over = now.timestamp() - read.began_at > SECONDS;
        let payload = payload.to_owned();
        (!is_over).then_some(Self { browser, payload, return_to: read.return_to })
    }

    pub(super) fn state(&self) -> String {
        format!("{}.{}", self.payload, self.secret("state"))
    }

    pub(super) fn nonce(&self) -> String {
        self.secret("nonce")
    }

    /// PKCE's `code_verifier`: 43 characters of base64url.
    pub(super) fn verifier(&self) -> String {
        self.secret("pkce")
    }

    /// PKCE's `code_challenge` by the method S256.
    pub(super) fn challenge(&self) -> String {
        BASE64.encode(Sha256::digest(self.verifier()))
    }

    fn secret(&self, purpose: &str) -> String {
        BASE64.encode(self.browser.derive(purpose, &self.payload).finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        "2026-03-01T12:00:00Z".parse::<Time>().unwrap() + chrono::Duration::seconds(seconds)
    }

    fn attempt(random: u8) -> Attempt {
        Attempt::new(Browser::new([1; 32]), "/docs".to_owned(), [random; 16], at(0))
    }

    #[test]
    fn an_attempt_comes_back_from_its_state_with_the_same_secrets() {
        let begun = attempt(1);
        let back = Attempt::of(Browser::new([1; 32]), &begun.state(), at(SECONDS)).unwrap();
        assert_eq!(back.return_to, "/docs");
        assert_eq!((back.nonce(), back.verifier()), (begun.nonce(), begun.verifier()));
        let all = [begun.nonce(), begun.verifier(), begun.challenge(), begun.state()];
        assert!(all.iter().enumerate().all(|(n, one)| !all[n + 1..].contains(one)));
        assert_ne!(attempt(2).nonce(), begun.nonce());
        assert_ne!(attempt(2).verifier(), begun.verifier());
        assert_eq!(begun.verifier().len(), 43);
    }

    #[test]
    fn a_state_of_another_browser_an_old_one_and_a_changed_one_are_not_taken() {
        let state = attempt(1).state();
        let (payload, mac) = state.split_once('.').unwrap();
        let other = BASE64.encode(r#"{"random":"","began_at":9999999999,"return_to":"/x"}"#);
        assert!(Attempt::of(Browser::new([2; 32]), &state, at(0)).is_none());
        assert!(Attempt::of(Browser::new([1; 32]), &state, at(SECONDS + 1)).is_none());
        for forged in [
            format!("{other}.{mac}"),
            format!("{payload}."),
            payload.to_owned(),
            String::new(),
            format!("{payload}.{mac}.{mac}"),
            "a".repeat(100_000),
        ] {
            assert!(Attempt::of(Browser::new([1; 32]), &forged, at(0)).is_none(), "{forged}");
        }
    }
}
