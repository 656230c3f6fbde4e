//! Prints HTML as PDF in a Chromium of our own.
//!
//! Invariants
//! - One browser per [`Chromium`], one print at a time. A browser is kept only after a print that succeeded; after an error, a
//!   timeout or a caller that went away it is killed, and the next print starts another.
//! - A probe disturbs nothing: it prints nothing, waits for no print, and starts a browser only where there is none.
//! - A print leaves nothing in the browser: each has a browser context of its own, disposed afterwards. The one of the next
//!   print is made as soon as a print is over, because making it takes as long as printing.
//! - What is printed cannot run scripts, reach the network or read files (see `print.rs` and `process.rs`).

mod dates;
mod print;
mod process;
mod profile;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chromiumoxide::Browser;
use chromiumoxide::error::CdpError;
use chromiumoxide::handler::HandlerConfig;
use evidence::time::Time;
use futures_util::StreamExt as _;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use print::Ready;
use process::Process;

use crate::report::Paper;

/// For making a page, which takes less than a second: whoever stops the service waits for it.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// Printed once, to see that printing works.
const WORD: &str = "<!doctype html><title>word</title><p>word";

/// How Chromium is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program: a path, or a name to look for in the usual folders.
    pub executable: PathBuf,
    /// Chromium's own sandbox. It cannot work for root, so a process of root must say `false`.
    pub sandbox: bool,
    /// For the start of the browser, and for one print.
    pub timeout: Duration,
    /// What reports are laid out for.
    pub paper: Paper,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            executable: installed(),
            sandbox: true,
            timeout: Duration::from_mins(1),
            paper: Paper::A4,
        }
    }
}

/// Debian's `chromium-headless-shell`: made for this, prints in two fifths of the time of the browser for people. Not by the script in
/// `/usr/bin`, which stays between the two of us, so that the browser would live on when we are killed.
const HEADLESS_SHELL: &str = "/usr/lib/chromium/chromium-headless-shell";

/// The browser to print with where nobody names one.
pub fn installed() -> PathBuf {
    let shell = PathBuf::from(HEADLESS_SHELL);
    if shell.is_file() { shell } else { PathBuf::from("chromium") }
}

/// A Chromium that prints; cheap to clone, all clones share one browser.
#[derive(Clone)]
pub struct Chromium {
    options: Options,
    live: Arc<Mutex<Option<Live>>>,
    /// Whether the last browser did not start; a probe asks while another one is being started.
    is_failing: Arc<AtomicBool>,
}

/// Why nothing was printed. Trying again starts another browser.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "Chromium could not be started as {executable}: {reason}; check that it is installed, that the configured path is \
         right and that it may start (as root it needs its sandbox switched off)"
    )]
    Start { executable: String, reason: String },
    #[error("Chromium did not finish within {0:?}; it was stopped")]
    Timeout(Duration),
    #[error("Chromium failed while printing; it was stopped")]
    Browser(#[source] Box<CdpError>),
    #[error("the PDF does not say where its dates are, so it cannot be made reproducible")]
    Undated,
}

impl From<CdpError> for Error {
    fn from(error: CdpError) -> Self {
        Self::Browser(Box::new(error))
    }
}

impl Chromium {
    /// Starts a browser and prints a word, so that a machine without a working one is known at once.
    pub async fn launch(options: Options) -> Result<Self, Error> {
        let chromium = Self { options, live: Arc::default(), is_failing: Arc::default() };
        chromium.pdf(WORD, Time::UNIX_EPOCH).await?;
        Ok(chromium)
    }

    /// What reports are to be laid out for.
    pub fn paper(&self) -> Paper {
        self.options.paper
    }

    /// Prints a page, of the size that its style names, with `dated` as the PDF's dates: the same page gives the same bytes.
    pub async fn pdf(&self, html: &str, dated: Time) -> Result<Vec<u8>, Error> {
        let mut slot = Arc::clone(&self.live).lock_owned().await;
        // Taken out, and put back only after success: a browser of unknown state is dropped, and thereby killed.
        let mut live = match slot.take().and_then(Live::alive) {
            Some(live) => live,
            None => self.start().await?,
        };
        let printed = tokio::time::timeout(self.options.timeout, live.print(html)).await;
        match printed {
            Ok(Ok(pdf)) => {
                tokio::spawn(make_ready(slot, live, self.options.timeout.min(READY_LIMIT)));
                dates::set(pdf, dated)
            }
            Ok(Err(error)) => {
                live.end().await;
                Err(error.into())
            }
            Err(_elapsed) => {
                live.end().await;
                Err(Error::Timeout(self.options.timeout))
            }
        }
    }

