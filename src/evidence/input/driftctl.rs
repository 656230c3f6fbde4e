//! driftctl's report: the only one of the formats that knows of unmanaged resources.
//!
//! Resources are named by the provider's id, so their address here is `type["id"]`, with the id
//! quoted as Terraform quotes keys: stable between scans whatever the resource is called in code.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::collect::Collected;
use super::doc::{self, Document};
use super::{Code, Error, RESOURCES_MAX, diff, textual};
use crate::scan::{Drift, DriftType, Format, Observation, Standing};

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "total_resources")]
    resources: u64,
    #[serde(default, rename = "total_unmanaged")]
    unmanaged: u64,
    #[serde(default, rename = "total_missing")]
    missing: u64,
    #[serde(default, rename = "total_managed")]
    managed: u64,
}

#[derive(Deserialize)]
struct Resource {
    id: String,
    r#type: String,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    internal_name: Option<String>,
}

/// Only versions that compared attributes write these; the values are not read.
#[derive(Deserialize)]
struct Changed {
    res: Resource,
    #[serde(default)]
    changelog: Option<Vec<Change>>,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    path: Vec<Value>,
}

pub(super) fn read(document: &Document<'_>) -> Result<Observation, Error> {
    let summary: Option<Summary> =
        doc::field("summary", "an object with total_resources", document.summary)?;
    let summary = summary.ok_or_else(|| Error::field("summary", "an object"))?;
    summary.check()?;
    let provider: Option<String> = doc::field("provider_name", "a text", document.provider_name)?;
    let provider = provider.as_deref().map(textual::name);
    let mut collected = Collected::default();
    let mut each = |name, raw, drift_type| {
        doc::each_item(name, raw, |item| {
            let drift = drift(doc::object(item)?, drift_type, BTreeSet::new(), provider.clone())?;
            collected.drift(drift)
        })
    };
    let unmanaged = each("unmanaged", document.unmanaged, DriftType::Extra)?;
    let missing = each("missing", document.missing, DriftType::Missing)?;
    let changed = doc::each_item("differences", document.differences, |item| {
        let Changed { res, changelog } = doc::object(item)?;
        let names = changelog.iter().flatten().map(Change::name).filter(|name| !name.is_empty());
        collected.drift(drift(res, DriftType::Changed, names.collect(), provider.clone())?)
    })?;
    if (unmanaged as u64, missing as u64) != (summary.unmanaged, summary.missing) {
        collected.incomplete("the report's lists do not have the length that its summary says");
    }
    if !summary.adds_up(changed as u64) {
        collected.incomplete("the parts in the report's summary are more than its total");
    }
    if let Some(reason) = alerts(document)? {
        collected.incomplete(reason);
    }
    let date: Option<String> = doc::field("date", "a text", document.date)?;
    let managed: Option<Vec<Resource>> =
        doc::field("managed", "a list of resources", document.managed)?;
    let there = managed.into_iter().flatten().filter_map(|resource| address(&resource).ok());
    Ok(Observation {
        standing: Standing { there: there.collect(), ..Standing::default() },
        observed_at: date.map(|date| textual::time("date", &date)).transpose()?,
        resources_total: Some(summary.resources),
        resources_managed: Some(summary.managed),
        ..collected.observation(Format::Driftctl, "driftctl", true)
    })
}

impl Summary {
    /// The counts of a report come unproven; sums over many reports must stay possible.
    fn check(&self) -> Result<(), Error> {
        let highest = self.resources.max(self.unmanaged).max(self.missing).max(self.managed);
        if highest > RESOURCES_MAX {
            return Err(Error::new(
                Code::ImplausibleCount,
                format!("the summary counts more than {RESOURCES_MAX} resources"),
            ));
        }
        Ok(())
    }

    fn adds_up(&self, changed: u64) -> bool {
        let Self { resources, unmanaged, missing, managed } = *self;
        managed + unmanaged + missing <= resources && changed <= managed
    }
}

fn drift(
    resource: Resource,
    drift_type: DriftType,
    changed_attributes: BTreeSet<String>,
    provider: Option<String>,
) -> Result<Drift, Error> {
    let address = address(&resource)?;
    let name = resource.source.and_then(|source| source.internal_name).unwrap_or(resource.id);
    Ok(Drift {
        address,
        resource_type: textual::name(&resource.r#type),
        resource_name: textual::name(&name),
        provider,
        drift_type,
        changed_attributes: diff::bounded(changed_attributes),
    })
}

fn address(resource: &Resource) -> Result<String, Error> {
    let quoted = Value::String(resource.id.clone());
    textual::address(&format!("{}[{quoted}]", resource.r#type))
}

impl Change {
    /// The path without list positions.
    fn name(&self) -> String {
        let keys: Vec<&str> = self.path.iter().filter_map(Value::as_str).collect();
        textual::name(&keys.join("."))
    }
}

/// What the scan could not look at: alerts by resource type.
fn alerts(document: &Document<'_>) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Alert {
        message: Option<String>,
    }
    type Alerts = std::collections::BTreeMap<String, Option<Vec<Alert>>>;
    let alerts: Option<Alerts> = doc::field("alerts", "an object of lists", document.alerts)?;
    let alerts: Vec<Alert> =
        alerts.into_iter().flatten().filter_map(|(_, list)| list).flatten().collect();
    let first = alerts.first().map(|first| first.message.clone().unwrap_or_default());
    Ok(first.map(|first| {
        format!(
            "driftctl raised {} alert(s), the first: {}",
            alerts.len(),
            textual::message(&first)
        )
    }))
}
