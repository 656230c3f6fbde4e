//! The plan of faults follows from the seed.

use std::time::Duration;

use chaos::plan::{Act, Event, LEASE, Scope, plan};

const SCOPE: Scope = Scope { seed: 7, length: Duration::from_mins(15), workers: 4 };

fn kinds(plan: &[Event]) -> std::collections::BTreeSet<&'static str> {
    plan.iter().map(|event| event.act.name()).collect()
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_one_gives_another() {
    assert_eq!(plan(SCOPE), plan(SCOPE));
    assert_ne!(plan(SCOPE), plan(Scope { seed: 8, ..SCOPE }));
}

#[test]
fn a_plan_is_what_it_was_when_the_seed_was_written_down() {
    let begin: Vec<_> = plan(SCOPE).iter().take(4).map(|event| (event.at_ms, event.act)).collect();
    let written = [
        (1500, Act::Swap { slot: 3 }),
        (2883, Act::Jump { slot: 1, offset_s: 3 }),
        (3338, Act::Kill { slot: 1, down_ms: 736 }),
        (3865, Act::DropBackends { count: 3, salt: 170_910_518 }),
    ];
    assert_eq!(begin, written);
}

#[test]
fn a_short_plan_holds_every_kind_of_fault() {
    for seed in 0..50 {
        let plan = plan(Scope { seed, length: Duration::from_secs(35), ..SCOPE });
        assert_eq!(kinds(&plan).len(), 10, "seed {seed}: {:?}", kinds(&plan));
    }
}

#[test]
fn a_quarter_of_an_hour_holds_at_least_two_hundred_kills() {
    let kills = plan(SCOPE).iter().filter(|event| event.act.name() == "kill").count();
    assert!(kills >= 200, "{kills}");
}

#[test]
fn whoever_is_frozen_outlasts_a_lease_and_is_thawed() {
    let plan = plan(SCOPE);
    for (index, event) in plan.iter().enumerate() {
        let Act::Freeze { slot } = event.act else { continue };
        let thawed = plan[index..].iter().filter(|later| later.act == Act::Thaw { slot });
        let lease = u64::try_from(LEASE.as_millis()).unwrap();
        let away = |later: &&Event| later.at_ms - event.at_ms > lease;
        assert!(thawed.filter(away).count() > 0, "{event:?}");
    }
}
