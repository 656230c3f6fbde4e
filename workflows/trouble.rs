//! Errors of the parts as failures of steps: whether trying again can help, and a code.
//!
//! Codes are data (export rows, audit entries, clients): stable. [`explain`] turns one into the sentence that the person who
//! asked for the pack reads; causes and addresses stay in the engine's history, for operators.

use std::error::Error;

use engine::{Failure, FailureKind, FailureRecord};

pub(crate) const DATABASE: &str = "database_unavailable";
pub(crate) const STORAGE: &str = "storage_unavailable";
pub(crate) const RENDERER: &str = "renderer_unavailable";
pub(crate) const STAGED: &str = "staged_object_lost";
pub(crate) const TIE_OUT: &str = "tie_out";
pub(crate) const SIGNING_KEY: &str = "no_valid_signing_key";
pub(crate) const CHAIN_BROKEN: &str = "chain_broken";
pub(crate) const CANCELLED: &str = "cancelled";
pub(crate) const CLOCK: &str = "database_clock";
pub(crate) const GONE: &str = "pack_gone";
pub(crate) const INTERNAL: &str = "internal";

pub(crate) fn database(error: db::Error) -> Failure {
    if error.is_transient() { Failure::transient(error).code(DATABASE) } else { internal(error) }
}

pub(crate) fn storage(error: storage::Error) -> Failure {
    if error.is_missing() {
        return Failure::permanent(error).code(STAGED);
    }
    if error.is_transient() {
        Failure::transient(error).code(STORAGE)
    } else {
        Failure::permanent(error).code(STORAGE)
    }
}

/// Whatever goes wrong with a browser, another one may do better.
pub(crate) fn renderer(error: render::Error) -> Failure {
    Failure::transient(error).code(RENDERER)
}

/// A fault of ours, or of stored data; the same attempt would end the same way.
pub(crate) fn internal(error: impl Error + Send + Sync + 'static) -> Failure {
    Failure::permanent(error).code(INTERNAL)
}

/// Codes that a failure can carry.
const KNOWN: [&str; 10] = [
    DATABASE,
    STORAGE,
    RENDERER,
    STAGED,
    TIE_OUT,
    SIGNING_KEY,
    CHAIN_BROKEN,
    CLOCK,
    GONE,
    INTERNAL,
];

/// The code of a failed run, and a sentence for the person who asked for the pack.
pub(crate) fn explain(record: &FailureRecord) -> (&'static str, &'static str) {
    let code = KNOWN.into_iter().find(|known| record.code.as_deref() == Some(known));
    let code = code.unwrap_or(match record.kind {
        FailureKind::TimedOut => "timed_out",
        FailureKind::WorkerLost => "worker_lost",
        _ => INTERNAL,
    });
    (code, sentence(code))
}

fn sentence(code: &str) -> &'static str {
    match code {
        DATABASE => {
            "The database could not be reached for a long time. Request the pack again, or ask your operator to retry it."
        }
        STORAGE => {
            "The pack could not be stored for a long time. Ask your operator to check the storage and to retry the run."
        }
        RENDERER => {
            "The report could not be printed. Ask your operator to check Chromium and to retry the run."
        }
        STAGED => "A part of the pack that was already prepared is gone. Request the pack again.",
        TIE_OUT => {
            "Two counts of the same thing differed, so no pack was made. Ask your operator to look into the run."
        }
        SIGNING_KEY => {
            "There was no valid key to sign the pack with for a long time. Ask your operator for one (driftpack admin signing-key create) and to retry the run from its step attest."
        }
        CHAIN_BROKEN => {
            "The audit log does not verify, so no pack was made. Ask your operator to look into it at once."
        }
        CLOCK => {
            "By the clock of the database the period is not over yet. Ask your operator to check the clocks, and request the pack again."
        }
        GONE => "The pack was deleted or has expired. Request the pack again.",
        CANCELLED => "The build was cancelled by an operator. Request the pack again.",
        "timed_out" => {
            "The pack took longer to build than is allowed. Request a shorter period, or ask your operator."
        }
        "worker_lost" => {
            "The program stopped again and again while building the pack. Ask your operator to look into it."
        }
        _ => {
            "The pack could not be built because of a fault in the product. Ask your operator to look into the run."
        }
    }
}

/// The code and the sentence of a run that was cancelled although its pack was not deleted.
pub(crate) fn cancelled() -> (&'static str, &'static str) {
    (CANCELLED, sentence(CANCELLED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: FailureKind, code: Option<&str>) -> FailureRecord {
        FailureRecord {
            kind,
            code: code.map(str::to_owned),
            message: "secret path /var/lib".into(),
            causes: vec!["connection refused".into()],
            step: Some("seal".into()),
        }
    }

    #[test]
    fn a_person_reads_a_way_out_and_no_cause() {
        for code in KNOWN {
            let (told, text) = explain(&record(FailureKind::Permanent, Some(code)));
            assert_eq!(told, code);
            assert!(text.contains("equest") || text.contains("Ask your operator"), "{text}");
            assert!(!text.contains("/var/lib") && !text.contains("refused"));
        }
    }

    #[test]
    fn a_failure_without_a_code_of_ours_gets_one() {
        let code = |kind, code| explain(&record(kind, code)).0;
        assert_eq!(code(FailureKind::TimedOut, None), "timed_out");
        assert_eq!(code(FailureKind::WorkerLost, None), "worker_lost");
        assert_eq!(code(FailureKind::Panicked, Some("made up")), INTERNAL);
    }
}
