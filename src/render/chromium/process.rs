//! The browser process: how it is started, and that it ends with ours.
//!
//! Invariants
//! - It can resolve no name and its only proxy is a closed port, so that whatever a page attempts reaches nothing; the exception
//!   is the debugging port that we speak through, on loopback.
//! - It inherits nothing of our environment, which holds secrets.
//! - It ends as a whole, helpers included, before its profile is removed.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::runtime::Handle;

use super::profile::Profile;
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

/// How much of what a browser says is kept for the error when it does not start.
const SAID_MAX_LINES: usize = 12;

/// A browser and all its helpers. Dropped, it is killed, and its profile removed behind it.
pub(super) struct Process {
    address: String,
    running: Option<Running>,
}

struct Running {
    child: Child,
    profile: Profile,
}

impl Process {
    /// Starts a browser and waits until it can be spoken to; the caller bounds the time.
    pub(super) async fn start(options: &Options) -> Result<Self, Error> {
        let failed = |reason: String| Error::Start {
            executable: options.executable.display().to_string(),
            reason,
        };
        let profile =
            Profile::create().map_err(|e| failed(format!("no folder for its profile: {e}")))?;
        let mut child = spawn(options, profile.path()).map_err(|e| failed(e.to_string()))?;
        let stderr = child.stderr.take().expect("the child was spawned with a piped stderr");
        // Held from now on, so that a start that is given up leaves no helper behind.
        let mut process =
            Self { address: String::new(), running: Some(Running { child, profile }) };
        let mut lines = BufReader::new(stderr).lines();
        process.address = address(&mut lines).await.map_err(failed)?;
        // A full pipe would stop the browser, so what it says is read to the end.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(process)
    }

    /// Where its debugging protocol is spoken.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn is_alive(&mut self) -> bool {
        let child = self.running.as_mut().map(|running| running.child.try_wait());
        matches!(child, Some(Ok(None)))
    }

    /// Kills it and waits until it is gone, with its profile.
    pub(super) async fn end(mut self) {
        if let Some(running) = self.running.take() {
            running.end().await;
        }
    }

    #[cfg(test)]
    pub(super) fn pid(&self) -> Option<u32> {
        self.running.as_ref().and_then(|running| running.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.kill();
        // Without a runtime there is nobody to wait; the next start removes what is left of the profile.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(running.end());
        }
    }
}

impl Running {
    /// The whole group: helpers do not die with the process that started them.
    fn kill(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = id
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::warn!(%error, "Chromium could not be killed");
        }
    }

    async fn end(mut self) {
        self.kill();
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "Chromium could not be waited for");
        }
        drop(self.profile);
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
        // A group of its own: Ctrl-C in a terminal is for us, and the browser is ended as a whole.
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
