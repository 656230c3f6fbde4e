//! The audit chain, its attestation, the signature, and earlier packs.

use super::super::{Chain, attestation, attested_at, chain, earlier, rewritten, with_chain};
use super::{Damage, Sample, cover_up, damage, swap, without_line};
use crate::attestation::{Attestation, Previous};
use crate::keys::SigningKey;
use crate::verify::Outcome::{Broken, Incomplete, Ok, Truncated};

pub(super) const DAMAGES: &[Damage] = &[
    damage(
        "an audit entry changed",
        &["manifest", "chain_excerpt", "signature"],
        Broken,
        |sample| {
            swap(sample, "audit_events.ndjson", "second", "zweite");
        },
    ),
    damage("an audit entry changed + key", &["chain_excerpt"], Broken, |sample| {
        swap(sample, "audit_events.ndjson", "second", "zweite");
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("an audit entry removed + key", &["chain_excerpt"], Broken, |sample| {
        without_line(sample, "audit_events.ndjson", 2);
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("two audit entries swapped + key", &["chain_excerpt"], Broken, |sample| {
        let mut lines = sample.audit_lines();
        lines.swap(1, 2);
        sample.put("audit_events.ndjson", (lines.join("\n") + "\n").into_bytes());
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("an audit entry written another way + key", &["chain_excerpt"], Broken, |sample| {
        swap(sample, "audit_events.ndjson", "{\"action\"", "{ \"action\"");
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("the last audit entry lost", &["chain_excerpt", "manifest"], Broken, |sample| {
        without_line(sample, "audit_events.ndjson", 4);
    }),
    damage(
        "an attestation of another chain + key",
        &["attestation", "chain_excerpt"],
        Broken,
        |sample| {
            sample.sign(Attestation { chain: "platform".to_owned(), ..attestation() });
            sample.list();
        },
    ),
    damage("a head behind the sections + key", &["attestation"], Broken, |sample| {
        sample.sign(Attestation { head_seq: 11, checked: 11, ..attestation() });
        sample.list();
    }),
    damage("a chain that was not in order + key", &["attestation"], Broken, |sample| {
        let status = evidence::chain::Status::Broken;
        sample.sign(Attestation { status, ..attestation() });
        sample.list();
    }),
    damage("an attestation of another pack", &["manifest", "signature"], Broken, |sample| {
        let mut other = sample.clone();
        without_line(&mut other, "controls.csv", 1);
        other.sign_again();
        sample.put("chain-attestation.json", other.get("chain-attestation.json").to_vec());
    }),
    damage("an attestation of another pack, manifest anew", &["signature"], Broken, |sample| {
        let mut other = sample.clone();
        without_line(&mut other, "controls.csv", 1);
        other.sign_again();
        sample.put("chain-attestation.json", other.get("chain-attestation.json").to_vec());
        sample.list();
    }),
    damage("signed by another key", &["signature"], Broken, |sample| {
        let key = std::mem::replace(&mut sample.key, SigningKey::generate([9; 32]));
        sample.sign_again();
        sample.key = key;
    }),
    damage("a member twice in the attestation", &["attestation"], Broken, |sample| {
        swap(
            sample,
            "chain-attestation.json",
            "  \"head_seq\"",
            "  \"head_seq\": 1,\n  \"head_seq\"",
        );
        sample.list();
    }),
    damage("an unknown version + key", &["attestation"], Incomplete, |sample| {
        sample.sign(Attestation {
            schema: "driftpack.chain-attestation/v9".to_owned(),
            ..attestation()
        });
        sample.list();
    }),
    damage("an earlier head just before the excerpt + key", &["attestation"], Broken, |sample| {
        let export_id = evidence::ids::ExportId(uuid::Uuid::from_u128(7));
        let earlier = Previous { export_id, seq: 3, hash_hex: chain().hash_hex(2) };
        sample.sign(Attestation { previous_attestations: vec![earlier], ..attestation() });
        sample.list();
    }),
    damage("the audit log emptied + key", &["chain_excerpt"], Broken, |sample| {
        sample.put("audit_events.ndjson", Vec::new());
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("the last two audit entries cut off + key", &["chain_excerpt"], Broken, |sample| {
        for line in [4, 3] {
            without_line(sample, "audit_events.ndjson", line);
        }
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("an audit entry invented + key", &["chain_excerpt"], Broken, |sample| {
        let mut lines = sample.audit_lines();
        lines.push(lines[4].clone());
        sample.put("audit_events.ndjson", (lines.join("\n") + "\n").into_bytes());
        cover_up(sample, "audit_events.ndjson");
    }),
    damage("CRLF line ends in the audit log + key", &["chain_excerpt"], Broken, |sample| {
        sample.edit("audit_events.ndjson", |text| text.replace('\n', "\r\n"));
        cover_up(sample, "audit_events.ndjson");
    }),
    damage(
        "a fork: two entries rewritten and linked, the third left + key",
        &["chain_excerpt"],
        Broken,
        |sample| {
            let (mut lines, other) = (sample.audit_lines(), rewritten());
            let forked = other.of_period().map(|entry| entry.canonical.clone());
            for (line, entry) in lines.iter_mut().zip(forked).take(2) {
                *line = entry;
            }
            sample.put("audit_events.ndjson", (lines.join("\n") + "\n").into_bytes());
            cover_up(sample, "audit_events.ndjson");
        },
    ),
    damage("the chain rewritten from entry 4 and padded to its length + key", &[], Ok, rewrite)
        .note("consistent in itself; an earlier pack, or a time stamp, binds what left before"),
    damage("the same, and an earlier pack at hand", &["continuity"], Broken, |sample| {
        rewrite(sample);
        name_earlier(sample, &rewritten());
    })
    .against(|| earlier(11)),
    damage(
        "the chain cut back behind an earlier pack + key",
        &["continuity"],
        Truncated,
        |sample| {
            *sample = attested_at(11, super::super::at(4, 3, 12));
        },
    )
    .against(super::sample),
    damage("no damage: the chain continues an earlier pack", &[], Ok, |sample| {
        name_earlier(sample, &chain());
    })
    .against(|| earlier(11)),
    damage("the earlier pack is not named + key", &["continuity"], Incomplete, |_| ())
        .against(|| earlier(11))
        .note("packs built side by side do not know of each other; a later one names both"),
    damage(
        "an attestation of another organisation + key",
        &["attestation", "chain_excerpt"],
        Broken,
        |sample| {
            let other = super::super::ORG.to_string().replace("0001", "0009");
            sample.sign(Attestation { chain: other, ..attestation() });
            sample.list();
        },
    ),
    damage(
        "fewer entries attested as re-hashed than there are + key",
        &["attestation"],
        Broken,
        |sample| {
            sample.sign(Attestation { checked: 11, ..attestation() });
            sample.list();
        },
    ),
    damage("two hashes for one entry + key", &["attestation"], Broken, |sample| {
        let export_id = evidence::ids::ExportId(uuid::Uuid::from_u128(7));
        let earlier = Previous { export_id, seq: 11, hash_hex: chain().hash_hex(10) };
        sample.sign(Attestation { previous_attestations: vec![earlier], ..attestation() });
        sample.list();
    }),
    damage("the attestation is edited, manifest anew", &["signature"], Broken, |sample| {
        swap(sample, "chain-attestation.json", "\"seq\": 11", "\"seq\": 10");
        sample.list();
    }),
    damage(
        "the attestation is indented otherwise, manifest anew",
        &["attestation"],
        Broken,
        |sample| {
            sample.edit("chain-attestation.json", |text| text.replace("  ", " "));
            sample.list();
        },
    ),
    damage("the signature names an unknown key, manifest anew", &["trust"], Broken, |sample| {
        let id = sample.key.id();
        swap(sample, "chain-attestation.json", &id, "0123456789abcdef");
        sample.list();
    }),
    damage(
        "a second signature beside the right one, manifest anew",
        &["signature"],
        Broken,
        |sample| {
            sample.edit("chain-attestation.json", |text| {
                let (head, tail) = text.split_once("\"signatures\": [\n").expect("a signature");
                let end = tail.find("\n    ]").expect("its end");
                let one = &tail[..end];
                format!("{head}\"signatures\": [\n{one},\n{one}{}", &tail[end..])
            });
            sample.list();
        },
    ),
    damage("the signature removed, manifest anew", &["signature"], Broken, unsign),
    damage("the signature removed, manifest anew", &["signature"], Incomplete, unsign)
        .without_key()
        .note("without a signature anybody could have changed it; it contradicts nothing"),
    damage("made anew by somebody with a key of their own", &["signature"], Broken, forge),
    damage("made anew by somebody with a key of their own", &[], Ok, forge).without_key().note(
        "trust on first use: the signature shows only that the files belong together. Give `--key`",
    ),
    damage("no damage: signed with a key that was valid no more", &["trust"], Broken, |_| ())
        .with_an_expired_key()
        .note("the list of keys says when each was valid; a key as PEM says nothing of it"),
];

/// Everything that speaks of the chain speaks of another one.
fn rewrite(sample: &mut Sample) {
    with_chain(sample, &rewritten());
}

/// Names the earlier pack's head as it is on `chain`.
fn name_earlier(sample: &mut Sample, chain: &Chain) {
    let attestation = Attestation::parse(sample.get("chain-attestation.json"));
    let attestation = attestation.expect("it is readable");
    let export_id = super::super::EXPORT;
    let previous = vec![Previous { export_id, seq: 11, hash_hex: chain.hash_hex(11) }];
    sample.sign(Attestation { previous_attestations: previous, ..attestation });
    sample.list();
}

fn unsign(sample: &mut Sample) {
    let text = Attestation { signature: None, ..attestation() }.render();
    sample.put("chain-attestation.json", text.into_bytes());
    sample.list();
}

fn forge(sample: &mut Sample) {
    sample.key = SigningKey::generate([66; 32]);
    sample.rename_signer();
    sample.sign_again();
}
