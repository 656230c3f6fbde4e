//! The sections of the story, and the entries made of them.

use std::collections::BTreeMap;

use evidence::backlog::{self, Transitions};
use evidence::chain::CANONICAL_VERSION;
use evidence::metrics::{Ratio, RollForward};
use evidence::org::{Plan, Role};
use evidence::pack::{self, AuditRange, Coverage, Headline, Org, Sla, Spread, Summary};
use evidence::risk::RiskLevel;
use evidence::time::Time;

use super::chain::{EXPORT, ORG, OWNER, attestation, chain};
use super::{Sample, at, period};
use crate::csv::{Counted, Writer};
use crate::digest;
use crate::json::{Chain, Document, Opening};
use crate::keys::SigningKey;
use crate::provenance::{
    self, Access, Build, Changes, ControlTotals, Exclusion, PlanInForce, Product, Provenance,
    Query, Request, Section, Sequence, SequenceGaps, Snapshot, TieCheck, TieOut, VerificationKey,
};
use crate::section::{
    self, ControlEntry, CoverageMonth, Exception, Finding, RemediationSla, Scan, StateSource,
};
use crate::table::{Cell, Intake, Table};
use crate::walkthrough::{self, Walkthrough};

pub const KEYS_URL: &str = "https://driftpack.example/.well-known/driftpack-keys.json";
const SOURCE: &str = "01900000-0000-7000-8000-0000000000aa";

/// One finding of the story.
struct Life {
    number: i64,
    address: &'static str,
    level: RiskLevel,
    detected_at: Time,
    roll: RollForward,
    status: &'static str,
}

fn lives() -> [Life; 4] {
    let roll = RollForward::default();
    [
        Life {
            number: 2,
            address: "aws_iam_role.ci",
            level: RiskLevel::Critical,
            detected_at: at(1, 1, 0) - chrono::Duration::days(5),
            roll: RollForward { open_at_start: 1, resolved: 1, ..roll },
            status: "resolved",
        },
        Life {
            number: 3,
            address: "aws_security_group.web[\"=HYPERLINK(1)\"]",
            level: RiskLevel::High,
            detected_at: at(1, 10, 6),
            roll: RollForward { opened: 1, reopened: 1, resolved: 1, open_at_end: 1, ..roll },
            status: "open",
        },
        Life {
            number: 5,
            address: "=cmd|' /C calc'!A0",
            level: RiskLevel::Low,
            detected_at: at(1, 10, 6),
            roll: RollForward { opened: 1, accepted: 1, ..roll },
            status: "accepted",
        },
        Life {
            number: 6,
            address: "aws_s3_bucket.ünïcode, \"quoted\"\nline",
            level: RiskLevel::High,
            detected_at: at(2, 10, 6),
            roll: RollForward { opened: 1, open_at_end: 1, ..roll },
            status: "open",
        },
    ]
}

fn add(left: RollForward, right: RollForward) -> RollForward {
    RollForward {
        open_at_start: left.open_at_start + right.open_at_start,
        opened: left.opened + right.opened,
        reopened: left.reopened + right.reopened,
        resolved: left.resolved + right.resolved,
        accepted: left.accepted + right.accepted,
        false_positive: left.false_positive + right.false_positive,
        open_at_end: left.open_at_end + right.open_at_end,
    }
}

fn roll_forward(level: Option<RiskLevel>) -> RollForward {
    let of_level = |life: &Life| level.is_none_or(|level| level == life.level);
    lives()
        .iter()
        .filter(|life| of_level(life))
        .fold(RollForward::default(), |sum, life| add(sum, life.roll))
}

