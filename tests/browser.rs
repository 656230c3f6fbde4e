//! Chromium: the one below a running driftpack, and one of our own that looks at its pages.

use std::path::Path;
use std::process::Command;

/// A page after its scripts have run.
pub struct Page {
    pub dom: String,
    /// What the page said on its console, faults included.
    pub console: String,
}

/// Looks at a page with a browser that reaches this machine and no other.
///
/// # Panics
/// When Chromium cannot be started.
pub fn visit(url: &str, folder: &Path) -> Page {
    let profile = format!("--user-data-dir={}", folder.join("visitor").display());
    let out = Command::new(crate::setting::chromium())
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", &profile])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--virtual-time-budget=20000",
        ])
        .args(["--dump-dom", url])
        .output()
        .expect("Chromium is installed by the project's set-up");
    let said = String::from_utf8_lossy(&out.stderr);
    let console =
        said.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    Page { dom: String::from_utf8_lossy(&out.stdout).into_owned(), console }
}

/// One browser process.
pub struct Browser {
    pid: String,
    port: u16,
}

impl Browser {
    /// The browser of the program with this process id.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn of(program: u32) -> Self {
        let out = Command::new("pgrep").args(["-P", &program.to_string()]).output();
        let children = String::from_utf8(out.expect("procps is installed").stdout).expect("digits");
        let [pid] = children.lines().collect::<Vec<_>>()[..] else {
            panic!("one browser, not {children:?}");
        };
        Self { pid: pid.to_owned(), port: debugging_port(pid) }
    }

    /// Whether it has a page ready for the next print and is left alone. (A page that is being made, or printed, goes or changes.)
    pub fn is_ready(&self) -> bool {
        (0..40).all(|_| self.has_page())
    }

    /// Whether it has a page beside the one that every browser begins with.
    fn has_page(&self) -> bool {
        let list = format!("http://127.0.0.1:{}/json/list", self.port);
        let out = Command::new("curl").args(["-s", &list]).output().expect("curl is installed");
        let pages: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let is_page = |target: &&serde_json::Value| target["type"] == "page";
        pages.as_array().is_some_and(|all| all.iter().filter(is_page).count() > 1)
    }

    /// Stops it without ending it: what it is asked for from now on stays unanswered.
    pub fn freeze(&self) {
        // What it was asked before is not what is waited for.
        while self.is_asked() {
            std::thread::yield_now();
        }
        self.signal("STOP");
    }

    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Whether a frozen browser was asked for something: bytes wait on its side of the connection.
    pub fn is_asked(&self) -> bool {
        let local = format!(":{:04X}", self.port);
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
        sockets.lines().any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let waiting = fields.get(4).and_then(|queues| queues.split_once(':'));
            fields.get(1).is_some_and(|address| address.ends_with(&local))
                && waiting.is_some_and(|(_, received)| received != "00000000")
        })
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the browser runs");
    }
}

/// Where the browser listens: it writes the port into its profile.
fn debugging_port(pid: &str) -> u16 {
    let words = std::fs::read_to_string(Path::new("/proc").join(pid).join("cmdline"));
    let words = words.expect("the browser runs");
    let profile = words.split('\0').find_map(|word| word.strip_prefix("--user-data-dir="));
    let file = Path::new(profile.expect("its profile is an argument")).join("DevToolsActivePort");
    let text = std::fs::read_to_string(file).expect("it has answered before");
    text.lines().next().and_then(|line| line.parse().ok()).expect("the first line is the port")
}
