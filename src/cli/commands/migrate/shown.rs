//! A plan in words, in 80 columns.

use db::upgrade::{Kind, Lock, Size, Touched};
use indicatif::HumanBytes;

use super::plan::{Plan, Planned};
use crate::terminal::{table, wrapped};

/// How many things that are taken away are told; `--json` has them all.
const TOLD: usize = 12;

/// Kinds of things that have more than one word.
const LONG_CLASSES: [&str; 3] = ["foreign key", "row security", "not null"];

pub(super) fn shown(plan: &Plan) -> String {
    if plan.migrations.is_empty() {
        return "Nothing is pending.".to_owned();
    }
    let count = plan.migrations.len();
    let mut lines = vec![wrapped(
        &format!(
            "{count} pending. They were tried on a copy without rows; ROWS and SIZE are those of the database itself. Nothing was changed."
        ),
        0,
    )];
    for migration in &plan.migrations {
        lines.push(String::new());
        lines.extend(of(migration));
    }
    lines.push(String::new());
    lines.push(wrapped(advice(plan), 0));
    lines.join("\n")
}

fn of(planned: &Planned) -> Vec<String> {
    let trial = &planned.trial;
    let kind = match trial.kind {
        Kind::Expand => "expand",
        Kind::Contract => "contract",
        Kind::Unmarked => "unmarked",
    };
    let mut lines = vec![format!("{} {}: {} ({kind})", trial.family, trial.version, trial.name)];
    for (what, things) in
        [("makes", &trial.difference.made), ("changes", &trial.difference.changed)]
    {
        if !things.is_empty() {
            lines.push(wrapped(&format!("{what} {}", counted(things)), 2));
        }
    }
    for (what, things) in
        [("takes away", &trial.difference.taken_away), ("older versions:", &trial.breaches)]
    {
        lines.extend(things.iter().take(TOLD).map(|one| wrapped(&format!("{what} {one}"), 2)));
        if things.len() > TOLD {
            lines.push(format!("  {what} {} more; --json has all", things.len() - TOLD));
        }
    }
    lines.extend(locks(planned));
    lines
}

/// `column a.b`, `column a.c`, `index d` → `2 × column, 1 × index`.
fn counted(things: &[String]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for thing in things {
        let long = LONG_CLASSES.into_iter().find(|class| thing.starts_with(class));
        let class = long.or_else(|| thing.split(' ').next()).unwrap_or_default();
        match counts.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += 1,
            None => counts.push((class, 1)),
        }
    }
    let told = counts.into_iter().map(|(class, count)| format!("{count} × {class}"));
    told.collect::<Vec<_>>().join(", ")
}

fn locks(planned: &Planned) -> Vec<String> {
    if !planned.trial.is_in_transaction {
        let told = "cannot run in a transaction: it was carried out on the copy, but which locks it takes was not seen";
        return vec![wrapped(told, 2)];
    }
    // What only reads a table keeps nobody waiting but who changes its shape.
    let felt = planned.trial.tables.iter().zip(&planned.sizes);
    let felt: Vec<_> = felt.filter(|(touched, _)| touched.lock > Lock::RowShare).collect();
    if felt.is_empty() {
        return vec!["  locks no table that is there".to_owned()];
    }
    let header = ["TABLE", "ROWS", "SIZE", "BLOCKS", "LOCK"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(felt.iter().map(|(touched, size)| row(touched, size.as_ref())));
    let mut lines: Vec<_> = table(&rows).lines().map(|line| format!("  {line}")).collect();
    for (Touched { table, is_rewritten, is_scanned, .. }, _) in felt {
        if *is_rewritten {
            lines.push(wrapped(&format!("{table} is written anew while it is locked"), 2));
        } else if *is_scanned {
            lines.push(wrapped(&format!("{table} is read from end to end while it is locked"), 2));
        }
    }
    lines
}

fn row(touched: &Touched, size: Option<&Size>) -> Vec<String> {
    let name = touched.table.strip_prefix("public.").unwrap_or(&touched.table);
    let rows = size.and_then(|size| size.rows).map_or_else(|| "?".to_owned(), |n| format!("~{n}"));
    let bytes = size.map_or_else(|| "?".to_owned(), |size| HumanBytes(size.bytes).to_string());
    let (blocks, lock) = (touched.lock.blocks(), touched.lock.words());
    vec![name.to_owned(), rows, bytes, blocks.to_owned(), lock.to_owned()]
}

fn advice(plan: &Plan) -> &'static str {
    if plan.older_versions_may_run {
        "Servers and workers of the version before may go on, during it and afterwards. Each lock is held to the end of its migration."
    } else {
        "Stop every server and worker of the versions before first: what is marked contract, or has a line `older versions`, takes away or narrows what they use."
    }
}
