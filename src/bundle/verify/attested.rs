//! The chain: is the excerpt whole, and does it agree with what is attested?

use evidence::chain::{ChainId, Status};

use super::content::Contents;
use super::excerpt::Excerpt;
use super::report::Checks;
use crate::attestation::Attestation;
use crate::manifest::is_sha256_hex;

pub(super) fn check(contents: &Contents, checks: &mut Checks) {
    let Some(attestation) = &contents.attestation else {
        return checks
            .incomplete("attestation", "chain-attestation.json is not there, or not readable");
    };
    if !attestation.is_known() {
        return checks.incomplete(
            "attestation",
            "its schema is not one this verifier knows; use a newer one",
        );
    }
    itself(attestation, checks);
    neighbours(attestation, contents, checks);
    match &contents.excerpt {
        None => {
            checks.incomplete("chain_excerpt", "audit_events.ndjson is not there, or not readable");
        }
        Some(excerpt) => {
            self::excerpt(excerpt, attestation, contents, checks);
            positions(excerpt, attestation, checks);
        }
    }
    checks.ok_if_silent(
        "attestation",
        format!(
            "the chain had {} entries, all re-hashed; earlier packs named: {}",
            attestation.head_seq,
            attestation.previous_attestations.len()
        ),
    );
}

/// Can its own members be true together?
fn itself(attestation: &Attestation, checks: &mut Checks) {
    let Attestation { head_seq, requested, period, .. } = attestation;
    let mut require = |holds: bool, detail: &str| checks.require(holds, "attestation", detail);
    require(
        attestation.status == Status::Ok,
        "the chain was not found in order when the pack was built",
    );
    require(
        u64::try_from(*head_seq) == Ok(attestation.checked),
        "not every entry up to the head was re-hashed",
    );
    require((1..=*head_seq).contains(&requested.seq), "the request lies outside the chain");
    let bounds = match (period.first_seq, period.last_seq) {
        (None, None) => true,
        (Some(first), Some(last)) => 1 <= first && first <= last && last <= *head_seq,
        _ => false,
    };
    require(bounds, "the entries of the period lie outside the chain");
    let previous = &attestation.previous_attestations;
    let hashes = [&attestation.head_hash_hex, &attestation.genesis_hash_hex, &requested.hash_hex];
    let hex = hashes.into_iter().chain(previous.iter().map(|previous| &previous.hash_hex));
    require(
        hex.into_iter().all(|hash| is_sha256_hex(hash)),
        "a hash is not 64 lower-case hex digits",
    );
    let inside = previous.iter().all(|previous| (1..=*head_seq).contains(&previous.seq));
    require(inside, "an earlier pack lies outside the chain");
    let mut known: Vec<_> =
        previous.iter().map(|previous| (previous.seq, &previous.hash_hex)).collect();
    known.extend([(*head_seq, &attestation.head_hash_hex), (requested.seq, &requested.hash_hex)]);
    known.push((1, &attestation.genesis_hash_hex));
    known.sort_unstable();
    known.dedup();
    let single = known.windows(2).all(|pair| pair[0].0 != pair[1].0);
    require(single, "one entry is said to have two hashes");
}

/// Does it speak of the same organisation and entries as the other files?
fn neighbours(attestation: &Attestation, contents: &Contents, checks: &mut Checks) {
    let mut require = |holds: bool, detail: &str| checks.require(holds, "attestation", detail);
    if let Some(provenance) = &contents.provenance {
        let chain = ChainId::Org(provenance.org.id).to_string();
        require(attestation.chain == chain, "it attests another organisation's chain");
        let ordered = provenance.snapshot.taken_at <= attestation.verified_at;
        require(
            ordered,
            "it is older than the snapshot of the sections: it belongs to another pack",
        );
    }
    if let Some(document) = &contents.data {
        let log = &document.audit_log;
        let same = (log.first_seq, log.last_seq)
            == (attestation.period.first_seq, attestation.period.last_seq);
        require(same, "data.json has other audit entries in the period");
        let chain = &document.chain;
        require(chain.chain == attestation.chain, "data.json names another chain");
        let grown = chain.head_seq < attestation.head_seq
            || (chain.head_seq, &chain.head_hash_hex)
                == (attestation.head_seq, &attestation.head_hash_hex);
        require(grown, "the chain in data.json is ahead of the attested one, or another one");
    }
}

fn excerpt(excerpt: &Excerpt, attestation: &Attestation, contents: &Contents, checks: &mut Checks) {
    let expected = match (attestation.period.first_seq, attestation.period.last_seq) {
        (Some(first), Some(last)) => {
            u64::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or_default()
        }
        _ => 0,
    };
    match excerpt.verdict.status {
        Status::Broken => checks.broken("chain_excerpt", &excerpt.verdict.message),
        Status::Truncated => checks.truncated("chain_excerpt", &excerpt.verdict.message),
        Status::Ok | Status::Empty if excerpt.lines != expected => {
            let lines = excerpt.lines;
            checks.broken(
                "chain_excerpt",
                format!("{lines} entries are there, {expected} are attested"),
            );
        }
        Status::Ok | Status::Empty => {}
    }
    if let (Some((first, last)), Some(provenance)) = (excerpt.times, &contents.provenance) {
        let inside = provenance.period.contains(first) && provenance.period.contains(last);
        checks.require(inside, "chain_excerpt", "it has entries from outside the period");
    }
    if let Some(document) = &contents.data {
        let counted = document.audit_log.entries == excerpt.lines;
        checks.require(counted, "chain_excerpt", "data.json counts other audit entries");
    }
    checks.ok_if_silent(
        "chain_excerpt",
        match excerpt.lines {
            0 => "the chain has no entries in the period".to_owned(),
            _ => format!("{}; every hash and link was computed again", excerpt.verdict.message),
        },
    );
}

/// Every attested position that lies in the excerpt, or just before it, must have the very hash.
fn positions(excerpt: &Excerpt, attestation: &Attestation, checks: &mut Checks) {
    let previous =
        attestation.previous_attestations.iter().map(|previous| (previous.seq, &previous.hash_hex));
    let own = [
        (attestation.head_seq, &attestation.head_hash_hex),
        (attestation.requested.seq, &attestation.requested.hash_hex),
        (1, &attestation.genesis_hash_hex),
    ];
    for (seq, attested) in own.into_iter().chain(previous) {
        if excerpt.at(seq).is_some_and(|hash| hex::encode(hash) != *attested) {
            checks.broken(
                "attestation",
                format!("entry {seq} has another hash in the excerpt than the attested one"),
            );
        }
    }
}
