//! What goes wrong between us and a place, and what must not come of it.

use std::time::Duration;

use bucket::{Fault, Line, Rule, S3};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use hyper::Method;
use sha2::{Digest as _, Sha256};

use super::{EXPORT, ORG, RUN, gcs, get, on_disk, on_gcs, on_s3, places, put, staged};
use crate::options::{self, Patience};
use crate::{CHUNK_BYTES, Encryption, Error, Key, Options, Storage};

/// More than two parts of an upload.
const SIZE: usize = 17 * CHUNK_BYTES + 1;

/// Trouble that lasts is found out quickly.
const IMPATIENT: Patience = Patience {
    connect: Duration::from_secs(5),
    call: Duration::from_millis(300),
    part: Duration::from_millis(300),
    tries: 2,
    pause: Duration::from_millis(1),
};

/// A try and another one at once, each with all the time it needs.
const HASTY: Patience = Patience {
    connect: Duration::from_secs(5),
    call: Duration::from_secs(20),
    part: Duration::from_secs(45),
    tries: 1,
    pause: Duration::from_millis(1),
};

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// Each kind of bucket with the line to it, one after the other.
async fn on_each_bucket(test: impl AsyncFn(&Line, Storage)) {
    on_each_bucket_with(&Patience::default(), test).await;
}

async fn on_each_bucket_with(patience: &Patience, test: impl AsyncFn(&Line, Storage)) {
    let (s3, gcs) = (S3::start(), gcs().await);
    for (line, options) in [(&s3.line, Options::S3(on_s3(&s3))), (&gcs.line, on_gcs(&gcs))] {
        test(line, Storage::open_patiently(&options, patience).unwrap()).await;
    }
}

async fn try_put(storage: &Storage, key: &Key, bytes: &[u8]) -> Result<(), Error> {
    let mut writer = storage.writer(key).await?;
    for piece in bytes.chunks(300_000) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.close().await.map(drop)
}

fn assert_passes(error: &Error) {
    assert!(error.is_transient() && !error.is_missing(), "{error}");
}

