//! Earlier packs: what already left the house binds what comes later.

use super::Options;
use super::content::Contents;
use super::report::{Checks, Facts, Outcome};
use crate::keys::PublicKey;

const NAME: &str = "continuity";

pub(super) fn check(
    contents: &Contents,
    facts: Option<&Facts>,
    options: &Options,
    checks: &mut Checks,
) {
    let Options { against, keys, .. } = options;
    if against.is_empty() {
        return checks.note(NAME, "no earlier pack was given to compare with (--against)");
    }
    let Some(now) = facts else {
        return checks
            .incomplete(NAME, "this pack says too little to be compared with earlier ones");
    };
    for older in against {
        let name = &older.name;
        let Some(then) = &older.report.pack else {
            checks.incomplete(NAME, format!("{name} cannot be read, so nothing can be compared"));
            continue;
        };
        if older.report.result != Outcome::Ok {
            let result = older.report.result.as_str();
            checks.incomplete(NAME, format!("{name} is itself {result}, so it proves nothing"));
            continue;
        }
        signer(name, then, now, keys, checks);
        compare(name, then, now, contents, checks);
    }
}

fn compare(name: &str, then: &Facts, now: &Facts, contents: &Contents, checks: &mut Checks) {
    if then.chain != now.chain {
        return checks.broken(NAME, format!("{name} is of another chain ({})", then.chain));
    }
    if then.verified_at > now.verified_at {
        return checks.incomplete(
            NAME,
            format!("{name} is younger than this pack; verify that one against this one"),
        );
    }
    if then.head_seq > now.head_seq {
        let (then, now) = (then.head_seq, now.head_seq);
        return checks
            .truncated(NAME, format!("{name} attests entry {then}; the chain now ends at {now}"));
    }
    let seq = then.head_seq;
    let found = hashes(then, contents);
    if found.is_empty() {
        checks.incomplete(
            NAME,
            format!(
                "this pack does not name {name} among the earlier ones, and entry {seq}, which that one attests, lies outside \
                 its excerpt; packs that were built side by side do not know of each other: compare both with a later one, \
                 or ask the running product about entry {seq}"
            ),
        );
    } else if found.iter().all(|hash| *hash == then.head_hash_hex) {
        checks.ok(NAME, format!("the chain still holds entry {seq} as {name} attested it"));
    } else {
        checks.broken(
            NAME,
            format!("the chain was rewritten: entry {seq} has another hash than {name} attested"),
        );
    }
    completed(name, then, contents, checks);
}

/// A key that nobody vouches for can sign anything, a rewritten chain too.
fn signer(name: &str, then: &Facts, now: &Facts, keys: &[PublicKey], checks: &mut Checks) {
    if then.signed_by == now.signed_by {
        return;
    }
    let is_known = |kid: &Option<String>| keys.iter().any(|key| Some(&key.kid) == kid.as_ref());
    if is_known(&then.signed_by) && is_known(&now.signed_by) {
        checks.ok(NAME, format!("{name} was signed by another key; you trust both"));
    } else {
        let detail = format!(
            "{name} was signed by another key, and you do not trust both: get the list of keys from the organisation by \
             another way, and give both with --key"
        );
        checks.incomplete(NAME, detail);
    }
}

/// Everything that this pack says about the hash of the older pack's head.
fn hashes(then: &Facts, contents: &Contents) -> Vec<String> {
    let Some(attestation) = &contents.attestation else { return Vec::new() };
    let previous = attestation
        .previous_attestations
        .iter()
        .filter(|previous| previous.seq == then.head_seq)
        .map(|previous| previous.hash_hex.clone());
    let head = (attestation.head_seq == then.head_seq).then(|| attestation.head_hash_hex.clone());
    let excerpt =
        contents.excerpt.as_ref().and_then(|excerpt| excerpt.at(then.head_seq)).map(hex::encode);
    previous.chain(head).chain(excerpt).collect()
}

/// The chain holds the hashes of finished packs: is the older file the one that was finished?
fn completed(name: &str, then: &Facts, contents: &Contents, checks: &mut Checks) {
    let export = then.export_id.to_string();
    let Some(completed) =
        contents.excerpt.as_ref().and_then(|excerpt| excerpt.completed.get(&export))
    else {
        return;
    };
    let manifest =
        completed.manifest_sha256.as_ref().is_none_or(|sha256| *sha256 == then.manifest_sha256);
    let zip = match (&completed.zip_sha256, &then.zip_sha256) {
        (Some(recorded), Some(actual)) => recorded == actual,
        _ => true,
    };
    if !manifest {
        checks.broken(
            NAME,
            format!("the chain recorded another content for {name} when it was built"),
        );
    } else if !zip {
        checks.note(
            NAME,
            format!("{name} was packed again since it was built; its content is the same"),
        );
    } else {
        checks.ok(NAME, format!("the chain recorded the very hashes of {name} when it was built"));
    }
}
