//! What can go wrong in a run, as data.

use std::fmt;

/// A step of the workflow that is exercised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepName {
    /// Its name.
    pub name: String,
    /// 0 for the first use of the name.
    pub occurrence: u32,
    /// Whether it is a `step_tx`.
    pub transactional: bool,
}

/// One way through a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing goes wrong.
    Plain,
    /// Every step's code runs twice before its checkpoint.
    Twice,
    /// The worker dies before the step's code runs.
    CrashBefore(StepName),
    /// The worker dies after the step's effect and before its checkpoint.
    CrashAfter(StepName),
    /// The step fails once and may be tried again.
    Transient(StepName),
    /// The step fails once after its effect and may be tried again.
    TransientAfter(StepName),
    /// The step fails for good.
    Permanent(StepName),
    /// Somebody pauses the run while the step is in flight, and resumes it later.
    Pause(StepName),
    /// Somebody asks to cancel while the step is in flight.
    Cancel(StepName),
    /// A worker sleeps through its lease in the step, another one ends the run, the first one wakes up.
    Fenced(StepName),
    /// The worker is asked to stop while the step is in flight.
    Shutdown(StepName),
}

impl Scenario {
    /// Every scenario that aims at one step.
    pub(super) fn of(step: &StepName) -> [Self; 9] {
        [
            Self::CrashBefore(step.clone()),
            Self::CrashAfter(step.clone()),
            Self::Transient(step.clone()),
            Self::TransientAfter(step.clone()),
            Self::Permanent(step.clone()),
            Self::Pause(step.clone()),
            Self::Cancel(step.clone()),
            Self::Fenced(step.clone()),
            Self::Shutdown(step.clone()),
        ]
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.occurrence)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("a plain run"),
            Self::Twice => f.write_str("every step run twice"),
            Self::CrashBefore(step) => write!(f, "a crash before {step}"),
            Self::CrashAfter(step) => write!(f, "a crash after the effect of {step}"),
            Self::Transient(step) => write!(f, "a transient failure of {step}"),
            Self::TransientAfter(step) => {
                write!(f, "a transient failure after the effect of {step}")
            }
            Self::Pause(step) => write!(f, "a pause during {step}"),
            Self::Permanent(step) => write!(f, "a permanent failure of {step}"),
            Self::Cancel(step) => write!(f, "a cancellation during {step}"),
            Self::Fenced(step) => write!(f, "a lost lease during {step}"),
            Self::Shutdown(step) => write!(f, "a shutdown during {step}"),
        }
    }
}