/// The story in numbers.
pub fn summary() -> Summary {
    let audit: Vec<_> = chain().of_period().map(|entry| entry.seq).collect();
    Summary {
        org: Org {
            id: ORG,
            slug: "acme".to_owned(),
            name: "Acme, Inc.".to_owned(),
            plan: Plan::Enterprise,
        },
        period: period(),
        generated_at: at(4, 3, 11),
        headline: Headline {
            findings_in_period: 4,
            roll_forward: roll_forward(None),
            scans_done: 2,
            scans_partial: 1,
            sources: 1,
            longest_gap_hours: Some(744.0),
            hours_to_resolve: resolved_in(roll_forward(None).resolved),
            within_sla: Ratio::new(1, 3),
            scope_coverage: Ratio::new(3, 3),
            ..Headline::default()
        },
        coverage: period().months().into_iter().map(|month| coverage(month.label)).collect(),
        sla: RiskLevel::ALL.iter().map(|level| sla(*level)).collect(),
        open_monthly: open_monthly(),
        top_risks: Vec::new(),
        gaps: Vec::new(),
        gaps_total: 0,
        exceptions: pack::Exceptions { accepted_risks: 1, ..pack::Exceptions::default() },
        audit: AuditRange {
            first_seq: audit.first().copied(),
            last_seq: audit.last().copied(),
            entries: audit.len() as u64,
        },
    }
}

/// All of the story happens in January.
fn open_monthly() -> Vec<pack::OpenMonth> {
    let levels: Vec<Sla> = RiskLevel::ALL.iter().map(|level| sla(*level)).collect();
    let january = levels.iter().map(|level| Transitions {
        month: "2026-01".to_owned(),
        risk_level: level.risk_level,
        opened: level.roll_forward.opened,
        reopened: level.roll_forward.reopened,
        resolved: level.roll_forward.resolved,
        accepted: level.roll_forward.accepted,
        false_positive: level.roll_forward.false_positive,
    });
    backlog::months(&period(), &levels, january)
}

fn resolved_in(count: u64) -> Spread {
    Spread { count, mean: (count > 0).then_some(12.5), ..Spread::default() }
}

/// The scan of February is a partial one.
fn coverage(month: String) -> Coverage {
    let partial = month.ends_with("-02");
    Coverage {
        month,
        partial_month: false,
        scope: Ratio::new(1, 1),
        scans_expected: None,
        scans_done: (!partial).into(),
        scans_partial: partial.into(),
        scans_failed: 0,
        longest_gap_hours: Some(744.0),
        iac: Ratio::new(90, 100),
        drift: Ratio::new(3, 100),
    }
}

fn sla(risk_level: RiskLevel) -> Sla {
    let roll_forward = roll_forward(Some(risk_level));
    Sla {
        risk_level,
        roll_forward,
        hours_to_resolve: resolved_in(roll_forward.resolved),
        oldest_open_hours: None,
        mean_open_hours: None,
        target_hours: 72,
        within_sla: Ratio::new(1, 1),
        overdue_open: 0,
    }
}

fn rows(table: &'static Table) -> Vec<Vec<Cell<'static>>> {
    match table.entry {
        pack::FINDINGS => lives().iter().map(|life| finding(life).cells()).collect(),
        pack::SCANS => [(1, "done"), (2, "partial"), (3, "done")].map(scan).into(),
        pack::COVERAGE_MONTHLY => {
            summary().coverage.iter().map(|month| CoverageMonth::from(month).cells()).collect()
        }
        pack::REMEDIATION_SLA => {
            summary().sla.iter().map(|sla| RemediationSla::from(sla).cells()).collect()
        }
        pack::STATE_SOURCES => vec![state_source().cells()],
        pack::EXCEPTIONS => vec![accepted().cells()],
        pack::CONTROLS => evidence::control::all()
            .iter()
            .flat_map(ControlEntry::of)
            .map(ControlEntry::cells)
            .collect(),
        _ => Vec::new(),
    }
}

fn finding(life: &Life) -> Finding<'static> {
    let roll = &life.roll;
    Finding {
        number: life.number.into(),
        id: format!("01900000-0000-7000-8000-0000000001{:02}", life.number).into(),
        state_source_id: SOURCE.into(),
        state_source: "prod".into(),
        address: life.address.into(),
        resource_type: "aws_iam_role".into(),
        drift_type: "changed".into(),
        risk_level: Cell::text(life.level),
        risk_level_now: "low".into(),
        changed_attributes: Cell::List(vec!["assume_role_policy", "tags"]),
        detected_at: life.detected_at.into(),
        last_clean_scan_at: Cell::Null,
        last_seen_at: at(3, 10, 6).into(),
        reopen_count: roll.reopened.into(),
        status: life.status.into(),
        resolution: Cell::Null,
        resolved_at: Cell::Null,
        resolved_by: Cell::Null,
        time_to_resolve_hours: Cell::decimal(
            (roll.resolved > 0).then_some(744.0),
            section::HOURS_DIGITS,
        ),
        opened_in_period: (roll.opened > 0).into(),
        resolved_in_period: (roll.resolved > 0).into(),
        open_at_start: (roll.open_at_start > 0).into(),
        open_at_end: (roll.open_at_end > 0).into(),
        opened_count: roll.opened.into(),
        reopened_count: roll.reopened.into(),
        resolved_count: roll.resolved.into(),
        accepted_count: roll.accepted.into(),
        false_positive_count: roll.false_positive.into(),
    }
}

