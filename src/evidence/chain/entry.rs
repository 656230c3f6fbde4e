//! One entry: from a draft to its canonical text and hash, and back.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Action, Actor, ChainId, Error, Hash, Outcome, plain};
use crate::time::{Time, floor_micros, stamp};

/// The version of the canonical text, and the tag that is hashed before it.
pub const CANONICAL_VERSION: &str = "v1";

/// RFC 8785 numbers are doubles: beyond this, neighbouring integers become one text.
const INTEGER_MAX: i64 = 1 << 53;
/// Entries hold ids and digests, not payloads.
const DEPTH_MAX: usize = 32;
const CANONICAL_BYTES_MAX: usize = 64 * 1024;
/// What serde_json reads as something else than a member: an entry with it would never be read again as it was written.
const RESERVED: &str = "$serde_json::";

/// What is to be recorded; the chain adds its position, time and links.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub id: Uuid,
    pub actor: Actor,
    pub action: Action,
    /// Strings, booleans, null, arrays, objects, integers within ±2^53; no NUL, at most 32 levels.
    pub detail: Map<String, Value>,
    /// Where it came from: a request id or a workflow run id.
    pub origin: String,
    pub outcome: Outcome,
}

/// An entry with its place in the chain. The columns and the canonical text say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub chain: ChainId,
    pub seq: i64,
    pub id: Uuid,
    pub actor: Actor,
    pub action: Action,
    pub created_at: Time,
    /// RFC 8785 JSON.
    pub detail: String,
    pub origin: String,
    pub outcome: Outcome,
    pub prev_hash: Option<Hash>,
    pub hash: Hash,
    /// At most 64 KiB.
    pub canonical: String,
}

/// A canonical text, taken apart. Actions and actor types of later versions are kept as words.
#[derive(Debug, Clone, PartialEq)]
pub struct Text<'a> {
    pub chain: ChainId,
    pub seq: i64,
    pub id: Uuid,
    pub actor_type: Cow<'a, str>,
    pub actor_id: Cow<'a, str>,
    pub action: Cow<'a, str>,
    pub created_at: Time,
    /// RFC 8785 JSON of an object.
    pub detail: Cow<'a, str>,
    pub origin: Cow<'a, str>,
    pub outcome: Cow<'a, str>,
    pub prev_hash: Option<Hash>,
}

/// The JSON object whose RFC 8785 form is the canonical text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    action: Cow<'a, str>,
    actor: WireActor<'a>,
    chain: String,
    created_at: String,
    detail: Cow<'a, Map<String, Value>>,
    id: String,
    origin: Cow<'a, str>,
    outcome: Cow<'a, str>,
    // `default` is not given: an absent `prev_hash` is not a null one.
    #[serde(deserialize_with = "Option::deserialize")]
    prev_hash: Option<String>,
    seq: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireActor<'a> {
    id: Cow<'a, str>,
    r#type: Cow<'a, str>,
}

/// SHA-256 over `v1\n` and the canonical text.
pub fn hash(canonical: &str) -> Hash {
    let mut sha = Sha256::new();
    sha.update(CANONICAL_VERSION);
    sha.update("\n");
    sha.update(canonical);
    sha.finalize().into()
}

/// The canonical text of an entry but for its place in the chain, for who can write the rest only when the place is known:
/// `{before_time}{created_at}{before_link}{prev_hash},"seq":{seq}}`, where `created_at` is as [`stamp`] writes it, `prev_hash`
/// is in hexadecimal digits between quotes, or `null`, and `seq` in decimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub before_time: String,
    pub before_link: String,
    /// RFC 8785 JSON.
    pub detail: String,
}

/// What divides a text that has no place. A quote within a value has a backslash before it, so neither stands in one.
const WITHOUT_TIME: &str = r#","created_at":"""#;
const WITHOUT_LINK: &str = r#"null,"seq":0}"#;

impl Frame {
    /// Refuses a draft that fits no place.
    pub fn of(draft: &Draft, chain: ChainId) -> Result<Self, Error> {
        check_text(&draft.origin, "origin")?;
        check_text(&draft.actor.id, "actor.id")?;
        check_detail(&draft.detail)?;
        let text = canonical(&Wire {
            action: draft.action.as_str().into(),
            actor: WireActor {
                id: draft.actor.id.as_str().into(),
                r#type: draft.actor.kind.as_str().into(),
            },
            chain: chain.to_string(),
            created_at: String::new(),
            detail: Cow::Borrowed(&draft.detail),
            id: draft.id.to_string(),
            origin: draft.origin.as_str().into(),
            outcome: draft.outcome.as_str().into(),
            prev_hash: None,
            seq: 0,
        });
        fits(&text)?;
        let time = text.find(WITHOUT_TIME).expect("it has the member");
        let (before_time, rest) = text.split_at(time + WITHOUT_TIME.len() - 1);
        let before_link = rest.strip_suffix(WITHOUT_LINK).expect("these are its last members");
        Ok(Self {
            before_time: before_time.to_owned(),
            before_link: before_link.to_owned(),
            detail: canonical(&draft.detail),
        })
    }

