//! A dishonest operator with every right on the database, and which check catches what: `src/bundle/ATTACKS.md`.
//!
//! Each attack has an organisation of its own in one installation, the auditor has kept a pack of each from before (but where the
//! attack came first), and every check is asked about every attack. What comes out must be the table in the document, cell by cell.

mod cast;

use std::collections::BTreeMap;

use tests::app::{App, Options};
use tests::authority::Authority;

use cast::{Cast, Found};

/// What an operator does.
struct Attack {
    /// The organisation it is done to.
    slug: &'static str,
    /// In the words of the document.
    what: &'static str,
    /// Before the first pack, and before the chain was ever checked.
    is_first: bool,
    /// On the database; `$c` is the organisation.
    sql: &'static str,
    forged: Forged,
}

/// What the operator hands over as the newest pack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forged {
    /// What the product builds after the attack, signed with the real key.
    Rebuilt,
    /// That, dated back by hand and signed again with the real key. The old time stamp is kept.
    Backdated,
    /// The same, with a new time stamp.
    BackdatedAndStamped,
}

const ATTACKS: &[Attack] = &[
    Attack {
        slug: "edit",
        what: "changes an old audit entry and leaves the hashes as they are",
        is_first: false,
        sql: "update admin_audit_log set actor_id = 'somebody-else', canonical = regexp_replace(canonical, \
              '\"actor\":\\{\"id\":\"[^\"]*\"', '\"actor\":{\"id\":\"somebody-else\"') where chain = $c and seq = 10",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "cut",
        what: "deletes the last 100 audit entries",
        is_first: false,
        sql: "select attack.cut($c, 100)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "rewrite",
        what: "rewrites the audit log from entry 10 on, every hash computed anew",
        is_first: false,
        sql: "select attack.rewrite($c, 10)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "pad",
        what: "deletes the last 100 entries, rewrites from entry 10 on, and pads to the old length and beyond",
        is_first: false,
        sql: "select attack.cut($c, 100); select attack.rewrite($c, 10); select attack.pad($c, 105)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "forget",
        what: "the same, and makes the product forget: the nightly check's memory, the heads that packs attested",
        is_first: false,
        sql: "select attack.cut($c, 100); select attack.rewrite($c, 10); select attack.pad($c, 105); select attack.forget($c)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "dropped",
        what: "empties an organisation's audit log",
        is_first: false,
        sql: "select attack.drop_chain($c)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "vanished",
        what: "the same, and makes the product forget",
        is_first: false,
        sql: "select attack.drop_chain($c); delete from audit_chain_checks where chain = $c; \
              delete from audit_chain_states where chain = $c; \
              update audit_exports set status = 'deleted', attested_seq = null, attested_hash = null where org_id = $c",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "first",
        what: "rewrites the audit log from entry 10 on before any pack was built and any check was made",
        is_first: true,
        sql: "select attack.rewrite($c, 10)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "downgrade",
        what: "edits the findings' history: every finding was of low risk, always",
        is_first: false,
        sql: "select attack.downgrade($c)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "hidden",
        what: "deletes the newest finding with its history",
        is_first: false,
        sql: "select attack.hide_finding($c)",
        forged: Forged::Rebuilt,
    },
    Attack {
        slug: "backdate",
        what: "dates a new pack back by months, signs it again with the real key, keeps the time stamp",
        is_first: true,
        sql: "select 1",
        forged: Forged::Backdated,
    },
    Attack {
        slug: "restamp",
        what: "the same, and has it time-stamped anew",
        is_first: true,
        sql: "select 1",
        forged: Forged::BackdatedAndStamped,
    },
];

const COLUMNS: [&str; 7] = [
    "the next pack",
    "`driftpack verify` alone",
    "nightly check",
    "weekly check",
    "`verify --live`",
    "`verify --against older.zip`",
    "time stamp",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attack_is_caught_by_what_the_document_says_and_by_nothing_else() {
    let authority = Authority::start().await;
    let settings = vec![("DRIFTWISE_TSA_URL", authority.url.clone())];
    let app = App::start_with(Options { settings, ..Options::default() }).await;
    tests::sql::query(&app.database, include_str!("attack/operator.sql"));
    let mut cast = Vec::new();
    for attack in ATTACKS {
        // Enough to delete a hundred of.
        let changes = if attack.sql.contains("cut") { 115 } else { 15 };
        cast.push(Cast::new(&app, attack.slug, changes).await);
    }
    for (attack, org) in ATTACKS.iter().zip(&mut cast) {
        if attack.is_first {
            org.attack(attack.sql);
        } else {
            org.keep_pack().await;
        }
    }
    for org in &cast {
        org.knows_of_nothing().await;
    }
    let quiet = cast::round(&app, "chain_check.nightly").await;
    assert!(quiet.values().all(|found| *found == Found::Missed), "{quiet:?}");
    for (attack, org) in ATTACKS.iter().zip(&cast) {
        if !attack.is_first {
            org.attack(attack.sql);
        }
    }
    let nightly = cast::round(&app, "chain_check.nightly").await;
    let weekly = cast::round(&app, "chain_check.weekly").await;
    let mut rows = Vec::new();
    for (attack, org) in ATTACKS.iter().zip(&mut cast) {
        let built = org.next_pack().await;
        org.forge(attack.forged, &authority);
        let found = [
            built,
            org.verify_alone(),
            nightly[attack.slug],
            weekly[attack.slug],
            org.verify_live(),
            org.verify_against(),
            org.time_stamp(&authority),
        ];
        rows.push(row(attack.what, found));
    }
    compare(&rows);
}

fn row(what: &str, found: [Found; COLUMNS.len()]) -> String {
    let cells = found.map(Found::word).join(" | ");
    format!("| {what} | {cells} |")
}

/// The table between its marks in the document; with `RENEW_ATTACKS` it is written there instead.
fn compare(rows: &[String]) {
    const BEGIN: &str = "<!-- the table: written by the test, never by hand -->\n";
    const END: &str = "<!-- the end of the table -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/bundle/ATTACKS.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the document has the mark");
    let (written, after) = rest.split_once(END).expect("the document has the end mark");
    let head = format!("| the operator … | {} |\n", COLUMNS.join(" | "));
    let rule = format!("|---|{}\n", "---|".repeat(COLUMNS.len()));
    let table = format!("{head}{rule}{}\n", rows.join("\n"));
    if std::env::var_os("RENEW_ATTACKS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    let by_line = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(by_line(&table), by_line(written), "src/bundle/ATTACKS.md says something else");
}

/// Verdicts by the slug of the organisation.
type Verdicts = BTreeMap<String, Found>;
