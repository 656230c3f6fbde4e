//! Chains of which something is known from before: a position that was verified, the heads that left the house.

use super::*;

/// Verifies again from entry `seq` on, which had its hash in `known`; `left` is what is stored now.
fn again(known: &[Sealed], seq: i64, left: &[Sealed], head: Option<(i64, Hash)>) -> Verdict {
    let before = known.iter().find(|entry| entry.seq == seq).unwrap();
    let start = Start::Excerpt { seq };
    let mut verifier = Verifier::new(chain(), start).expect(seq, before.hash);
    left.iter().filter(|entry| entry.seq >= seq).for_each(|entry| verifier.feed(row(entry)));
    verifier.finish(head, None)
}

/// A chain that goes another way from entry `from` on, hashes and all.
fn forked(honest: &[Sealed], from: usize) -> Vec<Sealed> {
    let mut fork = honest[..from - 1].to_vec();
    for entry in &honest[from - 1..] {
        let previous = fork.last().map(|entry| entry.hash);
        let draft = draft(entry.action, json!({"forged": true}));
        fork.push(seal(draft, chain(), entry.seq, at(entry.seq), previous).unwrap());
    }
    fork
}

#[test]
fn an_intact_chain_goes_on_from_where_it_was() {
    let entries = few(6);
    for seq in 1..=6 {
        let verdict = again(&entries, seq, &entries, head(&entries));
        assert_eq!(verdict.status, Status::Ok, "from {seq}: {}", verdict.message);
        assert_eq!((verdict.verified_from_seq, verdict.head_seq), (Some(seq), Some(6)));
        assert_eq!(verdict.checked, 7 - u64::try_from(seq).unwrap());
    }
}

#[test]
fn a_fork_that_is_whole_in_itself_is_found_where_it_was_known() {
    let honest = few(6);
    let fork = forked(&honest, 3);
    assert_eq!(verify(fork.iter().map(row), head(&fork)).status, Status::Ok);
    assert_eq!(bad(&again(&honest, 5, &fork, head(&fork))), broken(5, BadKind::Content));
    assert_eq!(again(&honest, 2, &fork, head(&fork)).status, Status::Ok);
    let mut whole = Verifier::new(chain(), Start::Genesis).expect(5, honest[4].hash);
    whole = whole.expect(2, honest[1].hash).expect(4, honest[3].hash);
    for entry in &fork {
        whole.feed(row(entry));
    }
    assert_eq!(bad(&whole.finish(head(&fork), None)), broken(4, BadKind::Content));
}

#[test]
fn a_chain_that_ends_before_a_known_entry_is_truncated_where_it_ends() {
    let entries = few(6);
    let truncated = |seq, kind| (Status::Truncated, Some((seq, kind)));
    // The head row was left as it was.
    let cut = again(&entries, 5, &entries[..3], head(&entries));
    assert_eq!(bad(&cut), truncated(5, BadKind::Head));
    // It was set back, too: nothing is left to read, and the first one missing is the one after it.
    let set_back = again(&entries, 5, &entries[..3], head(&entries[..3]));
    assert_eq!(bad(&set_back), truncated(4, BadKind::Gap));
    let gone = again(&entries, 5, &[], Some((0, [0; 32])));
    assert_eq!(bad(&gone), truncated(1, BadKind::Gap));
    // Read from the first entry on it is found at the same place.
    let mut whole = Verifier::new(chain(), Start::Genesis).expect(5, entries[4].hash);
    entries[..3].iter().for_each(|entry| whole.feed(row(entry)));
    assert_eq!(bad(&whole.finish(head(&entries[..3]), None)), truncated(4, BadKind::Gap));
}

#[test]
fn a_removed_known_entry_is_a_gap_and_a_head_row_that_alone_was_set_back_is_the_heads_fault() {
    let entries = few(6);
    let mut left = entries.clone();
    left.remove(3);
    assert_eq!(bad(&again(&entries, 4, &left, head(&entries))), broken(4, BadKind::Gap));
    let set_back = again(&entries, 4, &entries, head(&entries[..3]));
    assert_eq!(bad(&set_back), broken(6, BadKind::Head));
}

#[test]
fn what_is_known_of_entries_before_the_start_is_not_asked_for() {
    let entries = few(4);
    let mut verifier = Verifier::new(chain(), Start::Excerpt { seq: 3 }).expect(2, [9; 32]);
    entries[2..].iter().for_each(|entry| verifier.feed(row(entry)));
    assert_eq!(verifier.finish(head(&entries), None).status, Status::Ok);
}
