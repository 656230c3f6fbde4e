//! A short trial with a fixed seed, by the program itself.

use std::process::Command;

use serde_json::Value;

/// How long things are made to fail, and how. The seed's plan holds every kind of fault in that time, and its killer lets
/// go after two deaths: one that never does takes a minute to fail.
const TRIAL: [&str; 6] = ["run", "--seconds", "20", "--seed", "299", "--report"];

#[test]
fn a_short_trial_breaks_no_promise_and_looks_at_every_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let program = env!("CARGO_BIN_EXE_chaos");
    let out = Command::new(program).args(TRIAL).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&report["violations"], &report["holds"]), (&0.into(), &true.into()));
    // A trial in which little happened would prove little.
    for number in [
        "/deaths/killed",
        "/deaths/killed_by_step",
        "/deaths/stopped",
        "/counts/recoveries",
        "/counts/effects/step",
        "/counts/effects/step_tx",
        "/counts/effects_repeated",
        "/faults/freeze",
        "/faults/start_postgres",
        "/faults/jump",
        "/meddling/cancels",
        "/meddling/pauses",
        "/meddling/retries",
        "/counts/waits/signals_taken",
        "/counts/waits/in_vain",
        "/counts/waits/sleeps",
        "/counts/waits/children",
        "/counts/waits/children_stopped",
        "/counts/waits/limited_most",
    ] {
        let counted = report.pointer(number).and_then(Value::as_u64);
        assert!(counted.is_some_and(|counted| counted > 0), "{number}: {said}");
    }
    let runs = report["counts"]["runs"].as_object().unwrap();
    assert_eq!(runs.len(), 17, "every workload had runs: {said}");
}
