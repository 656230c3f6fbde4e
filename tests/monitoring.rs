//! The dashboard, the alert rules and what scales workers name what a running service tells, and alerts say where to read on.

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

/// Every query of the rules, with the heading that its runbook names.
fn rules(yaml: &str) -> Vec<(String, String)> {
    let mut rules = Vec::new();
    for block in yaml.split("- alert: ").skip(1) {
        let (before, after) = block.split_once("labels:").expect("each rule has labels");
        let (_, query) = before.split_once("expr:").expect("each rule has a query");
        let (_, runbook) = after.split_once("OPERATING.md#").expect("each rule has a runbook");
        let heading = runbook.split('"').next().unwrap();
        rules.push((query.to_owned(), heading.to_owned()));
    }
    rules
}

#[tokio::test]
async fn alerts_and_the_dashboard_name_figures_that_exist() {
    let app = App::start().await;
    // What is told only once it has happened.
    app.generate("20", ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"));
    let pack = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    app.finished_pack(&pack).await;
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
    let rules = rules(&file("monitoring/alerts.yaml"));
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
    let queries: Vec<_> = shown.chain(rules.iter().map(|(query, _)| query.clone())).collect();
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
}

#[test]
fn every_alert_says_where_to_read_on() {
    let headings: BTreeSet<_> = file("OPERATING.md")
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    for (query, heading) in rules(&file("monitoring/alerts.yaml")) {
        assert!(headings.contains(&heading), "{heading}, of {query}");
    }
}

#[test]
fn the_dashboard_is_what_its_program_writes() {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../monitoring/dashboard.py");
    let out = std::process::Command::new("python3").arg(program).output().unwrap();
    assert!(out.status.success());
    assert_eq!(String::from_utf8(out.stdout).unwrap(), file("monitoring/grafana-dashboard.json"));
}
