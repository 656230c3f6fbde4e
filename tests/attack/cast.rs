//! Those who take part in one attack: an organisation with its history, the pack its auditor kept, the checks.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::app::{App, Person, note};
use tests::authority::Authority;
use tests::plan::{changed, deleted, plan};
use tests::{sql, wait};

use super::{Forged, Verdicts};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Caught,
    Missed,
    /// There is nothing that could be checked.
    Nothing,
}

impl Found {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Caught => "**caught**",
            Self::Missed => "no",
            Self::Nothing => "–",
        }
    }

    const fn of(is_caught: bool) -> Self {
        if is_caught { Self::Caught } else { Self::Missed }
    }
}

const LIMIT: Duration = Duration::from_mins(3);
const PERIOD: (&str, &str) = ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");

pub(super) struct Cast<'a> {
    app: &'a App,
    slug: &'static str,
    id: String,
    owner: String,
    /// What the auditor has kept since before the attack.
    kept: Option<PathBuf>,
    /// What the operator hands over after it.
    handed: Option<PathBuf>,
}

impl<'a> Cast<'a> {
    /// An organisation with three scans, and with `changes` of a setting in its audit log.
    pub(super) async fn new(app: &'a App, slug: &'static str, changes: usize) -> Self {
        let id = app.create_org(slug, "enterprise");
        let owner = app.token_of(slug, Person::Owner);
        let org = Self { app, slug, id, owner, kept: None, handed: None };
        let open =
            changed("aws_security_group", "edge", "ingress", &json!([]), &json!(["0.0.0.0/0"]));
        let gone = deleted("aws_s3_bucket", "logs");
        for (at, drift) in [
            ("2026-01-10T08:00:00Z", vec![]),
            ("2026-01-11T08:00:00Z", vec![open.clone()]),
            ("2026-02-02T08:00:00Z", vec![open, gone]),
        ] {
            let path = org.path("scans?state_source=prod");
            app.http.upload(&path, &org.owner, plan(at, &drift).to_string()).await.expect(201);
        }
        let sources = app.http.get(&org.path("state-sources"), &org.owner).await.expect(200);
        let source = sources["state_sources"][0]["id"].as_str().unwrap();
        let path = org.path(&format!("state-sources/{source}"));
        for turn in 0..changes {
            let hours = json!({"expected_scan_interval_hours": 24 + turn % 2});
            app.http.patch(&path, &org.owner, &hours).await.expect(200);
        }
        org
    }

    fn path(&self, rest: &str) -> String {
        format!("/orgs/{}/{rest}", self.id)
    }

    /// Past triggers and row security.
    pub(super) fn attack(&self, statements: &str) {
        let statements = statements.replace("$c", &format!("'{}'", self.id));
        let free = "set session_replication_role = replica;";
        sql::query(&self.app.database, &format!("{free} {statements}"));
    }

    /// The pack that the auditor keeps.
    pub(super) async fn keep_pack(&mut self) {
        let row = self.pack().await.expect("nothing is wrong yet");
        assert_eq!(row["status"], "done", "{row}");
        self.kept = Some(self.download(&row, "kept").await);
        let (code, said) = self.verify(self.kept.as_ref().unwrap(), &[]);
        assert_eq!(code, 0, "{said}");
    }

    /// The kept pack passes every check before the attack, or none of them would tell anything.
    pub(super) async fn knows_of_nothing(&self) {
        if self.kept.is_some() {
            assert_eq!(self.verify_live(), Found::Missed, "{}", self.slug);
        }
        let path = self.path("audit-log/verify");
        let verdict = self.app.http.get(&path, &self.owner).await.expect(200);
        assert_eq!(verdict["status"], "ok", "{}: a rewritten chain is whole in itself", self.slug);
    }

    /// Builds the pack that the operator hands over; caught when the product refuses.
    pub(super) async fn next_pack(&mut self) -> Found {
        match self.pack().await {
            Some(row) if row["status"] == "done" => {
                self.handed = Some(self.download(&row, "handed").await);
                Found::Missed
            }
            refused => {
                note(&format!("{}: no pack: {refused:?}", self.slug));
                Found::Caught
            }
        }
    }

    /// The row of a finished pack, done or failed; nothing when the request itself was refused.
    async fn pack(&self) -> Option<Value> {
        let body = json!({"period_start": PERIOD.0, "period_end": PERIOD.1});
        let answer = self.app.http.post(&self.path("audit-exports"), &self.owner, &body).await;
        if answer.status != 202 {
            return None;
        }
        let path = self.path(&format!("audit-exports/{}", answer.json()["id"].as_str()?));
        Some(
            wait::until("a pack", LIMIT, async || {
                let row = self.app.http.get(&path, &self.owner).await.expect(200);
                matches!(row["status"].as_str(), Some("done" | "failed")).then_some(row)
            })
            .await,
        )
    }

