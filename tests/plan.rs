//! Small Terraform plans in the tool's own JSON format.

use serde_json::{Value, json};

/// A refresh-only plan observed at `timestamp` that reports `drift`.
pub fn plan(timestamp: &str, drift: &[Value]) -> Value {
    json!({
        "format_version": "1.2",
        "terraform_version": "1.9.8",
        "planned_values": {"root_module": {}},
        "resource_drift": drift,
        "prior_state": {"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": {"resources": [
            resource("aws_instance", "web"), resource("aws_s3_bucket", "logs"), resource("aws_security_group", "edge"),
        ]}}},
        "timestamp": timestamp,
        "applyable": true,
        "complete": true,
        "errored": false,
    })
}

fn resource(kind: &str, name: &str) -> Value {
    json!({"address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
           "provider_name": "registry.terraform.io/hashicorp/aws", "schema_version": 1,
           "values": {"id": name}, "sensitive_values": {}})
}

/// One resource whose `attribute` was changed outside of Terraform.
pub fn changed(kind: &str, name: &str, attribute: &str, before: &Value, after: &Value) -> Value {
    json!({
        "address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": ["update"], "before": {"id": name, attribute: before}, "after": {"id": name, attribute: after},
                   "after_unknown": {}, "before_sensitive": {}, "after_sensitive": {}},
    })
}

/// One resource that was deleted outside of Terraform.
pub fn deleted(kind: &str, name: &str) -> Value {
    json!({
        "address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": ["delete"], "before": {"id": name}, "after": null,
                   "after_unknown": {}, "before_sensitive": {}, "after_sensitive": false},
    })
}