#[tokio::test]
async fn hiccups_of_a_service_stay_unseen() {
    on_each_bucket(async |line, storage| {
        let bytes = bytes();
        for fault in
            [Fault::Status(503), Fault::Status(500), Fault::Slow(Duration::from_millis(50))]
        {
            line.disturb([Rule::every(3, fault)]);
            let key = staged("a");
            put(&storage, &key, &bytes).await;
            assert!(get(&storage, &key).await == bytes);
        }
        assert!(line.faults() > 3);
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_cut_off_in_the_middle_goes_on() {
    on_each_bucket(async |line, storage| {
        let (bytes, key) = (bytes(), staged("a"));
        line.disturb([Rule::next(2, Method::PUT, "", Fault::CutRequest(CHUNK_BYTES))]);
        put(&storage, &key, &bytes).await;
        assert_eq!(line.faults(), 2);
        assert!(get(&storage, &key).await == bytes);
    })
    .await;
}

#[tokio::test]
async fn a_download_that_is_cut_off_in_the_middle_goes_on_from_there() {
    on_each_bucket(async |line, storage| {
        let (bytes, key) = (bytes(), staged("cut-here"));
        put(&storage, &key, &bytes).await;
        line.disturb([Rule::next(3, Method::GET, "cut-here", Fault::CutAnswer(CHUNK_BYTES + 7))]);
        assert!(get(&storage, &key).await == bytes);
        assert_eq!(line.faults(), 3);
    })
    .await;
}

#[tokio::test]
async fn trouble_that_lasts_passes_leaves_nothing_to_be_seen_and_ends_when_the_service_is_back() {
    on_each_bucket_with(&HASTY, async |line, storage| {
        let (bytes, there) = (bytes(), staged("there"));
        put(&storage, &there, b"x").await;
        for fault in [Fault::Status(503), Fault::CutRequest(1000), Fault::CutRequest(0)] {
            let key = staged("a");
            line.disturb([Rule::always(fault)]);
            assert_passes(&try_put(&storage, &key, &bytes).await.unwrap_err());
            assert_passes(&storage.stat(&there).await.unwrap_err());
            assert_passes(&storage.find(&there).await.unwrap_err());
            assert_passes(&storage.remove(&there).await.unwrap_err());
            assert_passes(&storage.sweep(RUN).await.unwrap_err());
            assert_passes(&storage.check().await.unwrap_err());
            line.heal();
            assert_eq!(storage.find(&key).await.unwrap(), None, "{fault:?}");
            storage.check().await.unwrap();
            assert_eq!(get(&storage, &there).await, b"x");
        }
    })
    .await;
}

/// Nobody knows then whether the object is there; if it is, it is whole.
#[tokio::test]
async fn an_upload_whose_end_was_never_confirmed_is_whole_or_absent() {
    on_each_bucket_with(&HASTY, async |line, storage| {
        let (bytes, key) = (bytes(), staged("a"));
        put(&storage, &staged("first"), b"x").await;
        line.disturb([Rule::always(Fault::LoseAnswer)]);
        let put = try_put(&storage, &key, &bytes).await;
        line.heal();
        if let Err(error) = put {
            assert_passes(&error);
        }
        if storage.exists(&key).await.unwrap() {
            assert!(get(&storage, &key).await == bytes);
        }
    })
    .await;
}

#[tokio::test]
async fn publishing_whose_answers_get_lost_can_be_done_again() {
    on_each_bucket_with(&HASTY, async |line, storage| {
        let (from, to) = (staged("pack.zip"), Key::artifact(ORG, EXPORT, &[9; 32]));
        put(&storage, &from, b"pack").await;
        line.disturb([Rule::always(Fault::LoseAnswer)]);
        assert_passes(&storage.publish(&from, &to).await.unwrap_err());
        line.heal();
        storage.publish(&from, &to).await.unwrap();
        storage.publish(&from, &to).await.unwrap();
        assert_eq!(get(&storage, &to).await, b"pack");
        assert!(!storage.exists(&from).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up() {
    let s3 = S3::start();
    let options = Options::S3(on_s3(&s3));
    let storage = Storage::open_patiently(&options, &IMPATIENT).unwrap();
    put(&storage, &staged("a"), b"x").await;
    s3.line.disturb([Rule::always(Fault::Slow(Duration::from_hours(1)))]);
    let began = tokio::time::Instant::now();
    assert_passes(&storage.stat(&staged("a")).await.unwrap_err());
    assert_passes(&try_put(&storage, &staged("b"), b"x").await.unwrap_err());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_trouble_that_names_the_bucket() {
    let mut options = on_s3(&S3::start());
    options.endpoint = Some("http://127.0.0.1:1".to_owned());
    let storage = Storage::open_patiently(&Options::S3(options), &IMPATIENT).unwrap();
    let error = storage.check().await.unwrap_err();
    assert_passes(&error);
    assert!(error.to_string().contains("s3://packs/p/eu"), "{error}");
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_trouble_and_no_missing_object() {
    let s3 = S3::start();
    let storage = Storage::open(&Options::S3(on_s3(&s3))).unwrap();
    let (key, artifact) = (staged("a"), Key::artifact(ORG, EXPORT, &[9; 32]));
    put(&storage, &key, b"x").await;
    s3.hide_bucket(true);
    let late = storage.read_range(&key, 0..1).await;
    let late = match late {
        Ok(mut late) => late.try_next().await.unwrap_err(),
        Err(early) => early,
    };
    let errors = [
        late,
        storage.stat(&key).await.unwrap_err(),
        storage.find(&key).await.unwrap_err(),
        storage.read(&key).await.err().unwrap(),
        storage.publish(&key, &artifact).await.unwrap_err(),
        try_put(&storage, &staged("b"), b"x").await.unwrap_err(),
        storage.check().await.unwrap_err(),
    ];
    for error in errors {
        assert_passes(&error);
        assert!(error.to_string().contains("check that the bucket of s3://packs"), "{error}");
    }
    s3.hide_bucket(false);
    assert_eq!(get(&storage, &key).await, b"x");
}

/// Somebody has emptied it, or its name leads elsewhere: every pack would look lost.
#[tokio::test]
async fn a_bucket_that_was_emptied_is_trouble_and_no_missing_object() {
    let s3 = S3::start();
    let storage = Storage::open(&Options::S3(on_s3(&s3))).unwrap();
    put(&storage, &staged("a"), b"x").await;
    s3.hide_bucket(true);
    s3.create_bucket();
    assert_passes(&storage.stat(&staged("a")).await.unwrap_err());
}

#[tokio::test]
async fn wrong_credentials_are_trouble_that_says_so_and_never_shows_them() {
    let s3 = S3::start();
    let mut options = on_s3(&s3);
    options.access_key.as_mut().unwrap().secret = "hunter2".to_owned();
    assert!(!format!("{options:?}").contains("hunter2"));
    let storage = Storage::open(&Options::S3(options)).unwrap();
    let errors = [
        storage.check().await.unwrap_err(),
        storage.stat(&staged("a")).await.unwrap_err(),
        storage.sweep(RUN).await.unwrap_err(),
    ];
    for error in errors {
        assert_passes(&error);
        let text = format!("{error} {error:?} {storage:?}");
        assert!(text.contains("check the credentials") && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_given_up() {
    let s3 = S3::start();
    let storage = Storage::open(&Options::S3(on_s3(&s3))).unwrap();
    for is_aborted in [true, false] {
        let key = staged("a");
        let mut writer = storage.writer(&key).await.unwrap();
        writer.write(bytes().into()).await.unwrap();
        writer.write(bytes().into()).await.unwrap();
        assert!(s3.open_parts() > 0);
        if is_aborted {
            writer.abort().await.unwrap();
            assert_eq!(s3.open_parts(), 0);
        } else {
            drop(writer);
            let end = tokio::time::Instant::now() + Duration::from_secs(30);
            while s3.open_parts() > 0 {
                assert!(tokio::time::Instant::now() < end, "the parts stay");
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(storage.find(&key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_upload_that_was_never_ended_is_not_to_be_seen() {
    on_each_bucket(async |_, storage| {
        let key = staged("a");
        let mut writer = storage.writer(&key).await.unwrap();
        writer.write(bytes().into()).await.unwrap();
        assert_eq!(storage.find(&key).await.unwrap(), None);
        let runs: Vec<_> = storage.staged_runs().await.unwrap().try_collect().await.unwrap();
        assert!(runs.is_empty(), "{runs:?}");
        // As if the process had been killed.
        std::mem::forget(writer);
    })
    .await;
}

#[tokio::test]
async fn every_request_that_makes_an_object_asks_for_the_encryption_that_is_configured() {
    let cases = [
        (Encryption::OfBucket, None, None),
        (Encryption::S3, Some("AES256"), None),
        (Encryption::Kms { key_id: None }, Some("aws:kms"), None),
        (Encryption::Kms { key_id: Some("key-1".to_owned()) }, Some("aws:kms"), Some("key-1")),
    ];
    for (encryption, algorithm, key_id) in cases {
        let s3 = S3::start();
        let storage =
            Storage::open(&Options::S3(options::S3 { encryption, ..on_s3(&s3) })).unwrap();
        let (small, large) = (staged("small"), staged("large"));
        put(&storage, &small, b"x").await;
        put(&storage, &large, &bytes()).await;
        storage.publish(&large, &Key::artifact(ORG, EXPORT, &[9; 32])).await.unwrap();
        let seen = s3.line.take_seen();
        // A PUT of an object or of a copy, and the begin of an upload in parts; parts inherit what their upload began with.
        let makes = |seen: &&bucket::Seen| {
            (seen.method == Method::PUT && !seen.target.contains("partNumber"))
                || (seen.method == Method::POST && seen.target.contains("?uploads"))
        };
        let made: Vec<_> = seen.iter().filter(makes).collect();
        assert_eq!(made.len(), 4, "marker, small, large, copy: {made:?}");
        for request in made {
            let header = |name| request.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(header("x-amz-server-side-encryption"), algorithm, "{}", request.target);
            assert_eq!(header("x-amz-server-side-encryption-aws-kms-key-id"), key_id);
        }
    }
}

#[tokio::test]
async fn the_end_of_an_object_with_other_bytes_than_were_written_is_withheld() {
    let bytes = bytes();
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    let places = places().await;
    for storage in &places.all {
        let (good, bad) = (staged("a"), staged("b"));
        put(storage, &good, &bytes).await;
        let mut altered = bytes.clone();
        altered[SIZE / 2] ^= 1;
        put(storage, &bad, &altered).await;
        let size_bytes = u64::try_from(SIZE).unwrap();
        let whole = storage.read_whole(&good, size_bytes, sha256).await.unwrap();
        let whole: Vec<Bytes> = whole.try_collect().await.unwrap();
        assert!(whole.concat() == bytes);
        let mut stream = storage.read_whole(&bad, size_bytes, sha256).await.unwrap();
        let mut come = 0;
        let error = loop {
            match stream.try_next().await {
                Ok(chunk) => come += chunk.expect("it must not end well").len(),
                Err(error) => break error,
            }
        };
        assert!(error.is_altered() && !error.is_transient() && !error.is_missing(), "{error}");
        assert!(come < SIZE, "the end must not leave");
    }
}

/// A device that is always full stands where the object would be written; it refuses root, too.
#[tokio::test]
async fn a_full_disk_is_a_passing_trouble_that_says_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let storage = on_disk(folder.path());
    let key = staged("a");
    let file = folder.path().join(key.as_str());
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let error = try_put(&storage, &key, &bytes()).await.unwrap_err();
    assert_passes(&error);
    let text = error.to_string();
    assert!(text.contains("disk is not full"), "{text}");
    std::fs::remove_file(&file).unwrap();
    put(&storage, &key, b"x").await;
    assert_eq!(get(&storage, &key).await, b"x");
}
