//! Plan JSON: `resource_drift` of `terraform show -json`, and HCP Terraform's redacted plans.
//!
//! An absent `resource_drift` is not an empty one. Terraform leaves the key out when nothing
//! drifted, from format 0.2 on; in 0.1 it did not exist, so such a plan says nothing about drift and
//! is `partial`. An entry with action `no-op` is a move, never drift. Moves of resources that did not
//! drift stand in `resource_changes` only.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::collect::Collected;
use super::doc::{self, Document};
use super::{Code, Error, diff, textual};
use crate::scan::{Drift, DriftType, Format, Observation, Standing};

/// Major versions of the format that are understood.
const MAJORS: [u64; 2] = [0, 1];

#[derive(Deserialize)]
struct Entry {
    address: Option<String>,
    previous_address: Option<String>,
    module_address: Option<String>,
    mode: Option<String>,
    r#type: Option<String>,
    name: Option<String>,
    index: Option<Value>,
    deposed: Option<String>,
    provider_name: Option<String>,
    change: Change,
}

/// Absent and null look alike: a gone resource, or a redacted one.
#[derive(Deserialize)]
struct Change {
    actions: Vec<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    before_sensitive: Value,
    #[serde(default)]
    after_sensitive: Value,
}

/// What is planned for a resource: read for its move, and for whether it is still to be made.
#[derive(Deserialize)]
struct Planned {
    address: Option<String>,
    previous_address: Option<String>,
    mode: Option<Mode>,
    deposed: Option<String>,
    change: Option<PlannedChange>,
}

#[derive(Deserialize)]
struct PlannedChange {
    actions: Option<Vec<String>>,
}

impl Planned {
    fn is_to_be_made(&self) -> bool {
        let actions = self.change.as_ref().and_then(|change| change.actions.as_deref());
        actions.is_none_or(|actions| actions == ["create"])
    }
}

pub(super) fn read(document: &Document<'_>, text: &str) -> Result<Observation, Error> {
    let format = match document.format_version {
        Some(_) => Format::Plan,
        None => Format::RedactedPlan,
    };
    let version = version(document)?;
    let mut collected = Collected::default();
    doc::each_item("resource_drift", document.resource_drift, |item| {
        let entry: Entry = doc::object(item)?;
        take(&entry, format, &mut collected)
    })?;
    let wanted = "a list of resources";
    let planned: Option<Vec<Planned>> =
        doc::field("resource_changes", wanted, document.resource_changes)?;
    moves(planned.as_deref().unwrap_or_default(), &mut collected)?;

    let drift_reported = document.resource_drift.is_some() || version >= (0, 2);
    if !drift_reported {
        collected.incomplete("this format of plan does not report drift");
    }
    if document.errored == Some(true) {
        collected.incomplete("the plan ended with errors");
    }
    if document.complete == Some(false) {
        collected.incomplete("the plan covers a part of the resources only");
    }
    let saw_something = !collected.is_empty()
        || document.prior_state.is_some()
        || document.planned_values.is_some()
        || document.resource_changes.is_some();
    // Nothing in a plan without a provider tells the two tools apart.
    let tool = if text.contains("registry.opentofu.org/") { "opentofu" } else { "terraform" };
    let wanted = "an object with a root_module";
    let state: Option<PriorState> = doc::field("prior_state", wanted, document.prior_state)?;
    let in_state = state.as_ref().map(PriorState::managed);
    let time: Option<String> = doc::field("timestamp", "a text", document.timestamp)?;
    let tool_version: Option<String> =
        doc::field("terraform_version", "a text", document.terraform_version)?;
    let seen = collected.observation(format, tool, saw_something);
    Ok(Observation {
        tool_version: tool_version.as_deref().map(textual::name),
        observed_at: time.map(|time| textual::time("timestamp", &time)).transpose()?,
        drift_reported,
        // The state is refreshed before it is written down: what is gone is not in it any more.
        resources_total: in_state.map(|there| there.max(seen.drifted()) + seen.missing()),
        standing: standing(planned.as_deref(), state.as_ref()),
        ..seen
    })
}

/// `(major, minor)`; an unknown major is refused, an unknown minor is not.
fn version(document: &Document<'_>) -> Result<(u64, u64), Error> {
    let raw = document.format_version.or(document.plan_format_version);
    let wanted = "a text such as \"1.2\"";
    let text: String = doc::field("format_version", wanted, raw)?.unwrap_or_default();
    let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
    let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
        return Err(Error::field("format_version", wanted));
    };
    if !MAJORS.contains(&major) {
        return Err(Error::new(
            Code::UnsupportedVersion,
            format!("plan format {major}.x is not known; 0.x and 1.x are, so update driftpack"),
        ));
    }
    Ok((major, minor))
}

fn moves(planned: &[Planned], collected: &mut Collected) -> Result<(), Error> {
    for planned in planned {
        if let (Some(to), Some(from), None) =
            (&planned.address, &planned.previous_address, &planned.deposed)
            && planned.mode != Some(Mode::Other)
        {
            collected.moved(textual::address(from)?, textual::address(to)?);
        }
    }
    Ok(())
}

