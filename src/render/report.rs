//! What the report says: the one input of [`crate::html`].
//!
//! Numbers come from `evidence::pack::Summary`, the model behind `data.json`; nothing is counted here.

use evidence::control::Control;
use evidence::ids::ExportId;
use evidence::pack::Summary;
use evidence::time::Time;

/// A Compliance Pack, told to a person.
#[derive(Debug, Clone)]
pub struct Report {
    pub export: ExportId,
    pub file_name: String,
    pub requester: Requester,
    pub product: Product,
    pub summary: Summary,
    /// From when on history is whole, where the period begins before that: retention has removed what was earlier.
    pub history_from: Option<Time>,
    pub controls: Vec<Control>,
    pub chain: Attested,
    /// The data entries of the pack that have rows.
    pub entries: Vec<Entry>,
    pub paper: Paper,
}

/// What the report is printed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paper {
    /// 210 mm × 297 mm.
    #[default]
    A4,
    /// 8.5 in × 11 in.
    Letter,
}

impl Paper {
    /// The size as CSS names it.
    pub(crate) fn css(self) -> &'static str {
        match self {
            Self::A4 => "A4",
            Self::Letter => "letter",
        }
    }
}

impl std::str::FromStr for Paper {
    type Err = UnknownPaper;

    fn from_str(text: &str) -> Result<Self, UnknownPaper> {
        match text {
            "a4" => Ok(Self::A4),
            "letter" => Ok(Self::Letter),
            _ => Err(UnknownPaper),
        }
    }
}

/// Not one of the sizes that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the paper must be `a4` or `letter`")]
pub struct UnknownPaper;

/// Who asked for the pack, and when.
#[derive(Debug, Clone)]
pub struct Requester {
    /// An e-mail address where one is known, else the id of the person.
    pub name: String,
    /// The role at the time of the request.
    pub role: Option<String>,
    pub at: Time,
}

/// What built the pack.
#[derive(Debug, Clone)]
pub struct Product {
    pub name: String,
    pub version: String,
    pub build: String,
}

/// The state of the audit chain at the time of the pack; hashes in lower-case hexadecimal.
#[derive(Debug, Clone)]
pub struct Attested {
    /// `ok`, `broken`, `truncated` or `empty`.
    pub status: String,
    /// The moment that it speaks of: every entry that was there then was re-hashed, later, while the pack was built.
    pub verified_at: Time,
    pub checked: u64,
    pub head_seq: Option<i64>,
    pub head_hash_hex: Option<String>,
    pub genesis_hash_hex: Option<String>,
    /// The entry that records the request for this pack.
    pub requested_seq: Option<i64>,
    /// How many earlier packs were found to lie on the chain.
    pub previous_packs: u64,
    /// Where the live chain can be asked.
    pub verify_url: String,
    /// The key that signs the attestation.
    pub key_id: String,
}

/// An entry of the pack that holds rows.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: String,
    pub rows: u64,
}
