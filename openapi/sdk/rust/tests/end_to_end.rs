//! A scan goes in and a pack comes out of a running service: see `tests/sdk.rs`, which starts it.

use std::time::Duration;

use driftpack_client::{Ci, Driftpack, Error, Wait, verify, verify_with_program};
use uuid::Uuid;

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn client(token: &str) -> Driftpack {
    Driftpack::new(&env("DRIFTPACK_URL"), &env(token)).unwrap()
}

fn org() -> Uuid {
    env("DRIFTPACK_ORG").parse().unwrap()
}

fn code(outcome: Result<impl std::fmt::Debug, Error>) -> String {
    match outcome {
        Err(Error::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_scan_goes_in_and_a_verified_pack_comes_out() {
    let machine = client("DRIFTPACK_API_KEY");
    let scan = std::fs::read(env("DRIFTPACK_SCAN_FILE")).unwrap();
    let ci = Ci { repository: Some("acme/infra".to_owned()), ..Ci::default() };
    let first = machine.organisation(org()).ingest(scan.clone(), "rust", None, ci).await.unwrap();
    let again = machine.organisation(org()).ingest(scan, "rust", None, Ci::default()).await.unwrap();
    assert_eq!((first.id, first.drifted), (again.id, 1));

    let person = client("DRIFTPACK_TOKEN");
    let org = person.organisation(org());
    let (start, end) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-02-01T00:00:00Z".parse().unwrap());
    let row = org.request_pack(start, end, Some("rust".to_owned())).await.unwrap();
    assert_eq!(org.request_pack(start, end, Some("rust".to_owned())).await.unwrap().id, row.id);
    let wait = Wait { at_most: Duration::from_mins(4), every: Duration::from_millis(200) };
    let done = org.wait_until_done(row.id, wait).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let pack = org.download_to(row.id, folder.path()).await.unwrap();
    assert_eq!(pack.file_name().unwrap().to_str(), done.file_name.as_deref());
    let mut names: Vec<String> = done.entries.iter().map(|entry| entry.name.clone()).collect();
    names.retain(|name| name != "MANIFEST.txt");
    names.sort();
    assert_eq!(verify(&pack).unwrap().into_keys().collect::<Vec<_>>(), names);
    let none: [&str; 0] = [];
    assert_eq!(verify_with_program(&pack, env("DRIFTPACK_BIN"), &none).await.unwrap()["result"], "ok");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let whole = std::fs::read(&pack).unwrap();
    std::fs::write(&pack, &whole[..whole.len() - 100]).unwrap();
    assert!(matches!(verify(&pack), Err(Error::BrokenPack(_))));
    let broken = verify_with_program(&pack, env("DRIFTPACK_BIN"), &none).await;
    assert!(matches!(broken, Err(Error::BrokenPack(_))), "{broken:?}");

    org.delete_pack(row.id).await.unwrap();
    assert_eq!(code(org.download_to(row.id, folder.path()).await), "gone");
}

#[tokio::test]
async fn a_refusal_has_its_code() {
    let machine = client("DRIFTPACK_API_KEY");
    assert_eq!(machine.me().await.unwrap().orgs[0].id, crate::org());
    let org = machine.organisation(org());
    let (start, end) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-02-01T00:00:00Z".parse().unwrap());
    assert_eq!(code(org.request_pack(start, end, None).await), "oidc_required");
    assert_eq!(code(org.ingest(b"{}".to_vec(), "rust", None, Ci::default()).await), "unknown_format");
}