/// A resource that was gone is there again when the refreshed state has it and the plan has compared it; it is given up when
/// neither knows it. A plan of some resources only leaves the others in the state as they were: these are known, not there.
fn standing(planned: Option<&[Planned]>, state: Option<&PriorState>) -> Standing {
    let (Some(planned), Some(state)) = (planned, state) else { return Standing::default() };
    let in_state = state.addresses();
    let mut standing = Standing { is_whole: true, ..Standing::default() };
    for planned in planned.iter().filter(|planned| planned.deposed.is_none()) {
        let Some(address) = planned.address.as_deref().and_then(readable) else { continue };
        if in_state.contains(&address) && !planned.is_to_be_made() {
            standing.there.insert(address);
        } else {
            standing.known.insert(address);
        }
    }
    standing.known.extend(in_state.difference(&standing.there).cloned());
    standing
}

/// As addresses of drift are read; one that is refused there can be none of a finding.
fn readable(address: &str) -> Option<String> {
    textual::address(address).ok()
}

fn take(entry: &Entry, format: Format, collected: &mut Collected) -> Result<(), Error> {
    if entry.mode.as_deref() == Some("data") {
        collected.warn("data_sources_ignored");
        return Ok(());
    }
    let address = address(entry)?;
    if let Some(previous) = &entry.previous_address {
        collected.moved(textual::address(previous)?, address.clone());
    }
    let Change { actions, before, after, before_sensitive, after_sensitive } = &entry.change;
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    let drift_type = match actions[..] {
        ["no-op"] | [] => return Ok(()),
        ["delete"] => DriftType::Missing,
        _ if after.is_null() && !before.is_null() => DriftType::Missing,
        ["update"] => DriftType::Changed,
        _ => {
            collected.warn("unknown_actions");
            DriftType::Changed
        }
    };
    let mut changed_attributes = Vec::new();
    if drift_type == DriftType::Changed {
        let difference = diff::compare(before, after, [before_sensitive, after_sensitive]);
        collected.noise(&address, difference.noise.clone());
        // A redacted plan hides values, so two equal sides prove nothing there.
        let hidden = !before.is_object()
            || !after.is_object()
            || format == Format::RedactedPlan && before == after;
        if difference.changed.is_empty() && !hidden {
            if difference.noise.is_empty() {
                collected.warn("unchanged_resources");
            }
            return Ok(());
        }
        changed_attributes = difference.changed;
    }
    let text = |text: &Option<String>| textual::name(text.as_deref().unwrap_or_default());
    collected.drift(Drift {
        resource_type: text(&entry.r#type),
        resource_name: text(&entry.name),
        provider: entry.provider_name.as_deref().map(textual::name),
        address,
        drift_type,
        changed_attributes,
    })
}

/// The address, put together from its parts where an old version leaves it out. A deposed object
/// is a resource of its own beside the one that replaced it.
fn address(entry: &Entry) -> Result<String, Error> {
    let address = match (&entry.address, &entry.r#type, &entry.name) {
        (Some(address), ..) => address.clone(),
        (None, Some(kind), Some(name)) => {
            let module = entry.module_address.as_ref().map_or(String::new(), |m| format!("{m}."));
            let index = entry.index.as_ref().map_or(String::new(), |index| format!("[{index}]"));
            format!("{module}{kind}.{name}{index}")
        }
        _ => return Err(Error::field("resource_drift", "a list of resources with an address")),
    };
    match &entry.deposed {
        Some(key) => textual::address(&format!("{address} (deposed {key})")),
        None => textual::address(&address),
    }
}

/// The refreshed state. What is planned is no substitute for counting: it has resources that are still to be made.
#[derive(Deserialize)]
struct PriorState {
    values: Option<Values>,
}

impl PriorState {
    /// How many managed resources it has.
    fn managed(&self) -> u64 {
        self.values.as_ref().map_or(0, |values| values.root_module.managed())
    }

    fn addresses(&self) -> BTreeSet<String> {
        let mut addresses = BTreeSet::new();
        if let Some(values) = &self.values {
            values.root_module.add_addresses(&mut addresses);
        }
        addresses
    }
}

#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    root_module: Module,
}

/// Modules are read without the values of their resources.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Module {
    resources: Option<Vec<Resource>>,
    child_modules: Option<Vec<Module>>,
}

#[derive(Deserialize)]
struct Resource {
    address: Option<String>,
    mode: Option<Mode>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Managed,
    #[serde(other)]
    Other,
}

impl Module {
    fn managed(&self) -> u64 {
        let own = self.resources.iter().flatten();
        let own = own.filter(|resource| resource.mode == Some(Mode::Managed)).count() as u64;
        own + self.child_modules.iter().flatten().map(Self::managed).sum::<u64>()
    }

    fn add_addresses(&self, addresses: &mut BTreeSet<String>) {
        let own = self.resources.iter().flatten();
        let managed = own.filter(|resource| resource.mode == Some(Mode::Managed));
        addresses.extend(managed.filter_map(|resource| readable(resource.address.as_deref()?)));
        for module in self.child_modules.iter().flatten() {
            module.add_addresses(addresses);
        }
    }
}
