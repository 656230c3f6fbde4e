//! Drawings of runs that are made up.

use engine::{FailureKind, FailureRecord};
use serde_json::json;
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_770_000_000 + seconds, 0).unwrap()
}

fn run(state: RunState, ended: Option<i64>) -> RunView {
    RunView {
        id: Uuid::nil(),
        workflow: "compliance.pack".to_owned(),
        version: 1,
        state,
        progress: None,
        attempts: 3,
        error: None,
        output: None,
        input: json!({}),
        cancel_requested: false,
        pause_requested: false,
        waiting_for: None,
        parent_id: None,
        generation: 1,
        priority: 0,
        worker: None,
        lease_until: None,
        key: None,
        trace: None,
        wake_at: None,
        created_at: at(0),
        started_at: Some(at(2)),
        ended_at: ended.map(at),
    }
}

fn step(name: &str, seq: u32, state: &str, span: (i64, Option<i64>)) -> StepView {
    StepView {
        name: name.to_owned(),
        occurrence: 0,
        seq,
        kind: "step".to_owned(),
        state: state.to_owned(),
        attempts: 1,
        output: None,
        error: None,
        wake_at: None,
        started_at: at(span.0),
        ended_at: span.1.map(at),
        taken_back_in: None,
    }
}

fn attempt(step: &str, attempt: u32, span: (i64, i64), fault: Option<&str>) -> AttemptView {
    let error = fault.map(|message| FailureRecord {
        kind: FailureKind::Transient,
        code: None,
        message: message.to_owned(),
        causes: vec![],
        step: Some(step.to_owned()),
    });
    AttemptView {
        step: step.to_owned(),
        occurrence: 0,
        attempt,
        generation: 0,
        epoch: 1,
        error,
        started_at: at(span.0),
        ended_at: at(span.1),
    }
}

/// Collects, fails to seal twice, and is sent back a day later.
#[test]
fn a_run_that_failed_and_was_sent_back_a_day_later() {
    let day = 86_400;
    let done = run(RunState::Succeeded, Some(day + 6));
    let steps =
        [step("collect", 1, "done", (2, Some(8))), step("seal", 2, "done", (day, Some(day + 5)))];
    let mut past = step("seal", 2, "failed", (12, Some(13)));
    past.error = attempt("seal", 2, (12, 13), Some("x")).error;
    past.taken_back_in = Some(0);
    let attempts = [
        attempt("collect", 1, (2, 8), None),
        attempt("seal", 1, (8, 10), Some("the bucket <does> not answer")),
        attempt("seal", 2, (12, 13), Some("the bucket \"does\" not answer")),
        attempt("seal", 1, (day, day + 5), None),
    ];
    let actions = [ActionView {
        actor: "somebody".to_owned(),
        action: "retry".to_owned(),
        run_id: Some(Uuid::nil()),
        schedule: None,
        detail: json!({}),
        acted_at: at(day - 10),
    }];
    let Safe(svg) = draw(&Record {
        run: &done,
        steps: &steps,
        past_steps: &[past],
        attempts: &attempts,
        actions: &actions,
        now: at(2 * day),
    });
    insta::assert_snapshot!(svg.replace('>', ">\n"));
}

#[test]
fn a_run_that_waits_for_a_worker_and_one_that_waits_for_a_signal_are_drawn_up_to_now() {
    let mut waiting = run(RunState::Queued, None);
    waiting.started_at = None;
    let record = |run, steps, now| {
        let Safe(svg) =
            draw(&Record { run, steps, past_steps: &[], attempts: &[], actions: &[], now });
        svg
    };
    let drawn = record(&waiting, &[], at(60));
    assert!(drawn.contains("Waits for a worker, 1 min 0 s"), "{drawn}");
    let waiting = run(RunState::Waiting, None);
    let signal = StepView {
        kind: "signal".to_owned(),
        ..step("<script>alert(1)</script>", 1, "waiting", (3, None))
    };
    let drawn = record(&waiting, std::slice::from_ref(&signal), at(33));
    assert!(drawn.contains("Waits, 30.0 s"), "{drawn}");
    assert!(!drawn.contains("<script") && drawn.contains("&lt;script&gt;"), "{drawn}");
}
