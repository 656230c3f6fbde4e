//! The table of decisions, and what holds for every history.

use chrono::Duration;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(hours: i64) -> Time {
    Time::UNIX_EPOCH + Duration::hours(hours)
}

fn scan(hours: i64, status: ScanStatus) -> Scan {
    Scan { id: ScanId(Uuid::nil()), observed_at: at(hours), status, late: false }
}

fn seen(attributes: &[String]) -> Seen<'_> {
    Seen { address: "a.b", changed_attributes: attributes, level: Some(RiskLevel::High) }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn finding(status: Status) -> Current {
    Current {
        status,
        resolution: None,
        address: "a.b".to_owned(),
        drift_type: DriftType::Changed,
        risk_level: RiskLevel::Low,
        risk_level_now: RiskLevel::High,
        changed_attributes: names(&["x"]),
        open_since: at(1),
        occurred_at: at(2),
    }
}

fn kind(event: Option<Event>) -> Option<EventKind> {
    event.map(|event| event.kind)
}

#[test]
fn the_table_of_states_is_this() {
    for from in Status::ALL.iter().copied() {
        for to in Status::ALL.iter().copied() {
            let open_at_one_end = (from == Status::Open) != (to == Status::Open);
            assert_eq!(may_become(from, to), open_at_one_end, "{from} to {to}");
        }
    }
}

#[test]
fn a_first_sighting_is_detected_unless_a_rule_ignores_it() {
    let attributes = names(&["x"]);
    let event = on_seen(None, scan(5, ScanStatus::Partial), seen(&attributes)).unwrap();
    assert_eq!((event.kind, event.status), (EventKind::Detected, Status::Open));
    assert_eq!((event.open_since, event.risk_level), (at(5), RiskLevel::High));
    let ignored = Seen { level: None, ..seen(&attributes) };
    assert_eq!(on_seen(None, scan(5, ScanStatus::Done), ignored), None);
    assert_eq!(
        kind(on_seen(Some(&finding(Status::Open)), scan(5, ScanStatus::Done), ignored)),
        None
    );
    let resolved = finding(Status::Resolved);
    assert_eq!(on_seen(Some(&resolved), scan(5, ScanStatus::Done), ignored), None);
}

#[test]
fn a_scan_that_shows_a_finding_decides_by_its_status() {
    use EventKind::{Reopened, Updated};
    let (same, other) = (names(&["x"]), names(&["y"]));
    for (status, attributes, expected) in [
        (Status::Open, &same, None),
        (Status::Open, &other, Some(Updated)),
        (Status::Open, &Vec::new(), None),
        (Status::Resolved, &same, Some(Reopened)),
        (Status::Accepted, &other, None),
        (Status::FalsePositive, &other, None),
    ] {
        let event = on_seen(Some(&finding(status)), scan(5, ScanStatus::Partial), seen(attributes));
        assert_eq!(kind(event), expected, "{status}");
    }
}

#[test]
fn another_grade_is_an_event_whatever_the_status_unless_a_rule_ignores_it() {
    let same = names(&["x"]);
    for status in [Status::Open, Status::Accepted, Status::FalsePositive] {
        let critical = Seen { level: Some(RiskLevel::Critical), ..seen(&same) };
        let scan = scan(5, ScanStatus::Partial);
        let event = on_seen(Some(&finding(status)), scan, critical).unwrap();
        assert_eq!((event.kind, event.status), (EventKind::Regraded, status));
        assert_eq!((event.risk_level, event.risk_level_now), (RiskLevel::Low, RiskLevel::Critical));
        let ignored = Seen { level: None, ..seen(&same) };
        assert_eq!(on_seen(Some(&finding(status)), scan, ignored), None);
    }
}

