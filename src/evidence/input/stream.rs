//! The message stream of `terraform plan -json`: one JSON object a line.
//!
//! It names drifted resources but not their attributes. It is complete when its last messages are
//! there: a stream without its `change_summary` was cut off, and is `partial`. So is one that says
//! that it looked at some resources only, and one that refreshed nothing: their silence about the
//! rest is no sign that nothing drifted there.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::collect::Collected;
use super::{Error, textual};
use crate::scan::{Drift, DriftType, Format, Observation};
use crate::time::Time;

/// Wrappers print a few lines of their own before the first message.
const LINES_LOOKED_AT: usize = 50;

/// The warning that Terraform and OpenTofu raise for `-target` and `-exclude`.
const TARGETED: &str = "Resource targeting is in effect";

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "@timestamp")]
    timestamp: Option<String>,
    #[serde(default, rename = "type")]
    kind: String,
    terraform: Option<String>,
    tofu: Option<String>,
    change: Option<Change>,
    diagnostic: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Change {
    resource: Resource,
    previous_resource: Option<Resource>,
    #[serde(default)]
    action: String,
}

#[derive(Deserialize)]
struct Resource {
    addr: String,
    /// The address inside its module; a data source's begins with `data.`.
    #[serde(default, rename = "resource")]
    local: String,
    #[serde(default, rename = "resource_type")]
    kind: String,
    #[serde(default, rename = "resource_name")]
    name: String,
    implied_provider: Option<String>,
}

#[derive(Deserialize)]
struct Diagnostic {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    summary: String,
}

/// What the messages add up to.
#[derive(Default)]
struct Stream {
    collected: Collected,
    tool_version: Option<String>,
    tofu: bool,
    observed_at: Option<Time>,
    errors: usize,
    first_error: String,
    extent: Extent,
    /// Something was refreshed or planned, so the providers answered.
    saw_something: bool,
}

/// How far the tool got, and on what.
#[derive(Default)]
struct Extent {
    refreshed: bool,
    targeted: bool,
    /// The end is there.
    summary: bool,
}

/// Whether one of the first lines is a message.
pub(super) fn is_stream(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "@level")]
        _level: IgnoredAny,
        #[serde(rename = "type")]
        _kind: IgnoredAny,
    }
    lines(text)
        .take(LINES_LOOKED_AT)
        .any(|line| line.starts_with('{') && serde_json::from_str::<Probe>(line).is_ok())
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

pub(super) fn read(text: &str) -> Result<Observation, Error> {
    let mut stream = Stream::default();
    let mut damaged = 0_u64;
    for line in lines(text) {
        if !line.starts_with('{') {
            stream.collected.warn("unreadable_lines");
            continue;
        }
        textual::check_depth(line)?;
        match serde_json::from_str::<Message>(line) {
            Ok(message) => stream.take(message)?,
            // It may have been a drift; the other output of a wrapper was not.
            Err(_) => damaged += 1,
        }
    }
    if damaged > 0 {
        stream.collected.incomplete(format!("{damaged} messages of the stream are damaged"));
    }
    Ok(stream.finish())
}

impl Stream {
    fn take(&mut self, message: Message) -> Result<(), Error> {
        if let (None, Some(time)) = (self.observed_at, &message.timestamp) {
            self.observed_at = Some(textual::time("@timestamp", time)?);
        }
        match message.kind.as_str() {
            "version" => {
                self.tofu = message.tofu.is_some();
                self.tool_version =
                    message.tofu.or(message.terraform).as_deref().map(textual::name);
            }
            "resource_drift" => {
                (self.saw_something, self.extent.refreshed) = (true, true);
                let Some(change) = message.change else {
                    return Err(Error::field("a resource_drift message", "about a resource"));
                };
                self.drift(change)?;
            }
            "refresh_start" => self.extent.refreshed = true,
            "refresh_complete" => (self.saw_something, self.extent.refreshed) = (true, true),
            "planned_change" => {
                self.saw_something = true;
                if let Some(change) = message.change {
                    self.moved(change.previous_resource.as_ref(), &change.resource)?;
                }
            }
            "change_summary" => {
                self.extent.summary = true;
                self.saw_something = true;
            }
            "diagnostic" => {
                if let Some(found) = message.diagnostic {
                    self.diagnostic(&found);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn diagnostic(&mut self, found: &Diagnostic) {
        if found.severity == "error" {
            if self.errors == 0 {
                self.first_error = textual::message(&found.summary);
            }
            self.errors += 1;
        }
        self.extent.targeted |= found.summary.starts_with(TARGETED);
    }

    fn moved(&mut self, from: Option<&Resource>, to: &Resource) -> Result<(), Error> {
        if let Some(from) = from {
            self.collected.moved(textual::address(&from.addr)?, textual::address(&to.addr)?);
        }
        Ok(())
    }

    fn drift(&mut self, change: Change) -> Result<(), Error> {
        let Change { resource, previous_resource, action } = change;
        let address = textual::address(&resource.addr)?;
        self.moved(previous_resource.as_ref(), &resource)?;
        if resource.local.starts_with("data.") {
            self.collected.warn("data_sources_ignored");
            return Ok(());
        }
        let drift_type = match action.as_str() {
            "noop" | "no-op" | "move" | "read" => return Ok(()),
            "delete" => DriftType::Missing,
            "update" => DriftType::Changed,
            _ => {
                self.collected.warn("unknown_actions");
                DriftType::Changed
            }
        };
        self.collected.drift(Drift {
            address,
            resource_type: textual::name(&resource.kind),
            resource_name: textual::name(&resource.name),
            provider: resource.implied_provider.as_deref().map(textual::name),
            drift_type,
            changed_attributes: Vec::new(),
        })
    }

    fn finish(mut self) -> Observation {
        if self.errors > 0 {
            let (count, first) = (self.errors, &self.first_error);
            self.collected.incomplete(format!("{count} error(s), the first: {first}"));
        } else if !self.extent.summary {
            self.collected.incomplete("the stream ends before its change_summary");
        } else if !self.extent.refreshed {
            self.collected.incomplete("nothing was refreshed, so nothing is known about drift");
        }
        if self.extent.targeted {
            self.collected.incomplete("the plan covers a part of the resources only");
        }
        let tool = if self.tofu { "opentofu" } else { "terraform" };
        Observation {
            tool_version: self.tool_version,
            observed_at: self.observed_at,
            // Drift is told just before the plan; without that moment silence means nothing.
            drift_reported: self.extent.summary || !self.collected.is_empty(),
            ..self.collected.observation(Format::UiStream, tool, self.saw_something)
        }
    }
}
