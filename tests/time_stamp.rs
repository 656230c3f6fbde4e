//! Time stamps by an authority that is honest, absent, slow or hostile.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::app::{App, Options};
use tests::authority::{Authority, Manner};

use crate::main_job::feed;

const STAMP: &str = "MANIFEST.txt.tsr";

async fn started(url: &str) -> App {
    let settings = vec![("DRIFTWISE_TSA_URL", url.to_owned())];
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    feed(&app).await;
    app
}

/// A fresh pack, the names of its entries, and what the program says of it.
async fn pack(app: &App) -> (PathBuf, Vec<String>, String) {
    let id = app.request_pack("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z").await;
    let row = app.finished_pack(&id).await;
    let zip = app.download(&id).await;
    let (code, said) = app.exit(&["verify", zip.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    let names = row["entries"].as_array().unwrap().iter();
    (zip, names.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect(), said)
}

fn unpacked(zip: &std::path::Path) -> PathBuf {
    let folder = zip.with_extension("");
    let mut unzip = Command::new("unzip");
    assert!(unzip.arg("-q").arg(zip).arg("-d").arg(&folder).status().unwrap().success());
    folder
}

#[tokio::test]
async fn a_pack_bears_a_token_that_openssl_verifies_with_the_authoritys_root() {
    let authority = Authority::start().await;
    let app = started(&authority.url).await;
    let (zip, names, said) = pack(&app).await;
    assert_eq!(names.last().map(String::as_str), Some(STAMP), "{names:?}");
    assert!(said.contains("it is over MANIFEST.txt as it is"), "{said}");
    assert_eq!(authority.asked(), 1, "a step that is done is not done again");
    let folder = unpacked(&zip);
    let (manifest, stamp) = (folder.join("MANIFEST.txt"), folder.join(STAMP));
    assert!(authority.openssl.verifies(&manifest, &stamp));
    let listed = std::fs::read_to_string(&manifest).unwrap();
    assert!(!listed.contains(STAMP), "what is made after the list is not in it");
    let provenance: Value =
        serde_json::from_slice(&std::fs::read(folder.join("provenance.json")).unwrap()).unwrap();
    let authority_name = provenance["time_stamp_authority"].as_str().unwrap();
    assert!(
        authority_name.ends_with("/tsr") && !authority_name.contains("Secret-tsa"),
        "{authority_name}"
    );
    assert!(!app.log().contains("Secret-tsa"));
    // The commands of the pack's own walkthrough, word by word.
    let text = std::fs::read_to_string(folder.join("AUDIT_LOG_VERIFY.md")).unwrap();
    let (_, section) = text.split_once("### 7. ").expect("the walkthrough has the step");
    let commands = section.split("```bash\n").nth(1).and_then(|rest| rest.split("```").next());
    let run = |root: &std::path::Path| {
        let mut bash = Command::new("bash");
        let bash = bash.arg("-c").arg(commands.expect("the step has commands"));
        let out = bash.env("AUTHORITY", root).current_dir(&folder).output().unwrap();
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    };
    let right = run(&authority.openssl.root());
    assert!(right.contains("OK: ") && !right.contains("FAILED"), "{right}");
    std::fs::write(&manifest, listed.replacen('a', "b", 1)).unwrap();
    assert!(run(&authority.openssl.root()).contains("FAILED"));
}

#[tokio::test]
async fn no_manner_of_an_authority_fails_a_pack_and_the_pack_says_that_it_was_asked() {
    let authority = Authority::start().await;
    let manners = [
        Manner::Rude,
        Manner::Page,
        Manner::Closed,
        Manner::Redirecting,
        Manner::Repeating,
        Manner::Endless,
        Manner::Silent,
    ];
    // Five packs a day are allowed; another organisation's day is its own.
    for manners in manners.chunks(4) {
        let app = started(&authority.url).await;
        for manner in manners {
            authority.behave(*manner);
            let (_, names, said) = pack(&app).await;
            assert!(names.iter().all(|name| name != STAMP), "{manner:?}: {names:?}");
            assert!(
                said.contains("bears no time stamp, although http://127.0.0.1:"),
                "{manner:?}: {said}"
            );
            assert!(app.log().contains("the pack ships without a time stamp"), "{manner:?}");
        }
        authority.behave(Manner::Honest);
        let (_, names, _) = pack(&app).await;
        assert_eq!(names.last().map(String::as_str), Some(STAMP), "it is asked again");
    }
}

#[tokio::test]
async fn an_authority_that_is_not_there_fails_no_pack() {
    let app = started(&format!("http://127.0.0.1:{}/tsr", tests::cluster::free_port())).await;
    let (_, names, said) = pack(&app).await;
    assert!(names.iter().all(|name| name != STAMP), "{names:?}");
    assert!(said.contains("bears no time stamp"), "{said}");
}
