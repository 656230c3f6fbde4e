//! Hostile and broken input: a named refusal or a correct scan, never a 500 and never half a scan.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tests::app::{App, Options, Person};
use tests::http::send;
use tests::plan::{changed, plan};
use tests::sql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn upload(app: &App, bytes: Vec<u8>) -> tests::http::Answer {
    app.http.upload(&app.path("scans?state_source=prod"), &app.token(Person::Owner), bytes).await
}

#[tokio::test]
async fn broken_input_is_refused_by_name_and_leaves_nothing() {
    let app = App::start().await;
    let whole = plan("2026-01-11T08:00:00Z", &[]).to_string();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("truncated", whole.as_bytes()[..whole.len() / 2].to_vec()),
        (
            "not UTF-8",
            [b"{\"format_version\":\"1.2\",\"x\":\"", &[0xff, 0xfe][..], b"\"}"].concat(),
        ),
        ("deep", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes()),
        (
            "deep in a plan",
            format!(
                "{{\"format_version\":\"1.2\",\"resource_drift\":{}{}}}",
                "[".repeat(5000),
                "]".repeat(5000)
            )
            .into_bytes(),
        ),
        ("a list", b"[]".to_vec()),
        ("a number", b"1".to_vec()),
        ("another document", br#"{"hello":"world"}"#.to_vec()),
        ("an unknown major version", br#"{"format_version":"7.0","resource_drift":[]}"#.to_vec()),
        (
            "a lone surrogate",
            br#"{"format_version":"1.2","resource_drift":[{"address":"\ud800"}]}"#.to_vec(),
        ),
        ("a state file", br#"{"version":4,"serial":1,"lineage":"x","resources":[]}"#.to_vec()),
        ("binary", vec![0; 4096]),
    ];
    for (what, bytes) in cases {
        let answer = upload(&app, bytes).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{what}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        assert!(!answer.error().is_empty() && answer.json()["message"].is_string(), "{what}");
    }
    assert_eq!(sql::number(&app.database, "select count(*) from scans"), 0);
    assert_eq!(
        sql::number(
            &app.database,
            "select count(*) from admin_audit_log where action = 'scan.ingested'"
        ),
        0
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_without_being_read_whole() {
    let settings = vec![("DRIFTWISE_SCAN_MAX_BYTES", "100000".to_owned())];
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    let head = format!(
        "POST /api/v2{} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n",
        app.path("scans?state_source=prod"),
        app.token(Person::Owner),
    );
    // Announced, and never sent.
    let announced = format!("{head}content-length: 100000000\r\n\r\n");
    // Not announced, and no end of it: one chunk that is one byte too long.
    let endless =
        format!("{head}transfer-encoding: chunked\r\n\r\n186A1\r\n{}", " ".repeat(100_001));
    for request in [announced, endless] {
        let answer = raw_answer(&app.base, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains(r#""error":"body_too_large""#), "{answer}");
    }
    assert_eq!(app.http.get_root(&app.base, "/healthz").await, 200);
}

/// What the server says to these bytes until it has said a whole error.
async fn raw_answer(base: &str, request: &[u8]) -> String {
    let address = base.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        while !answer.ends_with(b"}") {
            let mut bytes = [0; 4096];
            let count = connection.read(&mut bytes).await.unwrap();
            assert!(count > 0, "cut: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&bytes[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an answer comes");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_compressed_bomb_is_refused_and_honest_compression_is_read() {
    let app = App::start().await;
    let path = app.path("scans?state_source=prod");
    let post = |bytes: Vec<u8>| {
        let request = app.http.request(reqwest::Method::POST, &path, &app.token(Person::Owner));
        send(
            request
                .header("content-encoding", "gzip")
                .header("content-type", "application/json")
                .body(bytes),
        )
    };
    let bomb = gzip(&vec![b' '; 300 * 1024 * 1024]);
    assert_eq!(post(bomb.clone()).await.status, 413);
    assert_eq!(upload(&app, bomb).await.status, 413, "also where nobody said that it is packed");
    let packed = gzip(plan("2026-01-11T08:00:00Z", &[]).to_string().as_bytes());
    post(packed.clone()).await.expect(201);
    upload(&app, packed).await.expect(200);
    let false_gzip = post(b"not gzip".to_vec()).await;
    assert_eq!((false_gzip.status, false_gzip.error().as_str()), (400, "invalid_content_encoding"));
}

/// Compresses with the system's gzip.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let mut child = Command::new("gzip")
        .arg("-1c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    out.stdout
}

#[tokio::test]
async fn the_same_plan_twice_is_one_scan() {
    let app = App::start().await;
    let body = plan(
        "2026-01-11T08:00:00Z",
        &[changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))],
    )
    .to_string();
    let first = upload(&app, body.clone().into_bytes()).await.expect(201);
    let again = upload(&app, body.into_bytes()).await.expect(200);
    assert_eq!(first["id"], again["id"]);
    assert_eq!(sql::number(&app.database, "select count(*) from scans"), 1);
    assert_eq!(
        sql::number(
            &app.database,
            "select count(*) from admin_audit_log where action = 'scan.ingested'"
        ),
        1
    );
}

#[tokio::test]
async fn scans_out_of_time_order_are_kept_and_do_not_rewrite_what_newer_ones_showed() {
    let app = App::start().await;
    let drift = [changed("aws_instance", "web", "ami", &json!("a"), &json!("b"))];
    app.ingest("prod", &plan("2026-01-12T08:00:00Z", &drift)).await;
    app.ingest("prod", &plan("2026-01-11T08:00:00Z", &[])).await;
    let findings = app.http.get(&app.path("findings"), &app.token(Person::Owner)).await.expect(200);
    assert_eq!(findings["findings"][0]["status"], "open");
    let scans = app.http.get(&app.path("scans"), &app.token(Person::Owner)).await.expect(200);
    assert_eq!(scans["scans"].as_array().unwrap().len(), 2);
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    app.finished_pack(&id).await;
    let (code, said) = app.exit(&["verify", app.download(&id).await.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_scan_from_the_future_is_refused() {
    let app = App::start().await;
    let answer = upload(&app, plan("2999-01-01T00:00:00Z", &[]).to_string().into_bytes()).await;
    assert_eq!(answer.status, 422, "{}", answer.json());
}

#[tokio::test]
async fn nul_and_control_characters_reach_no_column_and_break_nothing() {
    let app = App::start().await;
    let mut drift = changed("aws_instance", "web", "ami", &json!("a"), &json!("b\u{0}c"));
    drift["address"] = json!("aws_instance.web[\"a\u{0}b\r\n\u{202e}\"]");
    let answer =
        upload(&app, plan("2026-01-11T08:00:00Z", &[drift]).to_string().into_bytes()).await;
    answer.expect(201);
    let findings: Value =
        app.http.get(&app.path("findings"), &app.token(Person::Owner)).await.expect(200);
    assert!(!findings["findings"][0]["address"].as_str().unwrap().contains('\u{0}'));
}

#[tokio::test]
async fn a_period_of_fifty_years_is_a_correct_pack_or_a_named_refusal() {
    let app = App::start().await;
    let body =
        json!({"period_start": "1976-01-01T00:00:00Z", "period_end": "2026-01-01T00:00:00Z"});
    let answer = app.http.post(&app.path("audit-exports"), &app.token(Person::Owner), &body).await;
    if answer.status == 202 {
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        app.finished_pack(&id).await;
        let (code, said) = app.exit(&["verify", app.download(&id).await.to_str().unwrap()]);
        assert_eq!(code, 0, "{said}");
    } else {
        assert_eq!((answer.status, answer.error().as_str()), (422, "invalid_period"));
    }
}