    async fn download(&self, row: &Value, name: &str) -> PathBuf {
        let path = self.path(&format!("audit-exports/{}/download", row["id"].as_str().unwrap()));
        let answer = self.app.http.get(&path, &self.owner).await;
        let file = self.app.dir.path().join(format!("{}-{name}.zip", self.slug));
        if answer.status == 200 {
            std::fs::write(&file, &answer.body).unwrap();
        } else {
            // The operator has the storage, too.
            let key = format!(
                "select object_key from audit_exports where id = '{}'",
                row["id"].as_str().unwrap()
            );
            let key = sql::query(&self.app.database, &key);
            std::fs::copy(self.app.storage().join(key), &file).unwrap();
        }
        file
    }

    /// What is handed over instead of the product's own pack.
    pub(super) fn forge(&mut self, forged: Forged, authority: &Authority) {
        let (Some(pack), true) = (&self.handed, forged != Forged::Rebuilt) else { return };
        let out = pack.with_extension("forged.zip");
        let mut python = Command::new("python3");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/attack/backdate.py");
        python.arg("-B").arg(script).arg(pack).arg(self.app.dir.path().join("signing-key.pem"));
        python.arg(&out).arg("2026-04-02");
        if forged == Forged::BackdatedAndStamped {
            python.arg(authority.url.replace("user:Secret-tsa@", ""));
        }
        let done = python.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        self.handed = Some(out);
    }

    /// Exit code and words of `driftpack verify`, with the keys that the organisation publishes.
    fn verify(&self, pack: &std::path::Path, more: &[&str]) -> (i32, String) {
        let keys = format!("{}/.well-known/driftpack-keys.json", self.app.base);
        let pack = pack.to_str().unwrap();
        let arguments = [&["verify", pack, "--keys-url", keys.as_str()][..], more].concat();
        let (code, said) =
            self.app.exit_with(&[("DRIFTPACK_TOKEN", self.owner.as_str())], &arguments);
        assert!((0..=3).contains(&code), "{said}");
        note(&format!("{} {more:?}: {said}", self.slug));
        (code, said)
    }

    /// The newest pack, on its own, its time stamp left aside.
    pub(super) fn verify_alone(&self) -> Found {
        let Some(handed) = &self.handed else { return Found::Nothing };
        let (_, said) = self.verify(handed, &[]);
        Found::of(faults(&said).any(|line| !line.contains("time_stamp")))
    }

    /// The auditor asks the running product about the pack that they kept, or else about the newest.
    pub(super) fn verify_live(&self) -> Found {
        let Some(pack) = self.kept.as_ref().or(self.handed.as_ref()) else { return Found::Nothing };
        let (_, said) = self.verify(pack, &["--live", &self.app.base]);
        Found::of(faults(&said).any(|line| line.contains(" live ")))
    }

    pub(super) fn verify_against(&self) -> Found {
        let (Some(handed), Some(kept)) = (&self.handed, &self.kept) else { return Found::Nothing };
        let (_, said) = self.verify(handed, &["--against", kept.to_str().unwrap()]);
        Found::of(faults(&said).any(|line| line.contains("continuity")))
    }

    /// Of the newest pack: by OpenSSL with the authority's root, and by its date.
    pub(super) fn time_stamp(&self, authority: &Authority) -> Found {
        let Some(handed) = &self.handed else { return Found::Nothing };
        let folder = handed.with_extension("unpacked");
        let mut unzip = Command::new("unzip");
        assert!(unzip.arg("-q").arg(handed).arg("-d").arg(&folder).status().unwrap().success());
        let (data, answer) = (folder.join("MANIFEST.txt"), folder.join("MANIFEST.txt.tsr"));
        let is_right = authority.openssl.verifies(&data, &answer);
        let (_, said) = self.verify(handed, &[]);
        let is_late = said.contains("the authority saw it first at");
        let is_faulty = faults(&said).any(|line| line.contains("time_stamp"));
        assert_eq!(is_right, !is_faulty, "the two agree on whether it is over these bytes: {said}");
        Found::of(is_faulty || is_late)
    }
}

/// The lines of a report that change its result.
fn faults(said: &str) -> impl Iterator<Item = &str> {
    said.lines().filter(|line| {
        ["BROKEN", "TRUNCATED", "INCOMPLETE"].iter().any(|mark| line.starts_with(mark))
    })
}

/// Runs a round of the check of all chains; whether it found fault with the chain of each organisation.
pub(super) async fn round(app: &App, schedule: &str) -> Verdicts {
    let rounds = || sql::number(&app.database, "select count(*) from audit_chain_rounds");
    let before = rounds();
    let token = app.platform_admin();
    let run = ["schedules", "run", schedule, "--server", app.base.as_str()];
    let (code, said) = app.exit_with(&[("DRIFTPACK_TOKEN", token.as_str())], &run);
    assert_eq!(code, 0, "{said}");
    wait::until("a round", LIMIT, async || (rounds() > before).then_some(())).await;
    let verdicts = "select slug || ' ' || coalesce(status, 'none')
                      from orgs join audit_chain_states on chain = id";
    let verdicts = sql::query(&app.database, verdicts);
    let verdict = |line: &str| {
        let (slug, status) = line.split_once(' ').expect("a slug and a status");
        (slug.to_owned(), Found::of(status != "ok"))
    };
    verdicts.lines().map(verdict).collect()
}
