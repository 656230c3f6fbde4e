//! Packs that lie in a bucket of S3.

use std::time::Duration;

use bucket::{Fault, Rule, S3};
use tests::app::{App, Options, Person};
use tests::{sql, wait};

use crate::crash::{PERIOD, short_lease};

/// A service whose packs lie in that bucket.
pub(crate) fn on_s3(s3: &S3) -> Options {
    let mut settings = short_lease();
    settings.extend([
        ("DRIFTWISE_STORAGE", "s3".to_owned()),
        ("DRIFTWISE_STORAGE_ROOT", String::new()),
        ("DRIFTWISE_STORAGE_BUCKET", s3.bucket().to_owned()),
        ("DRIFTWISE_STORAGE_PREFIX", "p".to_owned()),
        ("DRIFTWISE_STORAGE_ENDPOINT", s3.line.url()),
        ("DRIFTWISE_S3_ACCESS_KEY_ID", bucket::ACCESS_KEY.to_owned()),
        ("DRIFTWISE_S3_SECRET_ACCESS_KEY", bucket::SECRET_KEY.to_owned()),
    ]);
    Options { settings, ..Options::default() }
}

/// What lies in the bucket beside packs that are done; all of it has its time.
async fn until_swept(s3: &S3, packs: usize) -> Vec<String> {
    wait::until("an empty staging folder", Duration::from_secs(30), async || {
        let files = tests::app::files(&s3.folder().join("p"));
        let files: Vec<_> = files.into_iter().filter(|file| !file.starts_with('.')).collect();
        (files.len() == packs).then_some(files)
    })
    .await
}

async fn assert_verifies(app: &App, id: &str) {
    app.finished_pack(id).await;
    let zip = app.download(id).await;
    let (code, said) = app.exit(&["verify", zip.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
}

#[tokio::test]
async fn a_pack_in_a_bucket_is_built_downloaded_verified_and_deleted() {
    let s3 = S3::start();
    let app = App::start_with(on_s3(&s3)).await;
    app.generate("3000", PERIOD);
    let id = app.request_pack(PERIOD.0, PERIOD.1).await;
    assert_verifies(&app, &id).await;
    let files = until_swept(&s3, 1).await;
    assert!(files[0].starts_with("artifacts/"), "{files:?}");
    assert_eq!(s3.open_parts(), 0);
    assert!(!app.log().contains(bucket::SECRET_KEY));
    let row = app.path(&format!("audit-exports/{id}"));
    app.http.delete(&row, &app.token(Person::Owner)).await.expect(204);
    until_swept(&s3, 0).await;
}

#[tokio::test]
async fn every_accepted_pack_is_done_although_s3_fails_all_the_time() {
    let s3 = S3::start();
    let app = App::start_with(on_s3(&s3)).await;
    app.generate("3000", PERIOD);
    s3.line.disturb([
        Rule::every(5, Fault::Status(503)),
        Rule::every(7, Fault::CutRequest(100)),
        Rule::every(11, Fault::CutAnswer(100)),
        Rule::every(13, Fault::LoseAnswer),
        Rule::every(3, Fault::Slow(Duration::from_millis(30))),
    ]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(app.request_pack(PERIOD.0, PERIOD.1).await);
    }
    for id in &ids {
        app.finished_pack(id).await;
    }
    assert!(s3.line.faults() > 20, "{}", s3.line.faults());
    s3.line.heal();
    for id in &ids {
        assert_verifies(&app, id).await;
    }
    until_swept(&s3, 3).await;
}

#[tokio::test]
async fn a_pack_waits_for_a_bucket_that_is_gone_and_is_done_when_it_is_back() {
    let s3 = S3::start();
    let app = App::start_with(on_s3(&s3)).await;
    app.generate("100", PERIOD);
    wait::until("readiness", Duration::from_secs(30), async || {
        (app.http.get_root(&app.base, "/readyz").await == 200).then_some(())
    })
    .await;
    s3.hide_bucket(true);
    let id = app.request_pack(PERIOD.0, PERIOD.1).await;
    wait::until("an attempt that failed", Duration::from_mins(1), async || {
        let failed = "select count(*) from engine.attempts where error::text like '%bucket of s3://packs/p exists%'";
        (sql::number(&app.database, failed) > 0).then_some(())
    })
    .await;
    // The probe before may have been made just before the bucket was gone.
    wait::until("a service that is not ready", Duration::from_secs(30), async || {
        (app.http.get_root(&app.base, "/readyz").await == 503).then_some(())
    })
    .await;
    s3.hide_bucket(false);
    assert_verifies(&app, &id).await;
}

#[tokio::test]
async fn a_download_whose_bytes_are_not_those_of_its_row_does_not_end_well() {
    let s3 = S3::start();
    let app = App::start_with(on_s3(&s3)).await;
    app.generate("3000", PERIOD);
    let id = app.request_pack(PERIOD.0, PERIOD.1).await;
    assert_verifies(&app, &id).await;
    let files = until_swept(&s3, 1).await;
    let file = s3.folder().join("p").join(&files[0]);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let path = app.path(&format!("audit-exports/{id}/download"));
    let request = app.http.request(reqwest::Method::GET, &path, &app.token(Person::Owner));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "the end of an altered pack must not leave");
    wait::until("a word in the log", Duration::from_secs(10), async || {
        app.log().contains("not the ones that were written").then_some(())
    })
    .await;
}
