//! Ticks over the days on which clocks change, and over downtime.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{Context, Failure};

#[derive(Serialize, Deserialize)]
struct Nothing;

impl Workflow for Nothing {
    const NAME: &'static str = "nothing";
    type Output = ();
    type Ports = ();

    async fn run(self, _: &mut Context<()>) -> Result<(), Failure> {
        Ok(())
    }
}

fn schedule(cron: &str, zone: &str) -> Schedule<()> {
    Schedule::new("test", cron, zone, |_| Nothing)
}

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

/// The first `count` ticks after `from`.
fn ticks(schedule: &Schedule<()>, from: &str, count: usize) -> Vec<String> {
    let mut at = time(from);
    (0..count)
        .map(|_| {
            at = schedule.next_after(at).expect("a valid schedule").expect("a next tick");
            at.format("%m-%d %H:%M:%S").to_string()
        })
        .collect()
}

#[test]
fn five_fields_and_six_fields_are_understood() {
    let five = schedule("30 3 * * *", "UTC");
    assert_eq!(ticks(&five, "2026-01-01T00:00:00Z", 2), ["01-01 03:30:00", "01-02 03:30:00"]);
    let six = schedule("*/20 0 0 * * *", "UTC");
    assert_eq!(
        ticks(&six, "2026-01-01T00:00:00Z", 3),
        ["01-01 00:00:20", "01-01 00:00:40", "01-02 00:00:00"]
    );
}

#[test]
fn a_tick_in_the_hour_that_clocks_leave_out_comes_right_after_it() {
    // Berlin, 29 March 2026: 02:00 becomes 03:00, that is 01:00 UTC.
    let nightly = schedule("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        ticks(&nightly, "2026-03-28T00:00:00Z", 3),
        ["03-28 01:30:00", "03-29 01:00:00", "03-30 00:30:00"]
    );
}

#[test]
fn a_tick_in_the_hour_that_clocks_repeat_comes_once() {
    // Berlin, 25 October 2026: 03:00 becomes 02:00, that is 01:00 UTC.
    let nightly = schedule("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        ticks(&nightly, "2026-10-24T00:00:00Z", 3),
        ["10-24 00:30:00", "10-25 00:30:00", "10-26 01:30:00"]
    );
}

#[test]
fn of_the_ticks_that_passed_the_latest_counts_and_the_others_are_missed() {
    let hourly = schedule("0 * * * *", "UTC");
    let first = time("2026-01-01T01:00:00Z");
    assert_eq!(hourly.passed(first, first, 1).expect("ticks"), (vec![first], 0));
    let now = first + TimeDelta::minutes(59);
    assert_eq!(hourly.passed(first, now, 1).expect("ticks"), (vec![first], 0));
    let now = first + TimeDelta::minutes(150);
    let (second, third) = (first + TimeDelta::hours(1), first + TimeDelta::hours(2));
    assert_eq!(hourly.passed(first, now, 1).expect("ticks"), (vec![third], 2));
    assert_eq!(hourly.passed(first, now, 2).expect("ticks"), (vec![second, third], 1));
    assert_eq!(hourly.passed(first, now, 9).expect("ticks"), (vec![first, second, third], 0));
}

#[test]
fn a_tick_has_one_id_wherever_it_is_computed() {
    let (here, there) = (schedule("0 3 * * *", "UTC"), schedule("0 5 * * *", "Europe/Kyiv"));
    let tick = time("2026-01-01T03:00:00Z");
    assert_eq!(here.run_id(tick), there.run_id(tick));
    assert_ne!(here.run_id(tick), here.run_id(tick + TimeDelta::days(1)));
}