    fn placed(&self, seq: i64, created_at: Time, prev_hash: Option<Hash>) -> String {
        let Self { before_time, before_link, .. } = self;
        let link = prev_hash
            .map_or_else(|| "null".to_owned(), |hash| format!("\"{}\"", hex::encode(hash)));
        format!("{before_time}{}{before_link}{link},\"seq\":{seq}}}", stamp(created_at))
    }
}

/// Puts a draft at its place. `created_at` is cut to microseconds.
pub fn seal(
    draft: Draft,
    chain: ChainId,
    seq: i64,
    created_at: Time,
    prev_hash: Option<Hash>,
) -> Result<Sealed, Error> {
    if !(1..=INTEGER_MAX).contains(&seq) || (seq == 1) != prev_hash.is_none() {
        return Err(Error::Sequence { seq });
    }
    if (seq == 1) != (draft.action == chain.genesis()) {
        return Err(Error::Genesis { chain, seq, action: draft.action });
    }
    let frame = Frame::of(&draft, chain)?;
    let created_at = floor_micros(created_at);
    let canonical = frame.placed(seq, created_at, prev_hash);
    fits(&canonical)?;
    let Draft { id, actor, action, origin, outcome, .. } = draft;
    Ok(Sealed {
        chain,
        seq,
        id,
        actor,
        action,
        created_at,
        detail: frame.detail,
        origin,
        outcome,
        prev_hash,
        hash: hash(&canonical),
        canonical,
    })
}

fn fits(canonical: &str) -> Result<(), Error> {
    if canonical.len() > CANONICAL_BYTES_MAX {
        return Err(Error::TooLarge { bytes: canonical.len(), max: CANONICAL_BYTES_MAX });
    }
    Ok(())
}

impl<'a> Text<'a> {
    /// `None` unless the text is canonical, complete, and something that [`seal`] could have made.
    pub fn parse(canonical_text: &'a str) -> Option<Self> {
        plain::read(canonical_text).or_else(|| Self::parse_any(canonical_text))
    }

    /// [`Self::parse`] by the long way.
    pub(super) fn parse_any(canonical_text: &'a str) -> Option<Self> {
        if canonical_text.len() > CANONICAL_BYTES_MAX {
            return None;
        }
        let wire: Wire<'_> = serde_json::from_str(canonical_text).ok()?;
        check_detail(&wire.detail).ok()?;
        // Writing it again catches what reading forgives: order, spaces, duplicate keys, spellings.
        if canonical(&wire) != canonical_text {
            return None;
        }
        let text = Self {
            chain: wire.chain.parse().ok()?,
            seq: wire.seq,
            id: wire.id.parse().ok()?,
            actor_type: wire.actor.r#type,
            actor_id: wire.actor.id,
            action: wire.action,
            created_at: wire.created_at.parse().ok()?,
            detail: canonical(&*wire.detail).into(),
            origin: wire.origin,
            outcome: wire.outcome,
            prev_hash: match &wire.prev_hash {
                Some(text) => Some(read_hash(text)?),
                None => None,
            },
        };
        let same_spelling = text.chain.to_string() == wire.chain
            && text.id.to_string() == wire.id
            && stamp(text.created_at) == wire.created_at
            && text.prev_hash.map(hex::encode) == wire.prev_hash
            && (1..=INTEGER_MAX).contains(&text.seq);
        same_spelling.then_some(text)
    }

    /// The members of the detail.
    pub fn members(&self) -> Map<String, Value> {
        serde_json::from_str(&self.detail).expect("the detail was read before: it is an object")
    }
}

pub(super) fn read_hash(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

fn canonical(value: &impl Serialize) -> String {
    serde_json_canonicalizer::to_string(value)
        .expect("text keys, and only integers that were checked, always have a canonical form")
}

fn check_text(text: &str, path: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::Nul { path: path.to_owned() });
    }
    Ok(())
}

fn check_detail(detail: &Map<String, Value>) -> Result<(), Error> {
    detail.iter().try_for_each(|(key, value)| check_member("detail", key, value, 1))
}

fn check_member(parent: &str, key: &str, value: &Value, depth: usize) -> Result<(), Error> {
    check_text(key, parent)?;
    if key.starts_with(RESERVED) {
        return Err(Error::Reserved { path: format!("{parent}.{key}") });
    }
    check_value(&format!("{parent}.{key}"), value, depth)
}

fn check_value(path: &str, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::TooDeep { max: DEPTH_MAX });
    }
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::String(text) => check_text(text, path),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= INTEGER_MAX.unsigned_abs() => Ok(()),
            _ => Err(Error::Number { path: path.to_owned() }),
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| check_value(&format!("{path}[{n}]"), item, depth + 1)),
        Value::Object(members) => {
            members.iter().try_for_each(|(key, item)| check_member(path, key, item, depth + 1))
        }
    }
}
