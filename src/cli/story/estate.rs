//! The infrastructure of the story's company: what its Terraform states hold.

use serde_json::{Value, json};

/// A managed resource, as `prior_state` shows it.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// `module.network`, or empty for the root module.
    pub(super) module: &'static str,
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    /// The `for_each` key or `count` index.
    pub(super) index: Option<Value>,
    pub(super) values: Value,
    /// The attributes whose values are secret.
    pub(super) sensitive: &'static [&'static str],
}

impl Resource {
    fn new(module: &'static str, kind: &'static str, name: &'static str, values: Value) -> Self {
        Self { module, kind, name, index: None, values, sensitive: &[] }
    }

    fn at(self, index: impl Into<Value>) -> Self {
        Self { index: Some(index.into()), ..self }
    }

    fn hiding(self, sensitive: &'static [&'static str]) -> Self {
        Self { sensitive, ..self }
    }

    /// The address, written as Terraform writes it: `module.network.aws_subnet.private["a"]`.
    pub(super) fn address(&self) -> String {
        let dot = if self.module.is_empty() { "" } else { "." };
        let index = self.index.as_ref().map(|index| format!("[{index}]")).unwrap_or_default();
        format!("{}{dot}{}.{}{index}", self.module, self.kind, self.name)
    }

    /// The secret attributes, as Terraform marks them: `{"password": true}`.
    pub(super) fn sensitive_marks(&self) -> Value {
        self.sensitive
            .iter()
            .map(|name| ((*name).to_owned(), Value::Bool(true)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// The resources of a state source.
pub(super) fn of(source: &str) -> Vec<Resource> {
    match source {
        "prod" => [network(), application(), data(), access()].concat(),
        "staging" => staging(),
        _ => shared(),
    }
}

fn network() -> Vec<Resource> {
    let network = |kind, name, values| Resource::new("module.network", kind, name, values);
    let subnet = |zone: &str, net: u8| {
        let values = json!({"id": format!("subnet-0a{net}"), "cidr_block": format!("10.0.{net}.0/24"), "availability_zone": format!("eu-central-1{zone}"), "tags": null});
        network("aws_subnet", "private", values).at(zone)
    };
    let ssh_inside = json!([{"from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/16"]}]);
    vec![
        network("aws_vpc", "main", json!({"id": "vpc-0c1", "cidr_block": "10.0.0.0/16", "enable_dns_support": true})),
        subnet("a", 1),
        subnet("b", 2),
        subnet("c", 3),
        network("aws_security_group", "web", json!({"id": "sg-0b1", "name": "web", "description": "web tier", "ingress": ssh_inside})).at("public"),
        network("aws_security_group", "legacy", json!({"id": "sg-0b2", "name": "legacy", "description": "batch hosts", "ingress": []})),
        network("aws_route_table", "private", json!({"id": "rtb-0d1", "route": [{"cidr_block": "0.0.0.0/0", "nat_gateway_id": "nat-0e1"}]})),
        network("aws_flow_log", "vpc", json!({"id": "fl-0f1", "traffic_type": "ALL", "max_aggregation_interval": 600})),
    ]
}

fn application() -> Vec<Resource> {
    let app = |kind, name, values| Resource::new("module.app", kind, name, values);
    let instance = |index: u8| {
        let values = json!({"id": format!("i-0a{index}"), "instance_type": "m6i.large", "monitoring": true, "tags": {"Name": format!("api-{index}"), "service": "api"}});
        app("aws_instance", "api", values).at(index)
    };
    vec![
        instance(0),
        instance(1),
        app(
            "aws_lb",
            "public",
            json!({"id": "lb-0a1", "name": "public", "drop_invalid_header_fields": true, "idle_timeout": 60}),
        ),
        app(
            "aws_lb_listener",
            "https",
            json!({"id": "lsn-0a1", "port": 443, "protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}),
        ),
        app(
            "aws_autoscaling_group",
            "workers",
            json!({"id": "workers", "min_size": 2, "max_size": 12, "desired_capacity": 3}),
        ),
        app(
            "aws_cloudwatch_metric_alarm",
            "cpu",
            json!({"id": "cpu", "threshold": 80, "evaluation_periods": 3, "actions_enabled": true}),
        ),
        Resource::new(
            "",
            "aws_instance",
            "bastion",
            json!({"id": "i-0b0", "instance_type": "t3.micro", "user_data_replace_on_change": false}),
        ),
    ]
}

fn data() -> Vec<Resource> {
    let data = |kind, name, values| Resource::new("module.data", kind, name, values);
    let database = json!({"id": "db-main", "engine": "postgres", "engine_version": "15.8", "backup_retention_period": 14,
                          "publicly_accessible": false, "password": "never-in-a-pack-1"});
    vec![
        data("aws_db_instance", "main", database).hiding(&["password"]),
        data(
            "aws_db_parameter_group",
            "main",
            json!({"id": "main-15", "family": "postgres15", "parameter": [{"name": "log_connections", "value": "1"}]}),
        ),
        data(
            "aws_s3_bucket",
            "logs",
            json!({"id": "acme-logs", "bucket": "acme-logs", "force_destroy": false}),
        ),
        data(
            "aws_s3_bucket_public_access_block",
            "logs",
            json!({"id": "acme-logs", "block_public_acls": true, "block_public_policy": true}),
        ),
        data(
            "aws_kms_key",
            "data",
            json!({"id": "key-0a1", "enable_key_rotation": true, "deletion_window_in_days": 30}),
        ),
    ]
}

fn access() -> Vec<Resource> {
    let access = |kind, name, values| Resource::new("module.access", kind, name, values);
    vec![
        access(
            "aws_iam_role",
            "deploy",
            json!({"id": "deploy", "name": "deploy", "max_session_duration": 3600}),
        ),
        access(
            "aws_iam_role_policy",
            "deploy",
            json!({"id": "deploy:ecs", "name": "ecs", "policy": "{\"Statement\":[{\"Action\":\"ecs:UpdateService\",\"Effect\":\"Allow\",\"Resource\":\"*\"}]}"}),
        ),
        access(
            "aws_iam_account_password_policy",
            "strict",
            json!({"id": "iam-account-password-policy", "minimum_password_length": 16}),
        ),
    ]
}

fn staging() -> Vec<Resource> {
    let bucket = |tenant: &str| {
        Resource::new(
            "module.tenants",
            "aws_s3_bucket",
            "tenant",
            json!({"id": "tenant", "force_destroy": false}),
        )
        .at(tenant)
    };
    vec![
        Resource::new("", "aws_vpc", "main", json!({"id": "vpc-1c1", "cidr_block": "10.1.0.0/16"})),
        Resource::new("module.app", "aws_instance", "api", json!({"id": "i-1a0", "instance_type": "t3.medium", "monitoring": false})).at(0),
        Resource::new("module.app", "aws_lambda_function", "import", json!({"id": "import", "timeout": 30, "memory_size": 512, "environment": [{"variables": {"TOKEN": "never-in-a-pack-2"}}]}))
            .hiding(&["environment"]),
        Resource::new("module.app", "aws_security_group", "app", json!({"id": "sg-1b1", "name": "app", "egress": []})),
        bucket("blue"),
        bucket(super::script::FORMULA),
        bucket(super::script::MARKUP),
        bucket(super::script::BIDI),
    ]
}

fn shared() -> Vec<Resource> {
    let record = |name, values| Resource::new("module.dns", "aws_route53_record", name, values);
    vec![
        record(
            "apex",
            json!({"id": "Z1_acme.example_A", "type": "A", "ttl": 300, "records": ["198.51.100.10"]}),
        ),
        record(
            "mail",
            json!({"id": "Z1_acme.example_MX", "type": "MX", "ttl": 3600, "records": ["10 mx.acme.example"]}),
        ),
        Resource::new(
            "",
            "aws_cloudtrail",
            "organization",
            json!({"id": "organization", "enable_logging": true, "is_multi_region_trail": true}),
        ),
        Resource::new("", "aws_guardduty_detector", "main", json!({"id": "gd-1", "enable": true})),
    ]
}
