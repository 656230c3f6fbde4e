//! The worker processes: started, ended in every way, and started again.
//!
//! Invariants: a worker that is not there is started again, as a supervisor of a deployment would; a clock that jumped
//! stays where it is when its worker is started anew; of each build there is always a worker, once both have been.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::cluster::signal;
use crate::report::Deaths;
use crate::workload::versioned::BUILDS;

/// What Debian's package `libfaketime` puts below /usr/lib, in a folder of the machine's architecture.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";
/// How long a worker that was asked to stop may take; its own grace is far shorter.
const STOP: Duration = Duration::from_secs(30);

/// The time between two tries to start a worker that fails to.
const PAUSE: Duration = Duration::from_millis(250);

/// The worker processes.
#[derive(Debug)]
pub struct Fleet {
    folder: PathBuf,
    socket: PathBuf,
    faketime: PathBuf,
    with_schedule: bool,
    slots: Vec<Slot>,
    deaths: Deaths,
}

/// A place for a worker.
#[derive(Debug)]
struct Slot {
    child: Option<Child>,
    build: i32,
    /// How often a worker was started here.
    starts: u32,
    start_at: Instant,
    ending: Ending,
}

/// What is known about the end of a slot's worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Nothing: should it end, it was its own doing.
    Unasked,
    Killed,
    Asked(Instant),
}

impl Fleet {
    /// Starts `workers` workers; the last is of the second build already, the others of the first.
    pub fn start(folder: &Path, socket: &Path, workers: usize) -> Result<Self> {
        let slots = (0..workers).map(|index| Slot::new(BUILDS[usize::from(index + 1 == workers)]));
        let mut fleet = Self {
            folder: folder.to_owned(),
            socket: socket.to_owned(),
            faketime: faketime()?,
            with_schedule: true,
            slots: slots.collect(),
            deaths: Deaths::default(),
        };
        for slot in 0..workers {
            fleet.set_clock(slot, 0)?;
        }
        fleet.tend()?;
        Ok(fleet)
    }

    /// Starts whoever is missing; takes note of who ended, and how.
    pub fn tend(&mut self) -> Result<()> {
        for index in 0..self.slots.len() {
            self.reap(index)?;
            if self.slots[index].child.is_none() && self.slots[index].start_at <= Instant::now() {
                self.spawn(index)?;
            }
        }
        Ok(())
    }

    /// `kill -9`; the next worker starts after `down`.
    pub fn kill(&mut self, index: usize, down: Duration) {
        let slot = &mut self.slots[index];
        slot.ending = Ending::Killed;
        slot.start_at = Instant::now() + down;
        slot.signal(Signal::KILL);
    }

    pub fn freeze(&self, index: usize) {
        self.slots[index].signal(Signal::STOP);
    }

    pub fn thaw(&self, index: usize) {
        self.slots[index].signal(Signal::CONT);
    }

    /// SIGTERM; the next worker starts when it has ended.
    pub fn terminate(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if slot.ending == Ending::Unasked && slot.child.is_some() {
            slot.ending = Ending::Asked(Instant::now());
            slot.signal(Signal::TERM);
        }
    }

    /// As [`Self::terminate`], and the next one is of the other build. False: it is the last of its build.
    pub fn swap(&mut self, index: usize) -> bool {
        let build = self.slots[index].build;
        if self.slots.iter().filter(|slot| slot.build == build).count() < 2 {
            return false;
        }
        self.terminate(index);
        self.slots[index].build = if build == BUILDS[0] { BUILDS[1] } else { BUILDS[0] };
        true
    }

    /// Puts the wall clock of a slot so many seconds beside the true time.
    pub fn set_clock(&self, index: usize, offset_s: i64) -> Result<()> {
        // Renamed into place: a worker must not read half of it.
        let (file, draft) = (self.clock(index), self.folder.join("clock.draft"));
        std::fs::write(&draft, format!("{offset_s:+}\n"))?;
        std::fs::rename(draft, file).context("a worker's clock")
    }

