//! RFC 3161 time stamps over `MANIFEST.txt`: asking for one, and reading one.
//!
//! What a token proves, once its signature and certificate are checked: the manifest, and with it every file of the pack, existed at
//! the stated moment. Neither is checked here: whom to trust as an authority is the auditor's choice, and `openssl ts -verify` is
//! their tool (`AUDIT_LOG_VERIFY.md`). Checked here is all that an authority could get wrong or lie about towards us: status, kind of
//! content, imprint, nonce, clock, size. Answers are hostile until they are read.

use chrono::{NaiveDateTime, TimeDelta};
use cms::cert::x509::ext::Extensions;
use cms::cert::x509::spki::AlgorithmIdentifier;
use cms::signed_data::SignedData;
use der::asn1::{Any, Int, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence, Tag, Tagged};
use evidence::time::Time;
use x509_tsp::{Accuracy, MessageImprint, TimeStampReq, TimeStampResp, TspVersion};

/// A token with a whole chain of certificates has a tenth of this.
pub const BYTES_MAX: usize = 64 << 10;

/// How far an authority's clock may be from ours when it answers us.
const CLOCK_MAX: TimeDelta = TimeDelta::hours(1);

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Why an answer is no time stamp, or not one over what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is larger than any time stamp")]
    TooLarge,
    #[error("it is no RFC 3161 answer in DER")]
    NotDer,
    #[error("the authority refused")]
    Refused,
    #[error("it holds no signed token of the RFC 3161 kind")]
    NoToken,
    #[error("its time cannot be read")]
    Time,
    #[error("it is over another hash than SHA-256, or over other bytes")]
    Imprint,
    #[error("it does not repeat the nonce: it answers another request")]
    Nonce,
    #[error("its time is more than an hour off")]
    Clock,
}

/// A request, kept to compare the answer with.
#[derive(Debug)]
pub struct Request {
    der: Vec<u8>,
    sha256: [u8; 32],
    nonce: Vec<u8>,
}

/// What a token says; nothing vouches for it until its signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// To the microsecond at most.
    pub time: Time,
    /// The authority's own number for it, hex.
    pub serial_hex: String,
    /// The policy it was given under, as dotted numbers.
    pub policy: String,
    sha256: Vec<u8>,
    nonce: Option<Vec<u8>>,
}

/// As `x509_tsp::TstInfo`, with the time as it stands there: authorities may give fractions of a second, which that type refuses.
#[derive(Sequence)]
struct TstInfo {
    version: TspVersion,
    policy: ObjectIdentifier,
    message_imprint: MessageImprint,
    serial_number: Int,
    gen_time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    tsa: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

impl Request {
    /// For the bytes with this SHA-256. `nonce` must not have been used before.
    pub fn new(sha256: [u8; 32], mut nonce: [u8; 8]) -> Self {
        // A positive number that needs all eight bytes, so that it has one form only.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier { oid: SHA_256, parameters: Some(Any::null()) },
                hashed_message: OctetString::new(sha256).expect("32 bytes fit"),
            },
            req_policy: None,
            nonce: Some(Int::new(&nonce).expect("eight bytes fit")),
            // The certificates come along, so that the token can be verified with the authority's root alone.
            cert_req: true,
            extensions: None,
        };
        let der = request.to_der().expect("a request always has a DER form");
        Self { der, sha256, nonce: nonce.to_vec() }
    }

    /// The request as it is sent.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The token, if `answer` answers this very request at about `now`.
    pub fn accept(&self, answer: &[u8], now: Time) -> Result<Token, Fault> {
        let token = Token::read(answer)?;
        if !token.is_over(&self.sha256) {
            return Err(Fault::Imprint);
        }
        if token.nonce.as_deref() != Some(&self.nonce) {
            return Err(Fault::Nonce);
        }
        if (token.time - now).abs() > CLOCK_MAX {
            return Err(Fault::Clock);
        }
        Ok(token)
    }
}

impl Token {
    /// Reads an answer (`TimeStampResp`), the form that `openssl ts` calls a reply.
    pub fn read(answer: &[u8]) -> Result<Self, Fault> {
        if answer.len() > BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        let answer = TimeStampResp::from_der(answer).map_err(|_| Fault::NotDer)?;
        // 0: granted; 1: granted with modifications, of which the checks below allow none that matters.
        if answer.status.status as u8 > 1 {
            return Err(Fault::Refused);
        }
        let token = answer.time_stamp_token.ok_or(Fault::NoToken)?;
        if token.content_type != SIGNED_DATA {
            return Err(Fault::NoToken);
        }
        let signed: SignedData = token.content.decode_as().map_err(|_| Fault::NoToken)?;
        let content = signed.encap_content_info;
        if content.econtent_type != TST_INFO || signed.signer_infos.0.is_empty() {
            return Err(Fault::NoToken);
        }
        let info = content.econtent.ok_or(Fault::NoToken)?;
        let info = TstInfo::from_der(info.value()).map_err(|_| Fault::NoToken)?;
        if info.message_imprint.hash_algorithm.oid != SHA_256 {
            return Err(Fault::Imprint);
        }
        Ok(Self {
            time: time(&info.gen_time).ok_or(Fault::Time)?,
            serial_hex: hex::encode(info.serial_number.as_bytes()),
            policy: info.policy.to_string(),
            sha256: info.message_imprint.hashed_message.as_bytes().to_vec(),
            nonce: info.nonce.map(|nonce| nonce.as_bytes().to_vec()),
        })
    }

    /// Whether it is over the bytes with this SHA-256.
    pub fn is_over(&self, sha256: &[u8]) -> bool {
        self.sha256 == sha256
    }
}

/// `YYYYMMDDHHMMSS[.f…]Z`.
fn time(text: &Any) -> Option<Time> {
    if text.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(text.value()).ok()?;
    NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S%.fZ").ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests;
