//! What people see: of each command its help, and what it makes of the service's answers.

use chrono::{DateTime, Utc};
use clap::CommandFactory as _;
use serde_json::{Value, json};

use super::{act, list, show, watch};
use crate::Arguments;
use crate::terminal::COLUMNS;

const RUN: &str = "0198c2f1-8a40-7f00-8d21-5e6f7a8b9c0d";

fn now() -> DateTime<Utc> {
    "2026-04-02T11:15:00Z".parse().unwrap()
}

fn run(state: &str) -> Value {
    json!({
        "id": RUN, "workflow": "compliance_pack.build", "version": 1, "state": state,
        "key": "0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d", "parent_id": null, "priority": 0, "attempts": 2, "generation": 1,
        "progress": {"step": "seal", "done": 4, "total": 8}, "waiting_for": null, "cancel_requested": false,
        "pause_requested": false, "worker": null, "lease_until": null, "trace": "0198c2f1-8a3d-7000-8000-000000000001",
        "wake_at": "2026-04-02T09:15:00.123456Z", "created_at": "2026-04-02T09:15:00.123456Z",
        "started_at": "2026-04-02T09:15:00.201345Z", "ended_at": "2026-04-02T09:15:06.501345Z", "error": error(),
    })
}

fn error() -> Value {
    json!({"kind": "permanent", "code": "storage_unavailable",
           "message": "the object staging/0198c2f1/2.1/pack.zip could not be written: \u{1b}[2J",
           "causes": ["write failed", "No space left on device (os error 28)"], "step": "seal"})
}

fn step(seq: u64, name: &str, state: &str) -> Value {
    json!({"seq": seq, "name": name, "occurrence": 0, "kind": "step", "state": state, "attempts": 1, "output": null,
           "error": null, "wake_at": null, "started_at": format!("2026-04-02T09:15:0{seq}Z"),
           "ended_at": format!("2026-04-02T09:15:0{seq}.25Z"), "generation": null})
}

fn detail(state: &str) -> Value {
    let attempt = json!({"step": "seal", "occurrence": 0, "attempt": 1, "generation": 1, "epoch": 2, "error": error(),
                         "started_at": "2026-04-02T09:15:05Z", "ended_at": "2026-04-02T09:15:06Z"});
    json!({
        "run": run(state),
        "input": {"org": "0198c2f0-5c1a-7c3e-9a55-0d4f3a1b2c3d", "export": "0198c2f1-8a3e-7d10-b1c2-93f0a4d5e6f7"},
        "output": null,
        "steps": [step(1, "begin", "done"), step(2, "collect", "done"), step(5, "seal", "failed")],
        "past_steps": [step(2, "collect", "done")],
        "attempts": [attempt],
        "signals": [{"name": "approved", "payload": {"by": "risk"}, "sender_key": null,
                     "sent_at": "2026-04-02T09:15:02Z", "taken_seq": null}],
        "actions": [{"actor": "0198c2ef-2222-7aaa-8bbb-dddddddddddd", "action": "retry",
                     "detail": {"from": {"step": 2}, "from_seq": 2}, "acted_at": "2026-04-02T09:14:00Z"}],
        "children": {"runs": [run("failed")], "next_after": null},
    })
}

fn assert_fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[test]
fn a_list_has_a_line_for_each_run_and_says_why_it_failed() {
    let mut live = run("running");
    live["error"] = json!(null);
    let shown = list::shown(&json!({"runs": [live, run("failed")], "next_after": null}), now());
    assert_fits(&shown);
    insta::assert_snapshot!(shown);
    assert_eq!(list::shown(&json!({"runs": [], "next_after": null}), now()), "No run fits.");
}

#[test]
fn a_failed_run_is_shown_with_everything_on_record_and_a_way_on() {
    let shown = show::shown(&detail("failed"), now());
    // What is to be copied stands on one line.
    assert_fits(shown.rsplit_once("\n\n").unwrap().0);
    insta::assert_snapshot!(shown);
}

#[test]
fn a_run_that_waits_says_for_what() {
    let mut waiting = detail("waiting");
    waiting["run"]["error"] = json!(null);
    waiting["run"]["waiting_for"] = json!({"kind": "signal", "signal": "approved", "seq": null});
    waiting["run"]["pause_requested"] = json!(true);
    let screen = watch::screen(&waiting, now());
    assert_fits(&screen);
    insta::assert_snapshot!(screen);
}

#[test]
fn away_from_a_terminal_watching_is_a_line_for_each_change() {
    assert_eq!(
        watch::line(&detail("failed")),
        "failed seal 4/8 seal: storage_unavailable: the object staging/0198c2f1/2.1/pack.zip could not be \
         written: \u{fffd}[2J"
    );
}

#[test]
fn a_run_that_has_succeeded_is_at_nothing_any_more() {
    let mut done = detail("succeeded");
    done["run"]["error"] = json!(null);
    assert_eq!(watch::line(&done), "succeeded");
    assert!(show::head(&done, now()).contains("\nstate      succeeded\n"));
}

#[test]
fn a_step_is_found_by_its_name_and_what_is_none_is_told_what_there_is() {
    let steps = &detail("failed")["steps"];
    assert_eq!(act::named(steps, "collect").unwrap(), 2);
    let refused = act::named(steps, "sealing").unwrap_err().to_string();
    assert_eq!(refused, "the run has no step \"sealing\"; it has: begin, collect, seal");
}

#[test]
fn a_redrive_says_what_fits_and_what_was_sent_back() {
    let told = |answer: Value| act::redriven(&answer).join("\n");
    insta::assert_snapshot!(
        [
            told(json!({"done": false, "matched": 0, "sample": []})),
            told(json!({"done": false, "matched": 1, "sample": [RUN]})),
            told(json!({"done": false, "matched": 4312, "sample": [RUN, RUN]})),
            told(json!({"done": false, "redriven": [], "more": false})),
            told(json!({"done": true, "redriven": [RUN, RUN], "more": true})),
        ]
        .join("\n\n")
    );
}

/// The help of a command as it is printed, without the settings of this machine.
fn help(path: &[&str]) -> String {
    let mut command = Arguments::command().term_width(COLUMNS + 20);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    found.clone().mut_args(|arg| arg.hide_env_values(true)).render_long_help().to_string()
}

#[test]
fn every_command_of_operators_has_help_with_an_example() {
    let commands = [
        &["runs"][..],
        &["runs", "list"],
        &["runs", "show"],
        &["runs", "watch"],
        &["runs", "retry"],
        &["runs", "redrive"],
        &["runs", "signal"],
        &["schedules"],
        &["queues"],
        &["workers"],
    ];
    let texts = commands.map(|path| {
        let help = help(path);
        assert!(help.contains("Example"), "{path:?}");
        help
    });
    insta::assert_snapshot!(texts.join("\n────────\n"));
}