#[test]
fn a_reopened_finding_keeps_its_level_and_starts_a_new_time_open() {
    let attributes = names(&["y"]);
    let event =
        on_seen(Some(&finding(Status::Resolved)), scan(5, ScanStatus::Done), seen(&attributes))
            .unwrap();
    assert_eq!((event.risk_level, event.open_since), (RiskLevel::Low, at(5)));
    assert_eq!((event.status, event.resolution), (Status::Open, None));
    assert_eq!(event.changed_attributes, attributes);
}

#[test]
fn only_a_complete_timely_scan_resolves_and_only_what_is_open() {
    let open = finding(Status::Open);
    let event =
        on_not_seen(&open, scan(5, ScanStatus::Done), "a.b", Resolution::NoLongerObserved).unwrap();
    assert_eq!(event.resolution, Some(Resolution::NoLongerObserved));
    assert_eq!((event.open_since, event.occurred_at), (at(1), at(5)));

    for status in [ScanStatus::Partial, ScanStatus::Failed] {
        assert_eq!(on_not_seen(&open, scan(5, status), "a.b", Resolution::NoLongerObserved), None);
    }
    let late = Scan { late: true, ..scan(5, ScanStatus::Done) };
    assert_eq!(on_not_seen(&open, late, "a.b", Resolution::NoLongerObserved), None);
    assert_eq!(
        on_not_seen(&open, scan(2, ScanStatus::Done), "a.b", Resolution::NoLongerObserved),
        None
    );
    for status in [Status::Resolved, Status::Accepted, Status::FalsePositive] {
        assert_eq!(
            on_not_seen(
                &finding(status),
                scan(5, ScanStatus::Done),
                "a.b",
                Resolution::NoLongerObserved
            ),
            None
        );
    }
}

#[test]
fn a_move_renames_whatever_the_status() {
    for status in Status::ALL.iter().copied() {
        let event = on_not_seen(
            &finding(status),
            scan(5, ScanStatus::Partial),
            "a.c",
            Resolution::NoLongerObserved,
        )
        .unwrap();
        assert_eq!((event.kind, event.status), (EventKind::Moved, status));
        assert_eq!(event.address, "a.c");
    }
    let attributes = names(&["y"]);
    let there = Seen { address: "a.c", ..seen(&attributes) };
    let event = on_seen(Some(&finding(Status::Open)), scan(5, ScanStatus::Done), there).unwrap();
    assert_eq!((event.kind, event.changed_attributes), (EventKind::Moved, attributes));
}

#[test]
fn people_accept_what_is_open_and_reopen_what_people_closed() {
    use Decision::{Accept, FalsePositive, Reopen};
    for (status, decision, allowed) in [
        (Status::Open, Accept, true),
        (Status::Open, FalsePositive, true),
        (Status::Open, Reopen, false),
        (Status::Accepted, Accept, false),
        (Status::Accepted, FalsePositive, false),
        (Status::Accepted, Reopen, true),
        (Status::FalsePositive, Reopen, true),
        (Status::Resolved, Accept, false),
        (Status::Resolved, Reopen, false),
    ] {
        let event = on_person(&finding(status), decision, " because ", at(5));
        assert_eq!(event.is_ok(), allowed, "{status} {decision}");
        assert!(event.is_err() || event.unwrap().reason.as_deref() == Some("because"));
    }
}

#[test]
fn a_reason_is_a_short_printable_text() {
    let decide = |reason: &str| on_person(&finding(Status::Open), Decision::Accept, reason, at(5));
    assert!(decide("line\nline").is_ok());
    for reason in ["", " \n ", "nul\0", "bell\x07", &"x".repeat(2001)] {
        assert_eq!(decide(reason), Err(Error::Reason));
        let resolved = finding(Status::Resolved);
        let refused = on_person(&resolved, Decision::Reopen, reason, at(5));
        assert_eq!(refused, Err(Error::Reason), "also where no reason would do");
    }
}

#[test]
fn a_clock_that_stands_behind_does_not_reorder_history() {
    let event = on_person(&finding(Status::Open), Decision::Accept, "x", at(0)).unwrap();
    assert_eq!(event.occurred_at, at(2) + Duration::microseconds(1));
}

