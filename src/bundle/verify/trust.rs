//! The signature: does it cover exactly these entries, and whose is it?

use evidence::pack;

use super::content::Contents;
use super::report::Checks;
use crate::attestation::Attestation;
use crate::keys::PublicKey;

/// The id of the key whose signature was found right.
pub(super) fn check(
    contents: &Contents,
    pinned: &[PublicKey],
    checks: &mut Checks,
) -> Option<String> {
    let Some(attestation) = &contents.attestation else {
        checks.incomplete("signature", "there is no readable attestation that could be signed");
        return None;
    };
    if attestation.signature.is_none() {
        if pinned.is_empty() {
            checks.incomplete(
                "signature",
                "the pack is not signed: whoever had it could have changed it",
            );
        } else {
            checks.broken(
                "signature",
                "the pack is not signed, and you expect it to be signed by your key",
            );
        }
        return None;
    }
    let named = named_key(contents, checks);
    let keys = if pinned.is_empty() { named.as_slice() } else { pinned };
    if keys.is_empty() {
        checks.incomplete("signature", "the pack does not hold the public key; give it with --key");
        return None;
    }
    let key = match attestation.verify(&contents.hashes(), keys) {
        Ok(key) => key,
        Err(error) => {
            checks.broken("signature", format!("{error}{}", hint(attestation, pinned)));
            return None;
        }
    };
    envelope(key, attestation, checks);
    checks.ok_if_silent(
        "signature",
        "it covers every entry as it is, and the attested chain position",
    );
    trust(key, attestation, pinned, checks);
    if let Some(named) = named.first().filter(|named| named.kid != key.kid) {
        checks.broken("trust", format!("provenance.json names another key ({})", named.kid));
    }
    Some(key.kid.clone())
}

/// The envelope around the signed text is not signed itself: it must not say more than is so.
fn envelope(key: &PublicKey, attestation: &Attestation, checks: &mut Checks) {
    let signatures = attestation.signature.iter().flat_map(|envelope| &envelope.signatures);
    let ids: Vec<_> = signatures.map(|signature| signature.keyid.as_str()).collect();
    checks.require(ids.len() == 1, "signature", "there is more than the one signature");
    let named = ids.iter().all(|id| *id == key.kid);
    checks.require(named, "trust", "the signature names another key than the one that made it");
}

/// The key that the pack itself names; not more than a claim.
fn named_key(contents: &Contents, checks: &mut Checks) -> Vec<PublicKey> {
    let Some(named) =
        contents.provenance.as_ref().and_then(|provenance| provenance.signing_key.as_ref())
    else {
        return Vec::new();
    };
    match named.public() {
        Ok(key) => vec![key],
        Err(error) => {
            checks.broken("trust", format!("{}: {error}", pack::PROVENANCE));
            Vec::new()
        }
    }
}

fn hint(attestation: &Attestation, pinned: &[PublicKey]) -> String {
    let Some(signature) =
        attestation.signature.as_ref().and_then(|envelope| envelope.signatures.first())
    else {
        return String::new();
    };
    if pinned.is_empty() || pinned.iter().any(|key| key.kid == signature.keyid) {
        return String::new();
    }
    let yours: Vec<_> = pinned.iter().map(|key| key.kid.as_str()).collect();
    format!(" (it names the key {}; you trust {})", signature.keyid, yours.join(", "))
}

fn trust(key: &PublicKey, attestation: &Attestation, pinned: &[PublicKey], checks: &mut Checks) {
    let kid = &key.kid;
    if pinned.is_empty() {
        checks.note(
            "trust",
            format!(
                "trust on first use: the pack brought its own key {kid}, so the signature shows that the entries belong \
                 together, not who signed them. Get the key id from the organisation by another way, then give the key \
                 with --key"
            ),
        );
    } else if key.is_valid_at(attestation.verified_at) {
        checks.ok("trust", format!("signed by {kid}, a key you trust"));
    } else {
        checks.broken("trust", format!("the key {kid} was not valid when the pack was signed"));
    }
}
