//! The secret that a signed-in browser holds, and what is made of it.
//!
//! Invariants
//! - The id is 32 random bytes of ours, never one that a browser brought: nobody can plant one.
//! - What is stored, and what stands in forms, are hashes of it under different names: neither gives the other, or the id.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use db::sessions::IdHash;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The id of a session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    /// An id from 32 random bytes.
    pub(crate) fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// What the cookie says, if it can be an id at all.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        BASE64.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// For the cookie.
    pub(crate) fn reveal(&self) -> String {
        BASE64.encode(self.0)
    }

    /// What is stored and looked up: there is no comparison of secrets, so nothing to time.
    pub(crate) fn hash(&self) -> IdHash {
        self.derive("driftpack session").finalize().into_bytes().into()
    }

    /// What a form of this session's pages must bring back. Another site can make a browser send the cookie, but
    /// cannot read the page that holds this.
    pub(crate) fn csrf_token(&self) -> String {
        BASE64.encode(self.derive("driftpack csrf").finalize().into_bytes())
    }

    /// Whether `token` is [`Self::csrf_token`]; takes the same time wherever it differs.
    pub(crate) fn has_csrf_token(&self, token: &str) -> bool {
        BASE64
            .decode(token)
            .is_ok_and(|bytes| self.derive("driftpack csrf").verify_slice(&bytes).is_ok())
    }

    fn derive(&self, purpose: &str) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_from_its_cookie_and_shows_nowhere_else() {
        let id = SessionId::new([7; 32]);
        assert_eq!(SessionId::parse(&id.reveal()), Some(id.clone()));
        assert_eq!(format!("{id:?}"), "SessionId(..)");
        for text in ["", "a", "====", &"A".repeat(42), &"A".repeat(44), &"é".repeat(43)] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_token_of_a_form_belongs_to_one_session_and_is_not_what_is_stored() {
        let (one, two) = (SessionId::new([1; 32]), SessionId::new([2; 32]));
        assert!(one.has_csrf_token(&one.csrf_token()));
        for token in [two.csrf_token(), one.reveal(), BASE64.encode(one.hash()), String::new()] {
            assert!(!one.has_csrf_token(&token), "{token}");
        }
    }
}
