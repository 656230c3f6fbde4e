//! What auditors ask of information produced by the entity (IPE), and where the answers are.

/// The questions on information produced by the entity, each with the members that answer it, as JSON pointers.
pub const QUESTIONS: [(&str, &[&str]); 12] = [
    (
        "Which system, which installation, which environment?",
        &["/product", "/product/environment", "/snapshot/installation"],
    ),
    ("Whose data?", &["/org", "/plan"]),
    ("Who asked for it, in which role, how authenticated, when?", &["/request"]),
    ("For which period, and how are its bounds meant?", &["/period", "/period_bounds"]),
    ("As of which state of the database?", &["/snapshot"]),
    (
        "By which logic: queries, parameters, scripts?",
        &["/sections/0/queries", "/sequence_gaps/queries", "/changes/queries"],
    ),
    ("Is it complete: how many rows, bytes, from where to where?", &["/sections"]),
    ("Are there gaps in sequences?", &["/sequence_gaps"]),
    ("Is it accurate: do totals and counts agree?", &["/control_totals", "/tie_out"]),
    ("What was left out, and how much?", &["/exclusions"]),
    (
        "Who may make such reports, and who changed rules, sources, people or keys meanwhile?",
        &["/access", "/changes"],
    ),
    ("When and by what was it made, at which attempt?", &["/build", "/attempt", "/signing_key"]),
];

#[cfg(test)]
mod tests {
    use evidence::pack;

    use super::*;

    #[test]
    fn every_question_is_answered_by_members_that_are_there() {
        let sample = crate::testing::sample();
        let written: serde_json::Value =
            serde_json::from_slice(sample.get(pack::PROVENANCE)).unwrap();
        for (question, members) in QUESTIONS {
            for member in members {
                let answer = written.pointer(member);
                assert!(answer.is_some_and(|answer| !answer.is_null()), "{question} {member}");
            }
        }
    }
}