/// One thing that happens to a finding.
#[derive(Debug, Clone)]
enum Step {
    Seen(Scan, Vec<String>, &'static str),
    NotSeen(Scan),
    Person(Decision, Time),
}

fn step() -> impl Strategy<Value = Step> {
    let scan = (0..60_i64, prop::sample::select(ScanStatus::ALL), prop::bool::weighted(0.1))
        .prop_map(|(hours, status, late)| Scan { late, ..scan(hours, status) });
    let attributes = prop::sample::select(vec![names(&[]), names(&["x"]), names(&["x", "y"])]);
    let address = prop::sample::select(vec!["a.b", "a.c"]);
    prop_oneof![
        (scan.clone(), attributes, address)
            .prop_map(|(scan, names, to)| Step::Seen(scan, names, to)),
        scan.prop_map(Step::NotSeen),
        (prop::sample::select(Decision::ALL), 0..60_i64)
            .prop_map(|(decision, hours)| Step::Person(decision, at(hours))),
    ]
}

/// Steps roughly in order of time, some of them not.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..40)
}

fn apply(step: &Step, current: Option<&Current>) -> Option<Event> {
    match (step, current) {
        (Step::Seen(scan, attributes, address), _) => {
            on_seen(current, *scan, Seen { address, ..seen(attributes) })
        }
        (Step::NotSeen(scan), Some(current)) => {
            on_not_seen(current, *scan, &current.address, Resolution::NoLongerObserved)
        }
        (Step::Person(decision, now), Some(current)) => {
            on_person(current, *decision, "reason", *now).ok()
        }
        (_, None) => None,
    }
}

fn history(steps: &[Step]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for step in steps {
        let current = events.last().map(|event| Current::after(event, DriftType::Changed));
        events.extend(apply(step, current.as_ref()));
    }
    events
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn intervals_follow_each_other_and_every_change_is_in_the_table(steps in steps()) {
        let events = history(&steps);
        for pair in events.windows(2) {
            prop_assert!(pair[0].occurred_at < pair[1].occurred_at);
            prop_assert!(pair[0].status == pair[1].status || may_become(pair[0].status, pair[1].status));
            prop_assert_eq!(pair[0].risk_level, pair[1].risk_level);
            prop_assert!(pair[1].kind != EventKind::Detected);
        }
        for event in &events {
            prop_assert!(event.open_since <= event.occurred_at);
            prop_assert_eq!(event.resolution.is_some(), event.status != Status::Open);
        }
    }

    #[test]
    fn the_roll_forward_ties_for_every_cut_of_time(
        steps in steps(),
        cuts in prop::collection::btree_set(0..70_i64, 2..8),
    ) {
        let events = history(&steps);
        let cuts: Vec<Time> = cuts.into_iter().map(at).collect();
        let mut before: Option<RollForward> = None;
        for pair in cuts.windows(2) {
            let period = Period::new(pair[0], pair[1]).unwrap();
            let roll = roll_forward(&events, &period);
            prop_assert!(roll.ties(), "{roll:?}");
            prop_assert!(before.is_none_or(|before| before.open_at_end == roll.open_at_start));
            // Whatever moves in the period belongs to a time open that the period lists.
            let listed = times_open(&events).into_iter().any(|(from, to)| period.overlaps(from, to));
            prop_assert!(listed || roll == RollForward::default());
            before = Some(roll);
        }
    }
}

/// Each time the finding was open, `[from, to)`.
fn times_open(events: &[Event]) -> Vec<(Time, Option<Time>)> {
    let mut times: Vec<(Time, Option<Time>)> = Vec::new();
    for event in events {
        let running = times.last_mut().filter(|(_, to)| to.is_none());
        match (event.status == Status::Open, running) {
            (true, None) => times.push((event.occurred_at, None)),
            (false, Some(running)) => running.1 = Some(event.occurred_at),
            _ => {}
        }
    }
    times
}
