//! Everything on record of a run, as the page shows it.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::Safe;
use engine::{
    ActionView, AttemptView, FailureKind, FailureRecord, RunFilter, RunState, RunView, SignalView,
    StepView,
};
use evidence::ids::UserId;
use evidence::time::Time;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::super::owner::Owners;
use super::super::runs::state_now;
use super::super::word::{self, Shown};
use super::gantt;
use crate::auth::PlatformAdmin;
use crate::errors::{Denied, Result};
use crate::pages::text;
use crate::pages::visit::Visit;
use crate::state::State;

/// Rows of each table; the API has all.
const ROWS_MAX: usize = 60;
const CHILDREN: usize = 50;
/// Bytes of an input or output, and of what a step left behind.
const VALUE_BYTES: usize = 8_000;
const STEP_BYTES: usize = 600;
/// Operators whose names are looked up.
const ACTORS_MAX: usize = 20;

/// The part of the page that moves.
#[derive(Template)]
#[template(path = "ops/run_detail.html")]
pub(super) struct Detail {
    now: Time,
    csrf_token: String,
    pub(super) run: RunView,
    steps: Vec<StepView>,
    past_steps: Vec<StepView>,
    attempts: Vec<AttemptView>,
    signals: Vec<SignalView>,
    actions: Vec<ActionView>,
    children: Vec<RunView>,
    owners: Owners,
    /// Operators by their opaque names.
    people: BTreeMap<String, String>,
}

impl Detail {
    pub(super) async fn of(admin: &PlatformAdmin, visit: &Visit, id: Uuid) -> Result<Self> {
        let state = &admin.context.state;
        let engine = &state.engine;
        let run = engine.find(id).await?.ok_or(Denied::NotFound("workflow run"))?;
        let of_run = RunFilter { parent_id: Some(id), ..RunFilter::default() };
        let actions = engine.actions(id).await?;
        Ok(Self {
            now: state_now(admin),
            csrf_token: visit.person.csrf_token(),
            steps: engine.steps(id).await?,
            past_steps: engine.past_steps(id).await?,
            attempts: engine.attempts(id).await?,
            signals: engine.signals(id).await?,
            children: engine.list(&of_run, None, CHILDREN).await?,
            owners: Owners::of(state, run.key.as_deref()).await?,
            people: people(state, &actions).await?,
            actions,
            run,
        })
    }

