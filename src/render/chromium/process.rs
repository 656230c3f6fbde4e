//! The browser process: how it is started, and that it ends with ours.
//!
//! Invariants
//! - It can resolve no name and its only proxy is a closed port, so that whatever a page attempts reaches nothing; the exception
//!   is the debugging port that we speak through, on loopback.
//! - It inherits nothing of our environment, which holds secrets.
//! - Its profile is a folder of its own, removed with it; what killed processes left is removed by the next start.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::{Error, Options};

/// The discard port: nothing listens there, so every connection through this proxy fails at once.
const NO_NETWORK: [&str; 3] = [
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
];

/// Off: whatever calls home, asks a person, or makes one machine's print differ from another's.
const QUIET: [&str; 24] = [
    "--headless",
    "--remote-debugging-port=0",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--disable-gpu",
    "--disable-hang-monitor",
    "--disable-popup-blocking",
    "--disable-sync",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--lang=en-US",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
];

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PROFILE: &str = "driftpack-chromium-";

/// How much of what a browser says is kept for the error when it does not start.
const SAID_MAX_LINES: usize = 12;

pub(super) struct Process {
    child: Child,
    address: String,
    /// Removed when dropped; declared after the child, which is killed first.
    _profile: TempDir,
}

impl Process {
    /// Starts a browser and waits until it can be spoken to.
    pub(super) async fn start(options: &Options) -> Result<Self, Error> {
        let failed = |reason: String| Error::Start {
            executable: options.executable.display().to_string(),
            reason,
        };
        remove_orphans(&std::env::temp_dir());
        let profile = tempfile::Builder::new()
            .prefix(&format!("{PROFILE}{}-", std::process::id()))
            .tempdir()
            .map_err(|e| failed(format!("no folder for its profile: {e}")))?;
        let mut child = spawn(options, profile.path()).map_err(|e| failed(e.to_string()))?;
        let stderr = child.stderr.take().expect("the child was spawned with a piped stderr");
        let mut lines = BufReader::new(stderr).lines();
        let address = tokio::time::timeout(options.timeout, address(&mut lines)).await;
        let address = address
            .map_err(|_elapsed| failed(format!("not ready within {:?}", options.timeout)))?
            .map_err(failed)?;
        // A full pipe would stop the browser, so what it says is read to the end.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, address, _profile: profile })
    }

    /// Where its debugging protocol is spoken.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(super) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "Chromium could not be killed");
        }
    }

    #[cfg(test)]
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

/// Spawned so that the kernel kills it when we die, where `setpriv` (util-linux) can ask for that.
fn spawn(options: &Options, profile: &Path) -> std::io::Result<Child> {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(&options.executable);
    match set_up(&mut tied, options, profile).spawn() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            set_up(&mut Command::new(&options.executable), options, profile).spawn()
        }
        spawned => spawned,
    }
}

fn set_up<'a>(command: &'a mut Command, options: &Options, profile: &Path) -> &'a mut Command {
    let mut user_data = std::ffi::OsString::from("--user-data-dir=");
    user_data.push(profile);
    command.args(QUIET).args(NO_NETWORK).arg(user_data);
    if !options.sandbox {
        command.arg("--no-sandbox");
    }
    command
        .arg("about:blank")
        .env_clear()
        .envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("TZ", "UTC")])
        .env("HOME", profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is for us; we end the browser when the work in flight is done.
        .process_group(0)
        .kill_on_drop(true)
}

/// Reads what the browser says until it tells its address; otherwise the last lines it said.
async fn address(lines: &mut Lines<BufReader<ChildStderr>>) -> Result<String, String> {
    let mut said: Vec<String> = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = line.strip_prefix("DevTools listening on ") {
            return Ok(address.trim().to_owned());
        }
        said.push(line);
        if said.len() > SAID_MAX_LINES {
            said.remove(0);
        }
    }
    Err(format!("it ended, saying: {}", said.join(" | ")))
}

/// Removes the profiles of browsers whose process of ours is gone; best effort, they are a few megabytes each.
fn remove_orphans(temporary: &Path) {
    let Ok(folders) = std::fs::read_dir(temporary) else { return };
    for folder in folders.flatten() {
        let name = folder.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PROFILE)?.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        let is_gone = Path::new("/proc/self").exists() && !process_folder(pid).exists();
        if is_gone && let Err(error) = std::fs::remove_dir_all(folder.path()) {
            tracing::debug!(%error, "the profile of an earlier Chromium stays");
        }
    }
}

fn process_folder(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}
