//! Who may call what: the rights and operations of the contract, as the document `openapi/PERMISSIONS.md`.
//!
//! Invariants
//! - The document has a row for every operation of the contract; what a cell says follows from `x-right` and `x-rights` alone.
//! - The words of the cells stay: the test of the running system reads them.

use std::fmt::Write as _;

use serde_json::Value;

/// Somebody who calls, as a column.
struct Caller {
    title: &'static str,
    kind: Kind,
}

enum Kind {
    /// No credentials, or ones that count for nothing.
    Nobody,
    /// A member of the organisation that is asked about, with this role.
    Role(&'static str),
    /// An API key of that organisation, with this scope.
    Key(&'static str),
    /// A person, but no member there; whether they administer the platform.
    Stranger { administers: bool },
    /// An API key of another organisation.
    StrangeKey,
}

const CALLERS: &[Caller] = &[
    Caller { title: "no credentials", kind: Kind::Nobody },
    Caller { title: "expired token", kind: Kind::Nobody },
    Caller { title: "revoked key", kind: Kind::Nobody },
    Caller { title: "expired key", kind: Kind::Nobody },
    Caller { title: "another org's owner", kind: Kind::Stranger { administers: false } },
    Caller { title: "another org's key", kind: Kind::StrangeKey },
    Caller { title: "viewer", kind: Kind::Role("viewer") },
    Caller { title: "member", kind: Kind::Role("member") },
    Caller { title: "admin", kind: Kind::Role("admin") },
    Caller { title: "owner", kind: Kind::Role("owner") },
    Caller { title: "read key", kind: Kind::Key("read") },
    Caller { title: "write key", kind: Kind::Key("write") },
    Caller { title: "platform admin", kind: Kind::Stranger { administers: true } },
];

/// What a caller gets to see.
#[cfg(test)]
pub(super) fn outcome_of(right: &Value, title: &str) -> &'static str {
    let caller = CALLERS.iter().find(|caller| caller.title == title).expect("a column");
    outcome(right, &caller.kind)
}

fn outcome(right: &Value, caller: &Kind) -> &'static str {
    let may = |may: bool| if may { "yes" } else { "403" };
    let who = right["who"].as_str().unwrap_or_default();
    if who == "anybody" {
        return "yes";
    }
    if matches!(caller, Kind::Nobody) {
        return "401";
    }
    match who {
        "caller" => "yes",
        "platform_admin" => may(matches!(caller, Kind::Stranger { administers: true })),
        _ => match caller {
            Kind::Role(role) => {
                may(right["roles"].as_array().is_some_and(|roles| roles.iter().any(|r| r == role)))
            }
            Kind::Key(scope) => may(right["key"] == *scope),
            Kind::Nobody | Kind::Stranger { .. } | Kind::StrangeKey => "404",
        },
    }
}

/// The document.
///
/// Panics on an operation without a right; a test of the contract names it.
pub fn permissions() -> String {
    let document = super::document();
    let mut text = HEAD.to_owned();
    let titles: Vec<_> = CALLERS.iter().map(|caller| caller.title).collect();
    let _ = writeln!(text, "| operation | call | right | {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|---|---|{}", "---|".repeat(titles.len()));
    for (path, method, operation) in operations(document) {
        let name = operation["x-right"].as_str().unwrap_or_default();
        let right = &document["x-rights"][name];
        let cells: Vec<_> = CALLERS.iter().map(|caller| outcome(right, &caller.kind)).collect();
        let id = operation["operationId"].as_str().unwrap_or_default();
        let call = format!("{} {path}", method.to_uppercase());
        let _ = writeln!(text, "| {id} | `{call}` | {name} | {} |", cells.join(" | "));
    }
    text.push_str(RIGHTS);
    for (name, right) in document["x-rights"].as_object().into_iter().flatten() {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} |",
            people(right),
            right["key"]
                .as_str()
                .map_or_else(|| "no".to_owned(), |scope| format!("scope `{scope}`")),
            right["plan"].as_str().map_or_else(String::new, |plan| format!("`{plan}`")),
            right["why"].as_str().unwrap_or_default(),
        );
    }
    text
}

fn people(right: &Value) -> String {
    let words = |roles: &Value| {
        let roles = roles.as_array().into_iter().flatten().filter_map(Value::as_str);
        roles.collect::<Vec<_>>().join(", ")
    };
    match right["who"].as_str().unwrap_or_default() {
        "anybody" => "everybody".to_owned(),
        "caller" => "everybody who is signed in, machines too".to_owned(),
        "platform_admin" => "platform administrators".to_owned(),
        _ => words(&right["roles"]),
    }
}

/// Path, method and operation, in the order of the paths.
pub(super) fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

const HEAD: &str = "\
# Who may call what

Written from `x-right` and `x-rights` in `driftpack.yaml` (`RENEW_PERMISSIONS=1 cargo nextest run --workspace -E 'test(permissions)'`),
never by hand. A test calls every operation of the running system as each of these callers and compares what happens with this table.

`yes`: the caller is let in; what is asked for may still be missing, wrong or too much. `401`: who calls is not known. `404`: the
organisation looks as if it did not exist. `403`: the caller is known, and not allowed. Roles and keys are those of the organisation
that the call is about; the platform administrator of this table is a member of no organisation.

Beyond the table: only owners make owners, take that role away, remove owners, and invite or un-invite them; the last owner stays.
A right that needs a plan is answered 402 where the organisation's plan lacks it.

";

const RIGHTS: &str = "
## The rights

| right | people | API keys | plan | why |
|---|---|---|---|---|
";
