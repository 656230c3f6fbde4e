//! The story says what its header promises.

use std::collections::BTreeMap;

use chrono::TimeZone;
use evidence::input::{Reading, read};
use evidence::scan::{Observation, ScanStatus};

use super::*;

fn november() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 4, 0, 0).unwrap()
}

fn readings(story: &Story) -> Vec<(&Scan, Observation)> {
    let read = |scan: &Scan| match read(&serde_json::to_vec(&scan.plan).unwrap()) {
        Ok(Reading::Scan(observation)) => observation,
        other => panic!("{} reads as {other:?}", scan.file_name),
    };
    story.scans.iter().map(|scan| (scan, read(scan))).collect()
}

#[test]
fn the_same_moment_tells_the_same_story() {
    let bytes = |story: Story| {
        story.scans.into_iter().map(|scan| scan.plan.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(bytes(Story::until(november())), bytes(Story::until(november())));
}

#[test]
fn no_scan_lies_in_the_future_even_in_the_first_minutes_of_a_year() {
    for now in [
        november(),
        Utc.with_ymd_and_hms(2027, 1, 1, 0, 0, 3).unwrap(),
        Utc.with_ymd_and_hms(2028, 2, 29, 23, 59, 59).unwrap(),
    ] {
        let story = Story::until(now);
        assert!(
            story
                .scans
                .iter()
                .all(|scan| scan.observed_at < now && scan.observed_at >= story.start)
        );
        assert!((40..=100).contains(&story.scans.len()), "{} scans", story.scans.len());
    }
}

#[test]
fn every_scan_reads_as_the_moment_and_the_source_it_was_written_for() {
    let story = Story::until(november());
    for (scan, observation) in readings(&story) {
        assert_eq!(observation.observed_at, Some(scan.observed_at), "{}", scan.file_name);
        assert!(observation.resources_total.is_some_and(|total| total > 0), "{}", scan.file_name);
    }
}

#[test]
fn there_is_noise_a_move_one_broken_scan_and_a_late_one() {
    let story = Story::until(november());
    let readings = readings(&story);
    let partial: Vec<_> =
        readings.iter().filter(|(_, seen)| seen.status == ScanStatus::Partial).collect();
    assert_eq!(partial.len(), 1);
    assert_eq!(partial[0].1.drifts.len(), 1, "the broken scan sees less than the one before");
    assert!(readings.iter().any(|(_, seen)| seen.moves.len() == 1));
    assert!(readings.iter().any(|(_, seen)| seen.noise.len() == 2));

    let mut newest = BTreeMap::new();
    let late = story
        .scans
        .iter()
        .filter(|scan| {
            newest
                .insert(scan.source, scan.observed_at)
                .is_some_and(|before| before > scan.observed_at)
        })
        .count();
    assert_eq!(late, 1);
}

#[test]
fn secrets_are_in_the_files_and_never_in_what_is_read_from_them() {
    let story = Story::until(november());
    assert!(story.scans.iter().any(|scan| scan.plan.to_string().contains("never-in-a-pack-3")));
    for (scan, observation) in readings(&story) {
        assert!(!format!("{observation:?}").contains("never-in-a-pack"), "{}", scan.file_name);
    }
}

#[test]
fn what_people_decide_about_is_seen_by_the_last_scan() {
    let story = Story::until(november());
    let readings = readings(&story);
    for decision in story.decisions {
        let (_, last) = readings.iter().rev().find(|(scan, _)| scan.source == "prod").unwrap();
        assert!(
            last.drifts.iter().any(|drift| drift.address == decision.address),
            "{}",
            decision.address
        );
    }
}
