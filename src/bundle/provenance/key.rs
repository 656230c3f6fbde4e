//! The key that signed, as the pack's maker names it.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::keys::PublicKey;

/// A public key, also as PEM for stock tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationKey {
    pub kid: String,
    pub alg: String,
    /// The 32 raw bytes, base64.
    pub public_key: String,
    pub pem: String,
}

impl VerificationKey {
    pub fn of(key: &PublicKey) -> Result<Self, Error> {
        let pem = key.to_pem()?;
        let PublicKey { kid, alg, public_key, .. } = key.clone();
        Ok(Self { kid, alg, public_key, pem })
    }

    /// The key, if its four members belong together.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let key = PublicKey::from_text(&self.pem)?;
        if (&key.kid, &key.alg, &key.public_key) == (&self.kid, &self.alg, &self.public_key) {
            Ok(key)
        } else {
            Err(Error::Key("its PEM text is another key than its public_key"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    #[test]
    fn a_key_whose_members_disagree_is_refused() {
        let key = |byte| VerificationKey::of(&SigningKey::generate([byte; 32]).public()).unwrap();
        assert!(key(1).public().is_ok());
        assert!(VerificationKey { pem: key(2).pem, ..key(1) }.public().is_err());
    }
}
