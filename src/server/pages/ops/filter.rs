//! Which runs a list shows, as its address says it.

use engine::{RunFilter, RunState};
use poem::Request;
use uuid::Uuid;

use crate::errors::{Input, Result};
use crate::pages::form;
use crate::state::State;

/// What the address says.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) state: Option<RunState>,
    pub(super) workflow: String,
    /// An organisation's short name or id, or any other key.
    pub(super) of: String,
    pub(super) error: String,
    pub(super) after: Option<Uuid>,
    /// The key that `of` stands for.
    key: Option<String>,
}

impl Filter {
    /// Errors (400) when something in it is no value.
    pub(super) async fn read(request: &Request, state: &State) -> Result<Self> {
        let mut query = form::query(request);
        let mut text = |name: &str| query.remove(name).unwrap_or_default();
        let (word, after) = (text("state"), text("after"));
        let mut filter = Self {
            workflow: plain("workflow", &text("workflow"))?,
            of: plain("of", &text("of"))?,
            error: plain("error", &text("error"))?,
            ..Self::default()
        };
        if !word.is_empty() {
            let known = word.parse().map_err(|_| wrong("state", "is no state of a run"))?;
            filter.state = Some(known);
        }
        if !after.is_empty() {
            filter.after = Some(after.parse().map_err(|_| wrong("after", "is no id of a run"))?);
        }
        filter.key = key(state, &filter.of).await?;
        Ok(filter)
    }

    pub(super) fn of_engine(&self) -> RunFilter {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        RunFilter {
            workflow: given(&self.workflow),
            states: self.state.into_iter().collect(),
            key: self.key.clone(),
            error_contains: given(&self.error),
            ..RunFilter::default()
        }
    }

    /// Whether it leaves anything out.
    pub(super) fn is_open(&self) -> bool {
        self.state.is_none()
            && self.workflow.is_empty()
            && self.of.is_empty()
            && self.error.is_empty()
    }

    /// `path` with this filter, going on after the run `after`.
    pub(super) fn address(&self, path: &str, after: Option<Uuid>) -> String {
        self.written(path, self.state, after)
    }

    /// The list with this filter, but of another state.
    pub(super) fn in_state(&self, state: Option<RunState>) -> String {
        self.written("/ops/runs", state, None)
    }

    fn written(&self, path: &str, state: Option<RunState>, after: Option<Uuid>) -> String {
        let after = after.map(|after| after.to_string());
        let given = |text: &'_ String| Some(text.clone()).filter(|text| !text.is_empty());
        let (workflow, of, error) = (given(&self.workflow), given(&self.of), given(&self.error));
        form::address(
            path,
            &[
                ("state", state.map(RunState::as_str)),
                ("workflow", workflow.as_deref()),
                ("of", of.as_deref()),
                ("error", error.as_deref()),
                ("after", after.as_deref()),
            ],
        )
    }
}

/// The key that a text stands for: an organisation may be told by its short name.
pub(super) async fn key(state: &State, of: &str) -> Result<Option<String>> {
    if of.is_empty() {
        return Ok(None);
    }
    if of.parse::<Uuid>().is_err() {
        let mut conn = state.pool.acquire().await?;
        if let Some(org) = db::orgs::find_by_slug(&mut conn, of).await? {
            return Ok(Some(org.id.to_string()));
        }
    }
    Ok(Some(of.to_owned()))
}

/// A text to compare stored ones with; none of those holds a NUL.
pub(super) fn plain(name: &str, text: &str) -> Result<String> {
    if text.contains('\0') {
        return Err(wrong(name, "must not hold a NUL character"));
    }
    Ok(text.trim().to_owned())
}

pub(super) fn wrong(name: &str, fault: &str) -> crate::errors::Error {
    Input::InvalidParameter(format!("`{name}` {fault}")).into()
}
