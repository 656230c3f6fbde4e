//! The same promises on every kind of place: a real folder, memory, a real S3 server and the GCS emulator.

mod fault;

use std::path::Path;

use bucket::{Gcs, S3};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    AccessKey, Attempt, CHUNK_BYTES, Encryption, GcsCredentials, Key, Options, Storage, options,
};

const RUN: Uuid = Uuid::from_u128(7);
const ORG: Uuid = Uuid::from_u128(1);
const EXPORT: Uuid = Uuid::from_u128(2);

fn on_disk(root: &Path) -> Storage {
    Storage::open(&Options::Fs { root: root.to_path_buf() }).unwrap()
}

/// A place of each kind, and what holds them.
struct Places {
    all: Vec<Storage>,
    _folder: tempfile::TempDir,
    _s3: S3,
    _gcs: Gcs,
}

async fn places() -> Places {
    let (folder, s3, gcs) = (tempfile::tempdir().unwrap(), S3::start(), gcs().await);
    let all = vec![
        on_disk(&folder.path().join("made/on/open")),
        Storage::open(&Options::Memory).unwrap(),
        Storage::open(&Options::S3(on_s3(&s3))).unwrap(),
        Storage::open(&on_gcs(&gcs)).unwrap(),
    ];
    Places { all, _folder: folder, _s3: s3, _gcs: gcs }
}

/// A bucket of its own in the emulator that `./dev test` starts.
async fn gcs() -> Gcs {
    let (_, url) = std::env::vars()
        .find(|(name, _)| name == "DRIFTPACK_TEST_GCS_URL")
        .expect("DRIFTPACK_TEST_GCS_URL is not set: run the tests through `./dev test`");
    Gcs::start(&url, &format!("t-{:016x}", rand::random::<u64>())).await
}

fn on_gcs(gcs: &Gcs) -> Options {
    Options::Gcs(options::Gcs {
        bucket: gcs.bucket().to_owned(),
        prefix: "p/eu".to_owned(),
        endpoint: Some(gcs.line.url()),
        credentials: GcsCredentials::Anonymous,
    })
}

fn on_s3(s3: &S3) -> options::S3 {
    options::S3 {
        bucket: s3.bucket().to_owned(),
        prefix: "p/eu".to_owned(),
        region: bucket::REGION.to_owned(),
        endpoint: Some(s3.line.url()),
        is_path_style: true,
        access_key: Some(AccessKey {
            id: bucket::ACCESS_KEY.to_owned(),
            secret: bucket::SECRET_KEY.to_owned(),
            session_token: None,
        }),
        encryption: Encryption::OfBucket,
    }
}

fn staged(name: &str) -> Key {
    Key::staging(&Attempt::new(RUN, 1, 1), name)
}

async fn put(storage: &Storage, key: &Key, bytes: &[u8]) {
    let mut writer = storage.writer(key).await.unwrap();
    for piece in bytes.chunks(300_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(writer.close().await.unwrap().size_bytes, bytes.len() as u64);
}

async fn get(storage: &Storage, key: &Key) -> Vec<u8> {
    let chunks: Vec<Bytes> = storage.read(key).await.unwrap().try_collect().await.unwrap();
    assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
    chunks.concat()
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_written() {
    let places = places().await;
    for storage in &places.all {
        for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 17, 17 * CHUNK_BYTES + 1]
        {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let key = staged("data.json");
            put(storage, &key, &bytes).await;
            assert!(get(storage, &key).await == bytes);
        }
    }
}

#[tokio::test]
async fn a_range_reads_exactly_its_bytes() {
    let places = places().await;
    for storage in &places.all {
        let key = staged("a");
        put(storage, &key, b"0123456789").await;
        let part = storage.read_range(&key, 2..5).await.unwrap();
        let part: Vec<Bytes> = part.try_collect().await.unwrap();
        assert_eq!(part.concat(), b"234");
    }
}

#[tokio::test]
async fn publishing_twice_is_publishing_once() {
    let places = places().await;
    for storage in &places.all {
        let (from, to) = (staged("pack.zip"), Key::artifact(ORG, EXPORT, &[9; 32]));
        put(storage, &from, b"pack").await;
        storage.publish(&from, &to).await.unwrap();
        storage.publish(&from, &to).await.unwrap();
        assert_eq!(get(storage, &to).await, b"pack");
        assert!(!storage.exists(&from).await.unwrap());
    }
}

#[tokio::test]
async fn publishing_over_an_earlier_copy_leaves_one_object() {
    let places = places().await;
    for storage in &places.all {
        let to = Key::artifact(ORG, EXPORT, &[9; 32]);
        for from in [staged("pack.zip"), staged("pack.zip")] {
            put(storage, &from, b"pack").await;
            storage.publish(&from, &to).await.unwrap();
        }
        let found: Vec<_> = storage.artifacts().await.unwrap().try_collect().await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].org, found[0].export, &found[0].key), (ORG, EXPORT, &to));
    }
}

