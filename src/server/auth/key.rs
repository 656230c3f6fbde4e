//! A public key of the issuer, and what it may verify: fixed when it is read, whatever tokens say.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// 2,048 bits, as NIST SP 800-131A asks.
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// A public key and what it may verify.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

/// The key and its id, if it is one for signatures of an algorithm that we take. Others are passed over: a key
/// set may hold keys for other purposes.
pub(super) fn usable(jwk: serde_json::Value) -> Option<(String, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm)?;
    if let Some(named) = jwk.common.key_algorithm {
        let named = signature(named)?;
        algorithms.retain(|algorithm| *algorithm == named);
    }
    if algorithms.is_empty() {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let kid = jwk.common.key_id.unwrap_or_default();
    Some((kid, Arc::new(Key { decoding, algorithms })))
}

/// What a key of this kind can verify.
fn algorithms(parameters: &AlgorithmParameters) -> Option<Vec<Algorithm>> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(rsa) => (modulus_bytes(&rsa.n) >= RSA_MODULUS_BYTES_MIN)
            .then(|| vec![RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(vec![ES256]),
            EllipticCurve::P384 => Some(vec![ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            (key.curve == EllipticCurve::Ed25519).then(|| vec![EdDSA])
        }
        _ => None,
    }
}

fn modulus_bytes(base64url: &str) -> usize {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(base64url).map_or(0, |n| n.len())
}

fn signature(algorithm: KeyAlgorithm) -> Option<Algorithm> {
    algorithm.to_string().parse().ok()
}
