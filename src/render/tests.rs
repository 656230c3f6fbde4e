//! The report as HTML: what it says with nothing, with much, and with hostile names.

use evidence::backlog::{self, Transitions};
use evidence::control::{Control, Strength};
use evidence::ids::{ExportId, OrgId};
use evidence::metrics::{Ratio, RollForward};
use evidence::org::Plan;
use evidence::pack::{
    AuditRange, Coverage, ENTRIES, Exceptions, Gap, Headline, OpenMonth, Org, Sla, Spread, Summary,
    TopRisk,
};
use evidence::risk::RiskLevel;
use evidence::scan::DriftType;
use evidence::time::{Period, Time};
use uuid::Uuid;

use crate::{Attested, Entry, Product, Report, Requester, html};

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// A report of a quarter over `findings` findings, with `address` as the address of every top risk.
pub(crate) fn report(findings: u64, address: &str) -> Report {
    Report {
        export: ExportId(Uuid::from_u128(9)),
        file_name: "compliance-pack-acme-2026-01-01_2026-04-01.zip".into(),
        requester: Requester {
            name: "olivia@acme.example".into(),
            role: Some("owner".into()),
            at: at("2026-04-02T09:30:00Z"),
        },
        product: Product {
            name: "driftpack".into(),
            version: "0.1.0".into(),
            build: "unknown build".into(),
        },
        summary: summary(findings, address),
        controls: controls(),
        chain: attested(),
        history_from: None,
        paper: crate::Paper::A4,
        entries: ["findings.csv", "scans.csv", "exceptions.csv"]
            .map(|name| Entry { name: name.into(), rows: findings })
            .into(),
    }
}

fn summary(findings: u64, address: &str) -> Summary {
    let period = Period::new(at("2026-01-01T00:00:00Z"), at("2026-04-01T00:00:00Z")).unwrap();
    let has = u64::from(findings > 0);
    let sla: Vec<Sla> = RiskLevel::ALL
        .iter()
        .enumerate()
        .map(|(nth, level)| sla(*level, findings * (nth as u64 + 1) / 10))
        .collect();
    let total = |of: fn(&RollForward) -> u64| sla.iter().map(|row| of(&row.roll_forward)).sum();
    let roll_forward = RollForward {
        open_at_start: 0,
        opened: total(|roll| roll.opened),
        resolved: total(|roll| roll.resolved),
        open_at_end: total(|roll| roll.open_at_end),
        ..RollForward::default()
    };
    let open_monthly = open_monthly(&period, &sla);
    Summary {
        open_monthly,
        gaps_total: findings.min(4) * 7,
        org: Org {
            id: OrgId(Uuid::from_u128(1)),
            slug: "acme".into(),
            name: "Acme GmbH & Co. KG".into(),
            plan: Plan::Enterprise,
        },
        period,
        generated_at: at("2026-04-02T09:30:01.123456Z"),
        headline: Headline {
            findings_in_period: findings,
            roll_forward,
            scans_done: 180 * has,
            scans_partial: 3 * has,
            scans_failed: has,
            sources: 3 * has,
            longest_gap_hours: (has > 0).then_some(49.5),
            hours_to_resolve: spread(roll_forward.resolved),
            within_sla: Ratio::new(findings * 7 / 10, findings * 8 / 10),
            scope_coverage: Ratio::new(8 * has, 9 * has),
            cadence: Ratio::new(180 * has, 186 * has),
        },
        coverage: period.months().iter().map(|month| coverage(&month.label, has)).collect(),
        sla,
        top_risks: (0..findings.min(10)).map(|nth| top_risk(nth, address)).collect(),
        gaps: (0..findings.min(4)).map(|_| gap()).collect(),
        exceptions: Exceptions { noise_resources: 41 * has, ..Exceptions::default() },
        audit: AuditRange { first_seq: Some(1), last_seq: Some(212), entries: 212 },
    }
}

/// A third of everything each month.
fn open_monthly(period: &Period, levels: &[Sla]) -> Vec<OpenMonth> {
    let months = period.months();
    let share = |total: u64, nth: usize| {
        let nth = nth as u64;
        total * (nth + 1) / 3 - total * nth / 3
    };
    let happened = months.iter().enumerate().flat_map(|(nth, month)| {
        levels.iter().map(move |level| Transitions {
            month: month.label.clone(),
            risk_level: level.risk_level,
            opened: share(level.roll_forward.opened, nth),
            reopened: 0,
            resolved: share(level.roll_forward.resolved, nth),
            accepted: 0,
            false_positive: 0,
        })
    });
    backlog::months(period, levels, happened)
}

fn sla(risk_level: RiskLevel, opened: u64) -> Sla {
    let resolved = opened * 7 / 10;
    Sla {
        risk_level,
        roll_forward: RollForward {
            opened,
            resolved,
            open_at_end: opened - resolved,
            ..RollForward::default()
        },
        hours_to_resolve: spread(resolved),
        oldest_open_hours: (opened > resolved).then_some(1_220.0),
        mean_open_hours: (opened > resolved).then_some(310.4),
        target_hours: 72,
        within_sla: Ratio::new(resolved * 9 / 10, resolved),
        overdue_open: (opened - resolved) / 2,
    }
}

fn spread(count: u64) -> Spread {
    let value = |hours| (count > 0).then_some(hours);
    Spread { count, mean: value(40.2), median: value(20.0), p90: value(97.3), max: value(412.0) }
}

