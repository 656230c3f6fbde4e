//! API keys: `dw2_` and 32 random bytes in base62. Shown once; only an HMAC is kept.
//!
//! Looking a key up by its HMAC needs no comparison of secrets, so there is nothing to time.

use std::fmt;

use db::api_keys::Hmacs;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(crate) const PREFIX: &str = "dw2_";

/// 62^43 > 2^256: every key has this many digits.
const DIGITS: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The secret under which keys are stored. Without it a stolen table opens nothing.
///
/// While it is exchanged there are two: keys are stored under the one in force and found under both.
#[derive(Clone)]
pub struct Pepper {
    in_force: Vec<u8>,
    accepted: Option<Vec<u8>>,
}

/// A pepper that is too easy to guess.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pepper must have at least {} bytes", Pepper::BYTES_MIN)]
pub struct Weak;

impl Pepper {
    pub const BYTES_MIN: usize = 32;

    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, Weak> {
        Ok(Self { in_force: strong(secret.into())?, accepted: None })
    }

    /// The same, which also finds keys that are stored under `other`.
    pub fn accepting(self, other: impl Into<Vec<u8>>) -> Result<Self, Weak> {
        Ok(Self { accepted: Some(strong(other.into())?), ..self })
    }

    /// HMAC-SHA-256 of a key under the pepper in force: what is stored.
    pub fn hmac(&self, key: &str) -> [u8; 32] {
        hmac(&self.in_force, key)
    }

    /// As what a key may be stored: what is looked up.
    pub fn hmacs(&self, key: &str) -> Hmacs {
        let accepted = self.accepted.as_ref().map(|secret| hmac(secret, key));
        Hmacs { in_force: self.hmac(key), accepted }
    }
}

fn strong(secret: Vec<u8>) -> Result<Vec<u8>, Weak> {
    if secret.len() < Pepper::BYTES_MIN { Err(Weak) } else { Ok(secret) }
}

fn hmac(secret: &[u8], key: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(key.as_bytes());
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(..)")
    }
}

/// A key from 32 random bytes; the caller brings the randomness and shows the key once.
pub fn mint(random: [u8; 32]) -> String {
    let mut digits = [b'0'; DIGITS];
    let mut number = random;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::from(divide(&mut number, 62))];
    }
    format!("{PREFIX}{}", String::from_utf8_lossy(&digits))
}

/// Whether a text can be a key at all; saves a look-up for what cannot.
pub(super) fn is_well_formed(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Divides a big-endian number in place; gives the remainder.
fn divide(number: &mut [u8; 32], by: u16) -> u8 {
    let mut rest = 0;
    for byte in number {
        let value = rest * 256 + u16::from(*byte);
        *byte = u8::try_from(value / by)
            .expect("the rest is below the divisor, so the digit is below 256");
        rest = value % by;
    }
    u8::try_from(rest).expect("a remainder of 62 is below 62")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_the_same_shape() {
        for random in [[0; 32], [0xff; 32], [7; 32]] {
            assert!(is_well_formed(&mint(random)), "{}", mint(random));
        }
        assert_eq!(mint([0; 32]), format!("dw2_{}", "0".repeat(43)));
        let mut one = [0; 32];
        one[31] = 63;
        assert_eq!(mint(one), format!("dw2_{}11", "0".repeat(41)));
    }

    #[test]
    fn different_bytes_make_different_keys() {
        let mut last_bit = [0xff; 32];
        last_bit[31] = 0xfe;
        assert_ne!(mint([0xff; 32]), mint(last_bit));
    }

    #[test]
    fn what_is_no_key_is_not_looked_up() {
        for text in ["", "dw2_", "dw2_short", "eyJhbGciOiJub25lIn0.e30."] {
            assert!(!is_well_formed(text), "{text}");
        }
        assert!(!is_well_formed(&format!("dw2_{}", "-".repeat(43))));
    }

    #[test]
    fn the_stored_form_depends_on_key_and_pepper() {
        let pepper = |byte: u8| Pepper::new([byte; 32]).unwrap();
        assert_ne!(pepper(1).hmac("a"), pepper(1).hmac("b"));
        assert_ne!(pepper(1).hmac("a"), pepper(2).hmac("a"));
        assert_eq!(Pepper::new([1; 31]).unwrap_err(), Weak);
        assert_eq!(format!("{:?}", pepper(1)), "Pepper(..)");
        let both = pepper(2).accepting([1; 32]).unwrap();
        assert_eq!(both.hmac("a"), pepper(2).hmac("a"));
        assert_eq!(both.hmacs("a").in_force, pepper(2).hmac("a"));
        assert_eq!(both.hmacs("a").accepted, Some(pepper(1).hmac("a")));
        assert_eq!(pepper(1).hmacs("a").accepted, None);
        assert_eq!(pepper(1).accepting([1; 31]).unwrap_err(), Weak);
    }
}
