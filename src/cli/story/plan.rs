//! Terraform's own plan format (`terraform show -json`, `format_version` 1.2), written from what a scan saw.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::estate::Resource;
use super::script::{Episode, Sight};

const TERRAFORM: &str = "1.9.8";
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

/// The plan of a scan at `observed_at` that saw `episodes`. A partial one has broken off: it is marked so, knows less.
pub(super) fn write(
    estate: &[Resource],
    episodes: &[&Episode],
    observed_at: DateTime<Utc>,
    is_partial: bool,
) -> Value {
    let known: Vec<Resource> =
        estate.iter().map(|resource| at_its_address(resource, episodes)).collect();
    let seen = episodes.iter().filter(|episode| !is_partial || episode.survives_partial);
    let drift: Vec<Value> = seen.filter_map(|episode| drift(&known, episode)).collect();
    let reached = if is_partial { known.len() / 2 } else { known.len() };
    json!({
        "format_version": "1.2",
        "terraform_version": TERRAFORM,
        "planned_values": {"root_module": {}},
        "resource_drift": drift,
        "resource_changes": known[..reached].iter().map(unchanged).collect::<Vec<_>>(),
        "prior_state": {"format_version": "1.0", "terraform_version": TERRAFORM, "values": {"root_module": tree(&known)}},
        "configuration": {"provider_config": {"aws": {"name": "aws", "full_name": PROVIDER}}, "root_module": {}},
        "timestamp": observed_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "applyable": false,
        "complete": !is_partial,
        "errored": is_partial,
    })
}

/// The bastion lives in the root module until it is moved; the state follows the latest address an episode knows.
fn at_its_address(resource: &Resource, episodes: &[&Episode]) -> Resource {
    let moved = resource.name == "bastion"
        && episodes
            .iter()
            .any(|episode| episode.address == format!("module.access.{}", resource.address()));
    Resource { module: if moved { "module.access" } else { resource.module }, ..resource.clone() }
}

fn drift(known: &[Resource], episode: &Episode) -> Option<Value> {
    let resource = known.iter().find(|resource| resource.address() == episode.address)?;
    let marks = resource.sensitive_marks();
    let mut entry = named(resource);
    let (actions, after) = match &episode.sight {
        Sight::Changed(patch) => ("update", patched(&resource.values, patch)),
        Sight::Missing => ("delete", Value::Null),
        Sight::MovedFrom { address } => {
            entry.insert("previous_address".to_owned(), json!(address));
            ("no-op", resource.values.clone())
        }
    };
    let after_marks = if after.is_null() { json!(false) } else { marks.clone() };
    let change = json!({"actions": [actions], "before": resource.values, "after": after, "after_unknown": {},
                        "before_sensitive": marks, "after_sensitive": after_marks});
    entry.insert("change".to_owned(), change);
    Some(entry.into())
}

fn unchanged(resource: &Resource) -> Value {
    let marks = resource.sensitive_marks();
    let mut entry = named(resource);
    let change = json!({"actions": ["no-op"], "before": resource.values, "after": resource.values, "after_unknown": {},
                        "before_sensitive": marks, "after_sensitive": marks});
    entry.insert("change".to_owned(), change);
    entry.into()
}

fn named(resource: &Resource) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("address".to_owned(), json!(resource.address()));
    if !resource.module.is_empty() {
        entry.insert("module_address".to_owned(), json!(resource.module));
    }
    entry.insert("mode".to_owned(), json!("managed"));
    entry.insert("type".to_owned(), json!(resource.kind));
    entry.insert("name".to_owned(), json!(resource.name));
    if let Some(index) = &resource.index {
        entry.insert("index".to_owned(), index.clone());
    }
    entry.insert("provider_name".to_owned(), json!(PROVIDER));
    entry
}

fn patched(values: &Value, patch: &Value) -> Value {
    let mut after = values.clone();
    for (name, value) in patch.as_object().into_iter().flatten() {
        after[name] = value.clone();
    }
    after
}

/// The resources as the state nests them: the root's own, then a child module each.
fn tree(known: &[Resource]) -> Value {
    let of = |module: &str| {
        known.iter().filter(|resource| resource.module == module).map(stored).collect::<Vec<_>>()
    };
    let mut modules: Vec<&str> =
        known.iter().map(|resource| resource.module).filter(|module| !module.is_empty()).collect();
    modules.sort_unstable();
    modules.dedup();
    let children: Vec<_> =
        modules.iter().map(|module| json!({"address": module, "resources": of(module)})).collect();
    json!({"resources": of(""), "child_modules": children})
}

fn stored(resource: &Resource) -> Value {
    let mut entry = named(resource);
    entry.remove("module_address");
    entry.insert("schema_version".to_owned(), json!(1));
    entry.insert("values".to_owned(), resource.values.clone());
    entry.insert("sensitive_values".to_owned(), resource.sensitive_marks());
    entry.into()
}