    /// Whether there is a browser that runs; where there is none, whether one can be started.
    ///
    /// Answers at once while a print is going on: a browser at work is alive. May be given up at any time.
    pub async fn probe(&self) -> Result<(), Error> {
        let Ok(mut slot) = Arc::clone(&self.live).try_lock_owned() else {
            let failed = self.is_failing.load(Ordering::Relaxed);
            return if failed { Err(self.not_started("nor did the last one")) } else { Ok(()) };
        };
        *slot = slot.take().and_then(Live::alive);
        if slot.is_some() {
            return Ok(());
        }
        // In a task of its own: who asks may not have the patience for a start, and would take the browser along.
        let chromium = self.clone();
        let started = tokio::spawn(async move {
            *slot = Some(chromium.start().await?);
            Ok(())
        });
        started.await.unwrap_or_else(|died| Err(self.not_started(&died.to_string())))
    }

    async fn start(&self) -> Result<Live, Error> {
        let Options { timeout, .. } = self.options;
        // Everything that can hang is inside: the process, what it says, and the connection to it.
        let started = tokio::time::timeout(timeout, Live::start(&self.options)).await;
        let started = started
            .unwrap_or_else(|_| Err(self.not_started(&format!("not ready within {timeout:?}"))));
        self.is_failing.store(started.is_err(), Ordering::Relaxed);
        started
    }

    fn not_started(&self, reason: &str) -> Error {
        Error::Start {
            executable: self.options.executable.display().to_string(),
            reason: reason.to_owned(),
        }
    }

    /// Stops the browser; a later print would start one again.
    pub async fn close(&self) {
        if let Some(live) = self.live.lock().await.take() {
            live.end().await;
        }
    }
}

/// Makes the page for the next print, which waits for it if it comes meanwhile, and puts the browser back.
async fn make_ready(mut slot: OwnedMutexGuard<Option<Live>>, mut live: Live, timeout: Duration) {
    match tokio::time::timeout(timeout, live.make_ready()).await {
        Ok(Ok(())) => *slot = Some(live),
        // The next print starts another browser.
        Ok(Err(error)) => {
            tracing::warn!(%error, "Chromium made no page for the next print; it was stopped");
            live.end().await;
        }
        Err(_elapsed) => {
            tracing::warn!("Chromium made no page within {timeout:?}; it was stopped");
            live.end().await;
        }
    }
}

/// A browser that runs, and the connection to it.
struct Live {
    browser: Browser,
    process: Process,
    connection: Connection,
    /// For the next print.
    ready: Option<Ready>,
}

impl Live {
    async fn start(options: &Options) -> Result<Self, Error> {
        let process = Process::start(options).await?;
        let config = HandlerConfig {
            request_timeout: options.timeout,
            viewport: None,
            cache_enabled: false,
            ..HandlerConfig::default()
        };
        let (browser, mut handler) =
            Browser::connect_with_config(process.address().to_owned(), config).await?;
        // Ends when the browser goes away, or says something that cannot be understood.
        let connection =
            tokio::spawn(async move { while let Some(Ok(())) = handler.next().await {} });
        Ok(Self { browser, process, connection: Connection(connection), ready: None })
    }

    /// The browser again, if it still runs.
    fn alive(mut self) -> Option<Self> {
        (!self.connection.0.is_finished() && self.process.is_alive()).then_some(self)
    }

    async fn make_ready(&mut self) -> Result<(), CdpError> {
        if self.ready.is_none() {
            self.ready = Some(Ready::make(&self.browser).await?);
        }
        Ok(())
    }

    async fn print(&mut self, html: &str) -> Result<Vec<u8>, CdpError> {
        let ready = match self.ready.take() {
            Some(ready) => ready,
            None => Ready::make(&self.browser).await?,
        };
        ready.print(&self.browser, html).await
    }

    async fn end(self) {
        self.process.end().await;
    }
}

/// The task that speaks to the browser; it ends when this is dropped.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}