    /// As [`Self::set_clock`], for all of them.
    pub fn set_every_clock(&self, offset_s: i64) -> Result<()> {
        (0..self.slots.len()).try_for_each(|index| self.set_clock(index, offset_s))
    }

    /// Asks every worker to stop, and waits until all have. They are not started again before [`Self::restart`].
    pub async fn stop(&mut self) -> Result<()> {
        for index in 0..self.slots.len() {
            self.thaw(index);
            self.terminate(index);
            self.slots[index].start_at = Instant::now() + Duration::from_hours(24);
        }
        while self.slots.iter().any(|slot| slot.child.is_some()) {
            for index in 0..self.slots.len() {
                self.reap(index)?;
            }
            engine::Clock::system().sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Starts every worker again, without schedules.
    pub fn restart(&mut self) -> Result<()> {
        self.with_schedule = false;
        for slot in &mut self.slots {
            slot.start_at = Instant::now();
        }
        self.tend()
    }

    /// What the present workers are called, in the database, too.
    pub fn names(&self) -> Vec<String> {
        self.slots.iter().enumerate().map(|(index, slot)| slot.name(index)).collect()
    }

    /// How workers have ended so far.
    pub fn deaths(&self) -> Deaths {
        self.deaths
    }

    fn reap(&mut self, index: usize) -> Result<()> {
        let slot = &mut self.slots[index];
        let Some(child) = &mut slot.child else { return Ok(()) };
        let pid = child.id();
        let Some(status) = child.try_wait()? else {
            if let Ending::Asked(at) = slot.ending
                && at.elapsed() > STOP
            {
                self.deaths.hung += 1;
                slot.ending = Ending::Killed;
                slot.signal(Signal::KILL);
            }
            return Ok(());
        };
        slot.child = None;
        if !status.success() && !was_killed(status) {
            // It could not begin: without a pause it would be tried for as long as Postgres is away.
            slot.start_at = Instant::now() + PAUSE;
        }
        self.deaths.count(slot.ending != Ending::Unasked, was_killed(status), status.success());
        slot.ending = Ending::Unasked;
        if let Some(pid) = pid {
            forget_clock(pid);
        }
        Ok(())
    }

    fn spawn(&mut self, index: usize) -> Result<()> {
        let slot = &mut self.slots[index];
        slot.starts += 1;
        let name = slot.name(index);
        let log = self.folder.join(format!("worker-{index}.log"));
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").arg("--socket").arg(&self.socket).args(["--name", &name]);
        command.args(["--build", &slot.build.to_string()]);
        if !self.with_schedule {
            command.arg("--no-schedule");
        }
        command
            .env("LD_PRELOAD", &self.faketime)
            .env("FAKETIME_TIMESTAMP_FILE", self.folder.join(format!("clock-{index}")))
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        self.slots[index].child = Some(command.spawn()?);
        Ok(())
    }

    fn clock(&self, index: usize) -> PathBuf {
        self.folder.join(format!("clock-{index}"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for slot in &self.slots {
            slot.signal(Signal::KILL);
            if let Some(pid) = slot.child.as_ref().and_then(Child::id) {
                forget_clock(pid);
            }
        }
    }
}

impl Slot {
    fn new(build: i32) -> Self {
        Self { child: None, build, starts: 0, start_at: Instant::now(), ending: Ending::Unasked }
    }

    fn name(&self, index: usize) -> String {
        format!("{index}.{}", self.starts)
    }

    fn signal(&self, what: Signal) {
        // One that was waited for has no id any more.
        signal(self.child.as_ref().and_then(Child::id), what);
    }
}

/// The library that lets a process's clock jump.
fn faketime() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.flatten().map(|folder| folder.path());
    let mut found = folders.map(|folder| folder.join(FAKETIME)).filter(|file| file.exists());
    found.next().context("no clock can be made to jump: apt-get install libfaketime")
}

fn was_killed(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(Signal::KILL.as_raw())
}

/// Removes what libfaketime leaves in shared memory when its process is killed.
fn forget_clock(pid: u32) {
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
    }
}
