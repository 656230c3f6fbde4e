//! The codes that the development issuer has given out: in memory, each good once and for a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use evidence::time::Time;
use sha2::{Digest, Sha256};

const SECONDS: i64 = 60;
/// More is no person choosing.
const CODES_MAX: usize = 1000;

/// What a code stands for.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) email: String,
    pub(super) nonce: Option<String>,
    /// PKCE, by the method S256.
    pub(super) challenge: String,
}

/// The codes that may still be redeemed.
#[derive(Default)]
pub(super) struct Codes(Mutex<HashMap<String, (Grant, Time)>>);

impl Codes {
    /// A fresh code; `None` when too many are out.
    pub(super) fn give(&self, grant: Grant, now: Time) -> Option<String> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, (_, given_at)| !is_over(*given_at, now));
        if codes.len() >= CODES_MAX {
            return None;
        }
        let code = BASE64.encode(rand::random::<[u8; 32]>());
        codes.insert(code.clone(), (grant, now));
        Some(code)
    }

    /// What the code stands for. It is gone afterwards, also for who shows a wrong secret.
    pub(super) fn redeem(&self, code: &str, verifier: &str, now: Time) -> Option<Grant> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (grant, given_at) = codes.remove(code)?;
        let fits = BASE64.encode(Sha256::digest(verifier)) == grant.challenge;
        (fits && !is_over(given_at, now)).then_some(grant)
    }
}

fn is_over(given_at: Time, now: Time) -> bool {
    (now - given_at).num_seconds() > SECONDS
}
