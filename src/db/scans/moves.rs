//! Where findings stand after the moves of a scan.

use std::collections::HashMap;

use evidence::scan::Move;

use super::effect::Key;
use crate::findings::store::Stored;

/// The findings by the identity that they have after the moves.
///
/// All moves happen at once (two resources may have changed places). Where a move would give a
/// finding the identity of another one that stays, it keeps its own; of two that move to one address,
/// the first has it.
pub(super) fn after_moves(stored: Vec<Stored>, moves: &[Move]) -> HashMap<Key, Stored> {
    let target: HashMap<&str, &str> =
        moves.iter().map(|step| (step.from.as_str(), step.to.as_str())).collect();
    let mut taken: HashMap<Key, Stored> = HashMap::new();
    let mut moving = Vec::new();
    for finding in stored {
        match target.get(finding.current.address.as_str()) {
            Some(to) => moving.push(((*to).to_owned(), finding)),
            None => stay(&mut taken, finding),
        }
    }
    let mut claims: HashMap<Key, Stored> = HashMap::new();
    let mut blocked = Vec::new();
    for (to, finding) in moving {
        let key = (to, finding.current.drift_type);
        if taken.contains_key(&key) || claims.contains_key(&key) {
            blocked.push(finding);
        } else {
            claims.insert(key, finding);
        }
    }
    // What is blocked keeps its address, and so blocks whoever claims that one: each at most once.
    while let Some(finding) = blocked.pop() {
        blocked.extend(claims.remove(&own(&finding)));
        stay(&mut taken, finding);
    }
    taken.extend(claims);
    taken
}

fn stay(taken: &mut HashMap<Key, Stored>, finding: Stored) {
    taken.insert(own(&finding), finding);
}

fn own(finding: &Stored) -> Key {
    (finding.current.address.clone(), finding.current.drift_type)
}
