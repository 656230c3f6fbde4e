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
    pub controls: Vec<Control>,
    pub chain: Attested,
    /// The data entries of the pack that have rows.
    pub entries: Vec<Entry>,
}

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