fn scan((month, status): (u32, &'static str)) -> Vec<Cell<'static>> {
    let scan = Scan {
        id: format!("01900000-0000-7000-8000-0000000002{month:02}").into(),
        state_source_id: SOURCE.into(),
        status: status.into(),
        tool: "terraform".into(),
        tool_version: "1.15.0".into(),
        observed_at: at(month, 10, 6).into(),
        ingested_at: at(month, 10, 7).into(),
        resources_total: 100.into(),
        drifted: 3.into(),
        missing: 0.into(),
        extra: 0.into(),
        noise_suppressed: 2.into(),
        serial: i64::MAX.into(),
        lineage: "-lineage".into(),
        triggered_by: "ci".into(),
        ci_repository: "https://git.example/infra".into(),
        ci_branch: "@main".into(),
        ci_commit: Cell::Null,
        ci_run_url: Cell::Null,
        ci_pull_request: Cell::Null,
        error: Cell::Null,
        late: false.into(),
    };
    scan.cells()
}

fn state_source() -> StateSource<'static> {
    StateSource {
        id: SOURCE.into(),
        name: "prod".into(),
        kind: "s3".into(),
        location: "s3://state/prod".into(),
        expected_scan_interval_hours: Cell::Null,
        active: true.into(),
        version: 1.into(),
        changed_by: Cell::text(format_args!("user:{OWNER}")),
        changed_at: (at(1, 1, 0) - chrono::Duration::days(28)).into(),
    }
}

fn accepted() -> Exception<'static> {
    Exception {
        kind: "accepted_risk".into(),
        reference: "5".into(),
        subject: "=cmd|' /C calc'!A0".into(),
        count: 1.into(),
        who: Cell::text(OWNER),
        when: at(2, 11, 9).into(),
        why: "reviewed, «ünïcode»".into(),
    }
}

/// Every entry but the attestation and the manifest, in no particular order.
pub(super) fn entries(key: &SigningKey) -> Vec<(String, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut sections = Vec::new();
    for table in section::ALL {
        let (bytes, counted) = csv(table);
        entries.push((table.entry.to_owned(), bytes));
        let query = Query::new(table.name, "select 1", BTreeMap::new());
        sections.push(Section::table(table.entry, counted, vec![query]));
    }
    let log: String = chain().of_period().map(|entry| entry.canonical.clone() + "\n").collect();
    sections.push(Section::lines(pack::AUDIT_EVENTS, digest::of(log.as_bytes()), Vec::new()));
    entries.push((pack::AUDIT_EVENTS.to_owned(), log.into_bytes()));
    let files = [
        (pack::SUMMARY_PDF, b"%PDF-1.7 (a stand-in)\n".to_vec()),
        (pack::DATA_JSON, document()),
        (pack::AUDIT_LOG_VERIFY, walkthrough(key).into_bytes()),
    ];
    for (name, bytes) in files {
        sections.push(Section::file(name, digest::of(&bytes), Vec::new()));
        entries.push((name.to_owned(), bytes));
    }
    let provenance = provenance(sections, key).render().expect("plain values");
    entries.push((pack::PROVENANCE.to_owned(), provenance.into_bytes()));
    entries.push((
        pack::INDEX_HTML.to_owned(),
        b"<!doctype html><title>a stand-in</title>\n".to_vec(),
    ));
    entries
}

