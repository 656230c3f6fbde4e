//! What the log says: which request started which run, and where in it a line was said.

use serde_json::{Value, json};
use tests::app::{App, Options, Person};
use tests::http::send;

/// A pack that was built, and what the program said meanwhile.
struct Built {
    request: String,
    run: String,
    log: String,
}

/// Statements are logged, because they are what a step that goes well says.
async fn built(format: &str) -> Built {
    let settings = [("DRIFTWISE_LOG", "info,sqlx=debug"), ("DRIFTWISE_LOG_FORMAT", format)]
        .map(|(name, value)| (name, value.to_owned()));
    let app = App::start_with(Options { settings: settings.into(), ..Options::default() }).await;
    let period =
        json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"});
    let post = app.http.request(
        reqwest::Method::POST,
        &app.path("audit-exports"),
        &app.token(Person::Owner),
    );
    let answer = send(post.json(&period)).await;
    let request = answer.header("x-driftpack-request-id").to_owned();
    let row = app.finished_pack(answer.expect(202)["id"].as_str().unwrap()).await;
    let run = row["workflow_run_id"].as_str().unwrap().to_owned();
    Built { request, run, log: app.log() }
}

#[tokio::test]
async fn a_json_line_from_within_a_step_names_the_request_the_run_and_the_step() {
    let Built { request, run, log } = built("json").await;
    for step in ["begin", "collect", "publish"] {
        let is_named = |line: Value| {
            let spans = line["spans"].as_array().cloned().unwrap_or_default();
            let has = |name: &str, value: &str| spans.iter().any(|span| span[name] == value);
            has("run_id", &run) && has("trace", &request) && has("step", step)
        };
        let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
        assert!(lines.into_iter().any(is_named), "no line names {step}");
    }
}

#[tokio::test]
async fn a_pretty_line_from_within_a_step_names_the_request_the_run_and_the_step() {
    let Built { request, run, log } = built("pretty").await;
    let plain = without_colours(&log);
    let named = |line: &str| {
        line.contains(&format!("run_id={run}"))
            && line.contains(&format!("trace=\"{request}\""))
            && line.contains("step=\"collect\"")
    };
    assert!(plain.lines().any(named), "no line names all three");
}

fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
}
