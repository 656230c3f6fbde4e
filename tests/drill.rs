//! The drill of `OPERATING.md`, Backups: a copy is taken while packs are built, everything is destroyed, the copy is brought
//! back; and what a restore to an older point looks like from everywhere it can be seen.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::app::{App, Options, Person, note};
use tests::cluster::{Postgres, Redis};
use tests::hold::Hold;
use tests::sql;

const DOCTOR: &[&str] = &["admin", "doctor", "--full"];

/// Everything that an installation stands on.
struct Drill {
    app: App,
    postgres: Postgres,
    redis: Redis,
    /// What people outside have kept.
    kept: PathBuf,
}

impl Drill {
    async fn begin() -> Self {
        let (postgres, redis) = (Postgres::start(), Redis::start());
        let options =
            Options { postgres: postgres.url(), redis: redis.url(), ..Options::default() };
        let app = App::start_with(options).await;
        app.generate("3000", ("2026-01-01", "2026-04-01"));
        let kept = app.dir.path().join("kept");
        Self { app, postgres, redis, kept }
    }

    /// A pack from request to file; its id and the file.
    async fn pack(&self) -> (String, PathBuf) {
        let id = self.app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
        self.finished(id).await
    }

    async fn finished(&self, id: String) -> (String, PathBuf) {
        self.app.finished_pack(&id).await;
        let file = self.app.download(&id).await;
        (id, file)
    }

    /// Power, disks and memory are gone; what was kept elsewhere is brought back.
    fn destroy_and_restore(&mut self) {
        self.app.kill();
        self.redis.stop();
        self.redis.lose_data();
        self.postgres.destroy();
        let storage = self.app.storage();
        std::fs::rename(&storage, self.kept.join("survived")).unwrap();
        self.postgres.restore();
        copy(&self.kept.join("storage"), &storage);
        self.redis.resume();
    }

    fn doctor(&self, wanted: i32) -> String {
        let (code, said) = self.app.exit(DOCTOR);
        assert_eq!(code, wanted, "{said}");
        note(&said);
        said
    }

    fn verify(&self, pack: &Path, against: &Path) -> (i32, String) {
        let paths = [pack, against].map(|path| path.display().to_string());
        self.app.exit(&["verify", &paths[0], "--against", &paths[1]])
    }

    /// What the service says of its audit log when somebody knows that it had so many entries.
    async fn log_must_reach(&self, seq: i64) -> Value {
        let path = self.app.path(&format!("audit-log/verify?expected_min_seq={seq}"));
        self.app.http.get(&path, &self.app.token(Person::Owner)).await.expect(200)
    }

    fn head(&self) -> i64 {
        let org = &self.app.org;
        let query = format!("select max(seq) from admin_audit_log where chain = '{org}'");
        sql::number(&self.app.database, &query)
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[tokio::test]
async fn a_copy_taken_while_packs_are_built_brings_everything_back_and_what_it_lacks_is_told() {
    let mut drill = Drill::begin().await;
    std::fs::create_dir(&drill.kept).unwrap();
    let (_, earlier) = drill.pack().await;
    note("a pack is in the auditor's hands; two more are being built, and the copies are taken");
    let mut hold = Hold::on(&drill.app.database, &["attest"]).await;
    let first = drill.app.request_pack("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    let second = drill.app.request_pack("2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z").await;
    hold.reached("attest").await;
    drill.postgres.back_up();
    copy(&drill.app.storage(), &drill.kept.join("storage"));
    hold.let_go("attest").await;
    drill.app.finished_pack(&first).await;
    drill.app.finished_pack(&second).await;
    let (lost, later) = drill.pack().await;
    let lost_head = drill.head();

    note("everything is destroyed, and the copies are brought back");
    drill.destroy_and_restore();
    sql::query(&drill.app.database, "drop function engine.hold() cascade");
    let said = drill.doctor(0);
    assert!(said.contains("1 are there with the bytes that were written"), "{said}");

    note("the service starts; what was under way goes on by itself");
    drill.app.spawn().await;
    for id in [&first, &second] {
        drill.app.finished_pack(id).await;
    }
    let again = drill.app.download(&first).await;
    let (code, said) = drill.verify(&again, &earlier);
    assert_eq!(code, 0, "{said}");
    drill.doctor(0);

    note("the restore went back behind what was known: whoever holds a later pack sees it");
    let verdict = drill.log_must_reach(lost_head).await;
    assert_eq!(verdict["status"], "truncated", "{verdict}");
    note(
        "Redis has forgotten who asked for packs: the request that finds out is refused, and nobody is waved through",
    );
    let period = serde_json::json!({"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-04-01T00:00:00Z"});
    let (path, token) = (drill.app.path("audit-exports"), drill.app.token(Person::Owner));
    let refused = drill.app.http.post(&path, &token, &period).await;
    assert_eq!(refused.status, 503);
    let (_, after) = drill.pack().await;
    // By now the log has as many entries again, and others than the later pack attests.
    let (code, said) = drill.verify(&after, &later);
    assert_ne!(code, 0, "{said}");
    let token = drill.app.token(Person::Owner);
    let (told, base) = (later.display().to_string(), drill.app.base.as_str());
    let live = ["verify", told.as_str(), "--live", base];
    let (code, said) = drill.app.exit_with(&[("DRIFTPACK_TOKEN", &token)], &live);
    note(&said);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("history was rewritten"), "{said}");
    drill.doctor(0);
    // A bucket that was not restored still has the pack of the time that the database has forgotten.
    let path = stored(&drill.kept.join("survived"), &lost);
    let back = drill.app.storage().join(&path);
    std::fs::create_dir_all(back.parent().unwrap()).unwrap();
    std::fs::copy(drill.kept.join("survived").join(&path), back).unwrap();
    let said = drill.doctor(1);
    assert!(said.contains("the database was restored to an older point"), "{said}");
}

#[tokio::test]
async fn packs_whose_files_are_gone_or_changed_are_listed_by_the_doctor() {
    let drill = Drill::begin().await;
    let ((gone, _), (changed, _)) = (drill.pack().await, drill.pack().await);
    drill.doctor(0);
    let path = |id: &str| drill.app.storage().join(stored(&drill.app.storage(), id));
    std::fs::remove_file(path(&gone)).unwrap();
    let mut bytes = std::fs::read(path(&changed)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path(&changed), bytes).unwrap();
    let said = drill.doctor(1);
    for told in [
        format!("acme: the pack {gone} is done, and its file is missing"),
        format!("acme: the pack {changed} has a file with other bytes than were written"),
    ] {
        assert!(said.contains(&told), "{told}: {said}");
    }
}

/// The file of a pack, relative to the storage's folder.
fn stored(storage: &Path, id: &str) -> String {
    let mut files = tests::app::files(storage);
    files.retain(|file| file.contains(id));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}
