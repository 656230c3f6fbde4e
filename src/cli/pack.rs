//! From a request to a ZIP on disk: asks for a pack, follows its run step by step, downloads it, checks its hash.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, Utc};
use engine::Clock;
use evidence::time::stamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use workflows::compliance_pack::STEPS;

use crate::client::Client;
use crate::say;

/// How often the row is asked for: often enough to see each step of a small pack.
const ASK_EVERY: Duration = Duration::from_millis(150);

/// A pack that has reached the disk.
pub(crate) struct Fetched {
    pub(crate) file: PathBuf,
    pub(crate) size_bytes: u64,
    /// The export row as the service gave it last.
    pub(crate) row: Value,
}

/// Requests the pack of `period` and waits until it is in `folder`.
pub(crate) async fn fetch(
    client: &Client,
    org: Uuid,
    period: (DateTime<Utc>, DateTime<Utc>),
    folder: &Path,
) -> Result<Fetched> {
    let body = json!({"period_start": stamp(period.0), "period_end": stamp(period.1)});
    let key = Uuid::from_bytes(rand::random());
    let requested = client
        .post_once(&format!("orgs/{org}/audit-exports"), key, &body)
        .await
        .context("the pack was not accepted")?;
    let id = requested["id"].as_str().context("the service's answer has no id")?.to_owned();
    let row = follow(client, &format!("orgs/{org}/audit-exports/{id}")).await?;
    let name = file_name(&row)?;
    let file = folder.join(name);
    let size_bytes =
        client.download(&format!("orgs/{org}/audit-exports/{id}/download"), &file).await?;
    let hash = hash_of(&file)?;
    ensure!(
        row["sha256"] == hash.as_str(),
        "{} is damaged: its SHA-256 is {hash}, the service says {}",
        file.display(),
        row["sha256"]
    );
    Ok(Fetched { file, size_bytes, row })
}

/// Watches the row until it is done, and shows each step as it comes.
async fn follow(client: &Client, path: &str) -> Result<Value> {
    let mut shown = Shown::new();
    loop {
        let row = client.get(path).await?;
        match row["status"].as_str().unwrap_or_default() {
            "pending" | "running" => shown.update(&row["progress"]),
            "done" => {
                shown.end();
                return Ok(row);
            }
            "failed" => {
                let text = |name: &str| row["error"][name].as_str().unwrap_or("unknown").to_owned();
                bail!(
                    "the pack failed: {} ({}); the service's log has more under run {}",
                    text("message"),
                    text("code"),
                    row["workflow_run_id"]
                );
            }
            other => bail!("the pack is {other}: somebody deleted it while it was built"),
        }
        Clock::System.sleep(ASK_EVERY).await;
    }
}

/// The steps, one line each as it is over; the present one moves where there is a terminal. A step that was over
/// before anybody looked gets its line all the same.
struct Shown {
    over: usize,
    bar: ProgressBar,
}

impl Shown {
    fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("  {spinner} {msg}  {elapsed}")
            .expect("a constant template");
        bar.set_style(style);
        Self { over: 0, bar }
    }

    fn update(&mut self, progress: &Value) {
        let step = progress["step"].as_str().unwrap_or("waiting for a worker");
        self.pass(STEPS.iter().position(|known| *known == step).unwrap_or_default());
        let (done, total) =
            (progress["done"].as_i64().unwrap_or(0), progress["total"].as_i64().unwrap_or(0));
        let count = if total > 0 { format!(" {done} of {total}") } else { String::new() };
        self.bar.set_message(say::printable(&format!("{step}{count}")));
        self.bar.tick();
    }

    /// The first `over` steps are over.
    fn pass(&mut self, over: usize) {
        for step in STEPS.get(self.over..over).unwrap_or_default() {
            self.bar.suspend(|| say::note(format!("  ✓ {step}")));
        }
        self.over = self.over.max(over);
    }

    /// The pack is there; what the run still does is to clean up.
    fn end(&mut self) {
        self.pass(STEPS.len() - 1);
        self.bar.finish_and_clear();
    }
}

/// The name the service gives, as a plain file name: nothing that leads out of the folder.
fn file_name(row: &Value) -> Result<&str> {
    let name = row["file_name"].as_str().context("the service's answer has no file_name")?;
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !name.starts_with('.');
    ensure!(is_plain && !name.is_empty(), "the service's file name is not a plain one");
    Ok(name)
}

fn hash_of(file: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut reader =
        std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    std::io::copy(&mut reader, &mut Hashing(&mut hasher))?;
    Ok(hex::encode(hasher.finalize()))
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_never_leads_out_of_the_folder() {
        for name in ["../x.zip", "/etc/passwd", ".bashrc", "", "a\nb"] {
            assert!(file_name(&json!({"file_name": name})).is_err(), "{name:?}");
        }
        assert!(
            file_name(&json!({"file_name": "compliance-pack-acme-2026-08-01_2026-11-24.zip"}))
                .is_ok()
        );
    }
}