fn coverage(month: &str, has: u64) -> Coverage {
    let scanned = if month.ends_with("02") { 2 } else { 3 };
    Coverage {
        month: month.into(),
        partial_month: false,
        scope: Ratio::new(scanned * has, 3 * has),
        scans_expected: (has > 0).then_some(62),
        scans_done: 60 * has,
        scans_partial: has,
        scans_failed: 0,
        longest_gap_hours: (has > 0).then_some(49.5),
        iac: Ratio::new(940 * has, 1_000 * has),
        drift: Ratio::new(12 * has, 1_000 * has),
    }
}

fn top_risk(nth: u64, address: &str) -> TopRisk {
    TopRisk {
        number: i64::try_from(nth).unwrap() + 1,
        risk_level: if nth < 3 { RiskLevel::Critical } else { RiskLevel::High },
        drift_type: DriftType::Changed,
        address: address.into(),
        resource_type: "aws_security_group_rule".into(),
        state_source: "prod".into(),
        changed_attributes: ["cidr_blocks", "description"].map(Into::into).into(),
        open_since: at("2026-02-09T10:00:00Z"),
        open_hours: 1_220.0,
    }
}

fn gap() -> Gap {
    Gap {
        state_source: "prod".into(),
        from: at("2026-02-11T00:30:00Z"),
        to: at("2026-02-13T02:00:00Z"),
        hours: 49.5,
        expected_interval_hours: Some(24),
    }
}

fn controls() -> Vec<Control> {
    let row = |id, title, strength| Control {
        framework: "SOC 2",
        id,
        title,
        entries: vec!["findings.csv", "scans.csv"],
        strength,
        why: "Scans compare what runs with what was approved as code, and each difference is followed to its end.",
    };
    vec![
        row("CC7.1", "Detects changes of configuration", Strength::Strong),
        row("CC8.1", "Changes are authorised", Strength::Partial),
    ]
}

fn attested() -> Attested {
    Attested {
        status: "ok".into(),
        verified_at: at("2026-04-02T09:30:03Z"),
        checked: 240,
        head_seq: Some(240),
        head_hash_hex: Some("ab".repeat(32)),
        genesis_hash_hex: Some("cd".repeat(32)),
        requested_seq: Some(239),
        previous_packs: 2,
        verify_url: "https://drift.acme.example/api/v2/orgs/1/audit-log/verify?at_seq=240".into(),
        key_id: "2026-a".into(),
    }
}

/// The words of a page, without its markup and style.
pub(crate) fn words(html: &str) -> String {
    let body = html.split_once("</style>").unwrap().1;
    let mut words = String::new();
    let mut is_inside = false;
    for c in body.chars() {
        match c {
            '<' => is_inside = true,
            '>' => {
                is_inside = false;
                words.push(' ');
            }
            c if !is_inside => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_report_of_ten_findings_reads_well() {
    let page = html(&report(10, "aws_security_group_rule.ingress[\"ssh\"]")).unwrap();
    insta::assert_snapshot!(words(&page).replace(". ", ".\n"));
}

#[test]
fn a_report_of_nothing_shows_dashes_and_never_a_hundred_percent() {
    let page = words(&html(&report(0, "")).unwrap());
    assert!(page.contains("– within target time 0 of 0"), "{page}");
    assert!(page.contains("No complete scan in this period."), "{page}");
    assert!(page.contains("– open at the end of 0 in the period"), "{page}");
    assert!(page.contains("2026-02 – 0 of 0"), "{page}");
    assert!(!page.contains("100.0 %") && !page.contains("NaN"), "{page}");
    assert!(page.contains("No finding was open at the end of the period."));
    assert!(page.contains("No state was in scope"));
}

#[test]
fn both_exclusions_are_named() {
    let page = words(&html(&report(0, "")).unwrap());
    assert!(
        page.contains("Login events. People sign in through the organisation's identity provider")
    );
    assert!(page.contains("SCIM events (people provisioned"));
    assert!(page.contains("only for organisations that use SCIM"));
}

#[test]
fn hostile_names_are_harmless_text() {
    let address = "x<img src=file:///etc/passwd>\u{202E}\"onload=alert(1)\u{0}";
    let mut hostile = report(10, address);
    hostile.summary.org.name = address.into();
    hostile.summary.org.slug = address.into();
    hostile.requester.name = address.into();
    hostile.file_name = address.into();
    let page = html(&hostile).unwrap();
    assert!(!page.contains("<img"));
    assert!(!page.contains(['\u{202E}', '\0']));
    assert!(page.contains("x&lt;img src=file:///etc/passwd&gt;⟨U+202E⟩&quot;onload"));
}

#[test]
fn an_endless_name_is_cut_and_says_so() {
    let page = html(&report(10, &"a".repeat(1_000_000))).unwrap();
    assert!(page.len() - crate::fonts::style().len() < 120_000);
    assert!(page.contains("a… (1,000,000 characters)"));
}

#[test]
fn fifty_years_of_months_print_as_the_latest_ones() {
    let mut long = report(10, "a");
    long.summary.coverage =
        (0..600).map(|n| coverage(&format!("{}-{:02}", 1976 + n / 12, n % 12 + 1), 1)).collect();
    let page = html(&long).unwrap();
    assert!(page.len() - crate::fonts::style().len() < 90_000);
    assert!(words(&page).contains("The latest 36 months; 564 earlier ones are in"));
}

#[test]
fn every_entry_that_the_page_names_is_an_entry_of_the_pack() {
    let page = words(&html(&report(10, "a")).unwrap());
    let named = page.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    let named = named.map(|word| word.trim_end_matches('.'));
    let named = named
        .filter(|word| [".csv", ".json", ".ndjson", ".md"].iter().any(|end| word.ends_with(end)));
    let named: Vec<_> = named.collect();
    assert!(named.len() > 10);
    assert!(named.iter().all(|word| ENTRIES.contains(word)), "{named:?}");
}
