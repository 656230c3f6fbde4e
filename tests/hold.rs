//! Stops a run where it is about to write a step's checkpoint, so that a test can end the program there and nowhere else.
//!
//! A trigger on the journal asks for a lock that a session of the test holds: the step's work is done by then, its record is not.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::{sql, wait};

/// The first half of the locks' keys; the second is the step's place.
const SPACE: u32 = 7302;

/// How long a step's work may take until it comes to its checkpoint.
const LIMIT: Duration = Duration::from_mins(2);

/// Holds the checkpoints of a list of steps.
pub struct Hold {
    session: Child,
    input: ChildStdin,
    database: String,
    steps: Vec<&'static str>,
}

impl Hold {
    /// Holds the checkpoints of `steps`, in every run of the database behind `url` (the superuser's).
    ///
    /// # Panics
    /// When psql cannot be started.
    pub async fn on(url: &str, steps: &[&'static str]) -> Self {
        let names = steps.iter().map(|step| format!("'{step}'")).collect::<Vec<_>>().join(", ");
        let function = format!(
            "create function engine.hold() returns trigger language plpgsql as $$ begin
               perform pg_advisory_xact_lock_shared({SPACE}, array_position(array[{names}], new.name));
               return new;
             end $$"
        );
        sql::query(url, &function);
        sql::query(
            url,
            "create trigger hold before insert or update on engine.steps
                for each row when (new.state = 'done') execute function engine.hold()",
        );
        let mut session = Command::new("psql")
            .args(["-X", "-q", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql is installed by the project's set-up");
        let input = session.stdin.take().expect("it was spawned with a pipe");
        let mut hold = Self { session, input, database: url.to_owned(), steps: steps.to_vec() };
        for place in 1..=steps.len() {
            hold.say(&format!("select pg_advisory_lock({SPACE}, {place});"));
        }
        wait::until("the locks of the test", LIMIT, async || {
            let granted = hold.count("granted");
            (granted == i64::try_from(steps.len()).expect("a few")).then_some(())
        })
        .await;
        hold
    }

    /// Waits until a run has done the work of `step` and is about to record it.
    pub async fn reached(&self, step: &str) {
        let filter = format!("not granted and objid = {}", self.place(step));
        wait::until(&format!("the checkpoint of {step}"), LIMIT, async || {
            (self.count(&filter) > 0).then_some(())
        })
        .await;
    }

    /// Ends the sessions that wait: their program is dead, Postgres has not noticed.
    pub async fn end_sessions(&self) {
        let end = format!(
            "select count(pg_terminate_backend(pid)) from pg_locks where {} and not granted",
            locks()
        );
        sql::query(&self.database, &end);
        wait::until("the end of the dead program's sessions", LIMIT, async || {
            (self.count("not granted") == 0).then_some(())
        })
        .await;
    }

    /// Holds `step` no longer; who waits goes on.
    pub async fn let_go(&mut self, step: &str) {
        let place = self.place(step);
        self.say(&format!("select pg_advisory_unlock({SPACE}, {place});"));
        let filter = format!("objid = {place}");
        wait::until("the unlocking", LIMIT, async || (self.count(&filter) == 0).then_some(()))
            .await;
    }

    fn place(&self, step: &str) -> usize {
        1 + self.steps.iter().position(|held| *held == step).expect("a step that is held")
    }

    fn count(&self, filter: &str) -> i64 {
        sql::number(
            &self.database,
            &format!("select count(*) from pg_locks where {} and {filter}", locks()),
        )
    }

    fn say(&mut self, statement: &str) {
        writeln!(self.input, "{statement}").expect("psql listens");
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.session.kill();
        let _ = self.session.wait();
    }
}

fn locks() -> String {
    format!(
        "locktype = 'advisory' and classid = {SPACE}
         and database = (select oid from pg_database where datname = current_database())"
    )
}