    /// Nothing will change it any more; a failed run can be sent back by somebody else.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.run.state, RunState::Succeeded | RunState::Cancelled)
    }

    pub(super) fn live(&self) -> String {
        format!("/ops/live/runs/{}", self.run.id)
    }

    fn gantt(&self) -> Safe<String> {
        gantt::draw(&gantt::Record {
            run: &self.run,
            steps: &self.steps,
            past_steps: &self.past_steps,
            attempts: &self.attempts,
            actions: &self.actions,
            now: self.now,
        })
    }

    /// The same as long as nothing happens to the run: two clicks on what one saw are one request.
    fn request_key(&self, action: &str) -> String {
        let run = &self.run;
        let seen = format!(
            "{} {} {action} {} {} {} {} {}",
            self.csrf_token,
            run.id,
            run.state,
            run.generation,
            run.attempts,
            self.actions.len(),
            self.signals.len(),
        );
        hex::encode(&Sha256::digest(seen)[..16])
    }

    /// What a screen reader is told when it changes.
    fn announcement(&self) -> String {
        let (state, steps) = (word::stand(&self.run).word, self.steps_told());
        format!("The run is {state}; {steps} on record.")
    }

    fn took(&self) -> Option<String> {
        let began = self.run.started_at?;
        Some(took((began, self.run.ended_at.unwrap_or(self.now))))
    }

    fn can_retry(&self) -> bool {
        self.run.state == RunState::Failed
    }

    fn can_cancel(&self) -> bool {
        !self.run.state.is_final() && !self.run.cancel_requested
    }

    fn can_pause(&self) -> bool {
        self.can_cancel() && !self.run.pause_requested
    }

    fn can_resume(&self) -> bool {
        !self.run.state.is_final() && self.run.pause_requested
    }

    fn can_signal(&self) -> bool {
        !self.run.state.is_final()
    }

    /// The signal that the run waits for now.
    fn awaited(&self) -> &str {
        match &self.run.waiting_for {
            Some(engine::WaitingFor::Signal(name)) => name,
            _ => "",
        }
    }

    fn shown_steps(&self) -> &[StepView] {
        &self.steps[..self.steps.len().min(ROWS_MAX)]
    }

    /// What a retry from this step takes back, in words.
    fn taken_back(&self, step: &StepView) -> String {
        let later = self.steps.iter().filter(|other| other.seq >= step.seq).count() as u64;
        let kept = self.steps.len() as u64 - later;
        let kept = match kept {
            0 => "Nothing stays".to_owned(),
            1 => "The step before it stays done".to_owned(),
            _ => format!("The {kept} steps before it stay done"),
        };
        let back = text::counted(later, "step is", "steps are");
        format!("{back} taken back and done again, from “{}” on. {kept}.", step.name)
    }

    /// Attempts that failed, the newest first.
    fn failed_attempts(&self) -> Vec<(&AttemptView, &FailureRecord)> {
        let failed = self.attempts.iter().rev();
        let failed = failed.filter_map(|one| Some((one, one.error.as_ref()?)));
        failed.take(ROWS_MAX).collect()
    }

    fn who(&self, action: &ActionView) -> String {
        self.people.get(&action.actor).cloned().unwrap_or_else(|| action.actor.clone())
    }

    fn input(&self) -> Shown {
        word::value(&self.run.input, VALUE_BYTES)
    }

    fn output(&self) -> Option<Shown> {
        self.run.output.as_ref().map(|output| word::value(output, VALUE_BYTES))
    }

    fn left(step: &StepView) -> Option<Shown> {
        let output = step.output.as_ref().filter(|output| !output.is_null())?;
        Some(word::value(output, STEP_BYTES))
    }

    fn lasted(step: &StepView) -> Option<String> {
        Some(took((step.started_at, step.ended_at?)))
    }

    fn lasted_attempt(attempt: &AttemptView) -> String {
        took((attempt.started_at, attempt.ended_at))
    }

    /// How it failed, in words.
    fn kind(kind: FailureKind) -> &'static str {
        match kind {
            FailureKind::Transient => {
                "trying again could have helped, and the attempts are used up"
            }
            FailureKind::Permanent => "trying again would not have helped",
            FailureKind::Panicked => "the code panicked",
            FailureKind::TimedOut => "it took longer than it may",
            FailureKind::WorkerLost => "the worker died under it",
            FailureKind::Nondeterministic => {
                "the code asks for something else than what is on record"
            }
            FailureKind::Input => "the stored input cannot be read",
        }
    }

    fn steps_told(&self) -> String {
        text::counted(self.steps.len() as u64, "step", "steps")
    }

    fn is_drawn_in_part(&self) -> bool {
        self.steps.len() > gantt::STEPS_MAX
    }
}

fn took((from, to): (Time, Time)) -> String {
    text::took((to - from).num_milliseconds())
}

/// The names of the operators.
async fn people(state: &State, actions: &[ActionView]) -> Result<BTreeMap<String, String>> {
    let mut people = BTreeMap::new();
    if actions.is_empty() {
        return Ok(people);
    }
    let mut conn = state.pool.acquire().await?;
    for action in actions {
        let Ok(id) = action.actor.parse() else { continue };
        if people.contains_key(&action.actor) || people.len() >= ACTORS_MAX {
            continue;
        }
        let id = UserId(id);
        let name = match db::users::find_name(&mut conn, id).await? {
            Some(name) => Some(name),
            None => db::users::find(&mut conn, id).await?.and_then(|user| user.email),
        };
        people.extend(name.map(|name| (action.actor.clone(), name)));
    }
    Ok(people)
}
