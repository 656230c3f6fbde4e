//! The dashboard, the alert rules, their tests and what scales workers name what a running service tells, and alerts say where to
//! read on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tests::app::App;

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(path).unwrap()
}

/// The names of figures in a query: words of ours that stand before a selector, a bracket or an operator.
fn figures(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("driftpack_") || word.starts_with("engine_"))
}

/// Every rule: its name, its query, and the heading that its runbook names.
fn rules() -> Vec<(String, String, String)> {
    let yaml: serde_yaml::Value = serde_yaml::from_str(&file("monitoring/alerts.yaml")).unwrap();
    let groups = yaml["groups"].as_sequence().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_sequence().unwrap());
    let told = rules.map(|rule| {
        let text = |value: &serde_yaml::Value| value.as_str().expect("a text").to_owned();
        let runbook = text(&rule["annotations"]["runbook"]);
        let heading = runbook.strip_prefix("OPERATING.md#").expect("a link to OPERATING.md");
        (text(&rule["alert"]), text(&rule["expr"]), heading.to_owned())
    });
    told.collect()
}

/// The labels of a sample or of a series in a test of rules, such as `a{b="c"}`, with its name.
fn labels(series: &str) -> (String, Vec<(String, String)>) {
    let (name, rest) = series.split_once('{').unwrap_or((series, ""));
    let pairs = rest.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    let pairs =
        pairs.map(|(key, value)| (key.trim().to_owned(), value.trim_matches('"').to_owned()));
    let name = name.split(' ').next().unwrap_or_default();
    (name.to_owned(), pairs.filter(|(key, _)| key != "job" && key != "instance").collect())
}

#[tokio::test]
async fn alerts_and_the_dashboard_name_figures_that_exist() {
    let app = App::start().await;
    // What is told only once it has happened.
    app.generate("20", ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"));
    let pack = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    app.finished_pack(&pack).await;
    app.http.root(&app.base, "/readyz").await;
    let told = app.http.root(&app.base, "/metrics").await;
    let told = String::from_utf8(told.body).unwrap();
    let described = told.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut known: BTreeSet<String> = BTreeSet::new();
    for line in described {
        let (name, kind) = line.split_once(' ').unwrap();
        known.insert(name.to_owned());
        if kind == "histogram" {
            known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
        }
    }
    let dashboard: Value =
        serde_json::from_str(&file("monitoring/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let shown = panels.filter_map(|panel| panel["targets"][0]["expr"].as_str().map(str::to_owned));
    // What scales workers: the figure that is asked for, and the one that it is made of.
    let lines = |path| file(path).lines().map(str::to_owned).collect::<Vec<_>>();
    let scaled = lines("deploy/kubernetes/scale.yaml").into_iter();
    let scaled = scaled.chain(lines("deploy/kubernetes/prometheus-adapter.yaml"));
    let scaled: Vec<_> = scaled
        .filter(|line| {
            ["metric: {name: ", "metricsQuery: ", "seriesQuery: "]
                .iter()
                .any(|key| line.contains(key))
        })
        .collect();
    assert_eq!(scaled.len(), 3, "{scaled:?}");
    let shown = shown.chain(scaled);
    let queries: Vec<_> = shown.chain(rules().into_iter().map(|(_, query, _)| query)).collect();
    assert!(queries.len() > 20, "{queries:?}");
    // Figures of the engine that nothing has happened for yet are in its own documentation.
    let documented = file("src/engine/figures.rs");
    for query in &queries {
        assert!(figures(query).next().is_some(), "{query} names no figure");
        for name in figures(query) {
            let base = name.trim_end_matches("_bucket");
            assert!(
                known.contains(name) || documented.contains(&format!("\"{base}\"")),
                "{name} in {query}"
            );
        }
    }
    assert_tested_on_what_is_told(&told);
}

/// The series on which rules are tested have the names and labels of what is told, and words that it knows.
fn assert_tested_on_what_is_told(told: &str) {
    // Of these there may be any, and the running service need not have told the one of a test.
    let free = ["workflow", "version", "step", "schedule"];
    let samples = told.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<_> = samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| labels(series))
        .collect();
    let yaml: serde_yaml::Value =
        serde_yaml::from_str(&file("monitoring/alerts.test.yaml")).unwrap();
    let tests = yaml["tests"].as_sequence().unwrap().iter();
    let inputs = tests.flat_map(|test| test["input_series"].as_sequence().unwrap());
    for input in inputs {
        let (name, wanted) = labels(input["series"].as_str().unwrap());
        // Nothing is tried again here, no chain was checked yet, and no run waits.
        let is_later = name == "engine_step_retries_total"
            || name == "driftpack_audit_chain_check_timestamp_seconds"
            || wanted.contains(&("how".to_owned(), "waiting".to_owned()));
        if is_later {
            continue;
        }
        let fits = |(told, labels): &(String, Vec<(String, String)>)| {
            *told == name
                && labels.len() == wanted.len()
                && wanted.iter().all(|(key, value)| {
                    let is_free = free.contains(&key.as_str())
                        || (key == "status" && name == "driftpack_http_requests_total");
                    let is = |(k, v): &(String, String)| k == key && (v == value || is_free);
                    labels.iter().any(is)
                })
        };
        assert!(samples.iter().any(fits), "{name} {wanted:?} is not told: {told}");
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_to_keep_quiet() {
    let yaml: serde_yaml::Value =
        serde_yaml::from_str(&file("monitoring/alerts.test.yaml")).unwrap();
    let tests = yaml["tests"].as_sequence().unwrap().iter();
    let checks = tests.flat_map(|test| test["alert_rule_test"].as_sequence().unwrap());
    let seen: BTreeSet<_> = checks
        .map(|check| {
            let fires = !check["exp_alerts"].as_sequence().unwrap().is_empty();
            (check["alertname"].as_str().unwrap().to_owned(), fires)
        })
        .collect();
    for (alert, ..) in rules() {
        for fires in [true, false] {
            assert!(seen.contains(&(alert.clone(), fires)), "{alert}, {fires}");
        }
    }
}

#[test]
fn every_alert_says_where_to_read_on() {
    let headings: BTreeSet<_> = file("OPERATING.md")
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let rules = rules();
    assert!(rules.len() > 12, "{rules:?}");
    for (alert, _, heading) in rules {
        assert!(headings.contains(&heading), "{heading}, of {alert}");
    }
}

#[test]
fn the_dashboard_is_what_its_program_writes() {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../monitoring/dashboard.py");
    let out = std::process::Command::new("python3").arg(program).output().unwrap();
    assert!(out.status.success());
    assert_eq!(String::from_utf8(out.stdout).unwrap(), file("monitoring/grafana-dashboard.json"));
}