fn csv(table: &'static Table) -> (Vec<u8>, Counted) {
    let mut writer = Writer::new(Vec::new(), table).expect("memory takes everything");
    let mut intake = Intake::new(table);
    for row in rows(table) {
        let row = intake.row(&row).expect("the row fits");
        writer.row(row).expect("memory takes everything");
    }
    writer.finish().expect("memory takes everything")
}

fn document() -> Vec<u8> {
    let summary = summary();
    let opening = Opening {
        generated_at: summary.generated_at,
        org: &summary.org,
        period: &summary.period,
        summary: &summary,
    };
    let mut document = Document::begin(Vec::new(), &opening).expect("memory takes everything");
    for table in section::ALL {
        let mut array = document.section(table).expect("the order is right");
        let mut intake = Intake::new(table);
        for row in rows(table) {
            let row = intake.row(&row).expect("the row fits");
            array.row(row).expect("memory takes everything");
        }
        array.finish().expect("memory takes everything");
    }
    let head = attestation();
    let chain = Chain {
        chain: head.chain,
        canonical_version: CANONICAL_VERSION.to_owned(),
        head_seq: head.head_seq,
        head_hash_hex: head.head_hash_hex,
    };
    document.finish(&summary.audit, &chain).expect("memory takes everything").0
}

fn walkthrough(key: &SigningKey) -> String {
    let walkthrough = Walkthrough {
        file_name: &Sample::file_name(),
        org_slug: "acme",
        period: &period(),
        key_id: &key.id(),
        keys_url: KEYS_URL,
    };
    walkthrough::render(&walkthrough).expect("plain values")
}

fn provenance(sections: Vec<Section>, key: &SigningKey) -> Provenance {
    let summary = summary();
    let AuditRange { first_seq: first, last_seq: last, .. } = summary.audit;
    let levels = RiskLevel::ALL.iter().map(|level| (*level, roll_forward(Some(*level)))).collect();
    let tie = TieCheck { name: "findings in the summary".to_owned(), reported: 4, counted: 4 };
    Provenance {
        schema: provenance::SCHEMA.to_owned(),
        product: Product {
            name: "driftpack".to_owned(),
            version: "0.1.0".to_owned(),
            build: "0000000".to_owned(),
            base_url: "https://driftpack.example".to_owned(),
            environment: "production".to_owned(),
        },
        plan: PlanInForce { plan: Plan::Enterprise, since: at(1, 1, 0), window_days: None },
        org: provenance::Org { id: ORG, slug: "acme".to_owned(), name: "Acme, Inc.".to_owned() },
        request: Request {
            export_id: EXPORT,
            requested_by: OWNER,
            role: Role::Owner,
            auth_method: "oidc".to_owned(),
            request_id: Some("request-11".to_owned()),
            requested_at: at(4, 3, 10),
        },
        period: summary.period,
        period_bounds: provenance::BOUNDS.to_owned(),
        snapshot: Snapshot {
            id: "731:731:".to_owned(),
            taken_at: at(4, 3, 11),
            wal_lsn: Some("0/16B3748".to_owned()),
            migration: "20260101000001".to_owned(),
            server_version: "15.8".to_owned(),
            installation: "7400000000000000001/driftpack".to_owned(),
            isolation: provenance::ISOLATION.to_owned(),
        },
        attempt: 1,
        build: Build {
            workflow: "compliance_pack.build".to_owned(),
            run_id: EXPORT.0,
            read_at: at(4, 3, 11),
        },
        sections,
        control_totals: ControlTotals::from(&summary),
        tie_out: TieOut { levels, checks: vec![tie] },
        sequence_gaps: SequenceGaps {
            queries: vec![Query::new("sequence", "select 6", BTreeMap::new())],
            finding_numbers: Sequence { first: Some(1), last: Some(6), ..Sequence::default() },
            audit_seq: Sequence { first, last, ..Sequence::default() },
        },
        exclusions: Exclusion::of(&summary),
        access: Access::enforced(),
        changes: Changes {
            queries: vec![Query::new("audit_actions", "select 7", BTreeMap::new())],
            actions: Vec::new(),
        },
        signing_key: Some(VerificationKey::of(&key.public()).expect("the key is sound")),
        time_stamp_authority: None,
    }
}