#[tokio::test]
async fn publishing_what_was_never_written_says_that_it_is_missing() {
    let places = places().await;
    for storage in &places.all {
        let error = storage.publish(&staged("x"), &Key::artifact(ORG, EXPORT, &[9; 32])).await;
        let error = error.unwrap_err();
        assert!(error.is_missing() && !error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn a_sweep_takes_every_attempt_of_its_run_and_nothing_else() {
    let places = places().await;
    for storage in &places.all {
        let other = Key::staging(&Attempt::new(Uuid::from_u128(8), 1, 1), "a");
        for key in [&staged("a"), &staged("a"), &staged("b"), &other] {
            put(storage, key, b"x").await;
        }
        storage.sweep(RUN).await.unwrap();
        storage.sweep(RUN).await.unwrap();
        let left: Vec<Uuid> = storage.staged_runs().await.unwrap().try_collect().await.unwrap();
        assert_eq!(left, [Uuid::from_u128(8)]);
        assert!(storage.exists(&other).await.unwrap());
    }
}

#[tokio::test]
async fn an_unfinished_object_is_found_by_the_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let disk = on_disk(folder.path());
    let mut writer = disk.writer(&staged("half")).await.unwrap();
    writer.write(vec![1; 2 * CHUNK_BYTES].into()).await.unwrap();
    drop(writer);
    disk.sweep(RUN).await.unwrap();
    let left: Vec<Uuid> = disk.staged_runs().await.unwrap().try_collect().await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn an_aborted_object_is_gone() {
    let places = places().await;
    for storage in &places.all {
        let key = staged("a");
        let mut writer = storage.writer(&key).await.unwrap();
        writer.write(vec![1; 2 * CHUNK_BYTES].into()).await.unwrap();
        writer.abort().await.unwrap();
        assert!(!storage.exists(&key).await.unwrap());
    }
}

#[tokio::test]
async fn removing_is_repeatable_and_absence_is_told_from_trouble() {
    let places = places().await;
    for storage in &places.all {
        let key = staged("a");
        put(storage, &key, b"x").await;
        storage.remove(&key).await.unwrap();
        storage.remove(&key).await.unwrap();
        assert_eq!(storage.find(&key).await.unwrap(), None);
        assert!(storage.read(&key).await.err().unwrap().is_missing());
        let mut late = storage.read_range(&key, 0..1).await.unwrap();
        assert!(late.try_next().await.unwrap_err().is_missing());
    }
}

#[tokio::test]
async fn readiness_leaves_nothing_behind() {
    let places = places().await;
    for storage in &places.all {
        let (one, two) = tokio::join!(storage.check(), storage.check());
        one.unwrap();
        two.unwrap();
        let probes = storage.operator.list("probe/").await.unwrap();
        assert!(probes.iter().all(|entry| entry.path() == "probe/"), "{probes:?}");
    }
}

/// Root ignores permission bits, so the folder is made unwritable by leading it into `/sys`, where nobody may create one.
#[tokio::test]
async fn an_unwritable_folder_is_a_passing_trouble_that_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let storage = on_disk(folder.path());
    for top in ["staging", "probe"] {
        std::os::unix::fs::symlink("/sys/kernel", folder.path().join(top)).unwrap();
    }
    let key = staged("a");
    let mut writer = storage.writer(&key).await.unwrap();
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    let error = writer.close().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(text.contains("may write to it"), "{text}");
    assert!(storage.check().await.unwrap_err().is_transient());

    for top in ["staging", "probe"] {
        std::fs::remove_file(folder.path().join(top)).unwrap();
    }
    storage.check().await.unwrap();
    put(&storage, &key, b"x").await;
    assert_eq!(get(&storage, &key).await, b"x");
}

#[tokio::test]
async fn a_folder_that_is_away_is_trouble_and_no_missing_object() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("volume");
    let storage = on_disk(&root);
    let key = staged("a");
    put(&storage, &key, b"x").await;
    std::fs::rename(&root, folder.path().join("unmounted")).unwrap();
    assert!(storage.stat(&key).await.unwrap_err().is_transient());
    std::fs::rename(folder.path().join("unmounted"), &root).unwrap();
    assert_eq!(get(&storage, &key).await, b"x");
}

/// The place where a volume was mounted stays behind as an empty folder.
#[tokio::test]
async fn an_unmounted_volume_is_trouble_and_takes_no_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("volume");
    let storage = on_disk(&root);
    let (key, late) = (staged("a"), staged("b"));
    put(&storage, &key, b"x").await;
    std::fs::rename(&root, folder.path().join("unmounted")).unwrap();
    std::fs::create_dir(&root).unwrap();
    let artifact = Key::artifact(ORG, EXPORT, &[9; 32]);
    let errors = [
        storage.stat(&key).await.unwrap_err(),
        storage.find(&key).await.unwrap_err(),
        storage.read(&key).await.err().unwrap(),
        storage.writer(&late).await.err().unwrap(),
        storage.publish(&key, &artifact).await.unwrap_err(),
        storage.remove(&key).await.unwrap_err(),
        storage.sweep(RUN).await.unwrap_err(),
        storage.check().await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_transient() && !error.is_missing(), "{error}");
        assert!(error.to_string().contains("mounted"), "{error}");
    }
    let left: Vec<_> = std::fs::read_dir(&root).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::remove_dir(&root).unwrap();
    std::fs::rename(folder.path().join("unmounted"), &root).unwrap();
    assert_eq!(get(&storage, &key).await, b"x");
    assert_eq!(storage.find(&late).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_killed_readiness_check_left_is_swept() {
    let places = places().await;
    for storage in &places.all {
        put(storage, &Key::probe(), b"left").await;
        storage.sweep_probes().await.unwrap();
        storage.sweep_probes().await.unwrap();
        let probes = storage.operator.list("probe/").await.unwrap_or_default();
        assert!(probes.iter().all(|entry| entry.path() == "probe/"), "{probes:?}");
        storage.check().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_published_for_an_export_goes_and_nothing_else() {
    let places = places().await;
    for storage in &places.all {
        let other = Key::artifact(ORG, Uuid::from_u128(3), &[9; 32]);
        let [one, two] = [[1; 32], [2; 32]].map(|sha256| Key::artifact(ORG, EXPORT, &sha256));
        for key in [&one, &two, &other] {
            put(storage, key, b"pack").await;
        }
        storage.remove_artifacts(ORG, EXPORT).await.unwrap();
        storage.remove_artifacts(ORG, EXPORT).await.unwrap();
        let left: Vec<_> = storage.artifacts().await.unwrap().try_collect().await.unwrap();
        assert_eq!(left.into_iter().map(|artifact| artifact.key).collect::<Vec<_>>(), [other]);
    }
}

#[test]
fn two_executions_of_one_attempt_never_share_a_key() {
    assert_ne!(staged("a"), staged("a"));
}

#[test]
fn a_key_survives_its_text() {
    for key in [staged("findings.csv"), Key::artifact(ORG, EXPORT, &[255; 32])] {
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
    }
}

#[test]
fn what_is_no_key_of_ours_is_refused() {
    for text in [
        "",
        "staging/",
        "/etc/passwd",
        "staging/../../etc/passwd",
        "staging//a",
        "artifacts/./a",
        "probe/x",
        "staging/a\0b",
        "staging/ä",
        "Staging/a",
        "artifacts/a/b/c.zip/",
    ] {
        assert!(text.parse::<Key>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_name_makes_a_valid_staging_key(name in ".{0,200}") {
        let key = staged(&name);
        prop_assert_eq!(key.as_str().parse::<Key>(), Ok(key.clone()));
    }

    #[test]
    fn parsing_a_key_never_panics_and_never_leaves_the_folder(text in "\\PC*") {
        if let Ok(key) = text.parse::<Key>() {
            prop_assert!(!key.as_str().split('/').any(|part| part == ".." || part.is_empty()));
        }
    }
}
