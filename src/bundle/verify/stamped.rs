//! The time stamp: is it over this manifest, and does its time fit what the pack says of itself?
//!
//! Its signature and certificate are not checked here: `openssl ts -verify` does, with the authority that the auditor trusts.

use chrono::TimeDelta;
use evidence::pack;
use evidence::time::stamp;

use super::content::Contents;
use super::report::{Checks, plain};
use crate::timestamp::Token;

const NAME: &str = "time_stamp";

/// How far the clocks of an authority and of the product may differ.
const CLOCKS: TimeDelta = TimeDelta::minutes(5);

/// A pack is dated when it is made. One that is dated later was held back, or was never made when it says.
const LATE: TimeDelta = TimeDelta::days(1);

pub(super) fn check(contents: &Contents, checks: &mut Checks) {
    let asked = contents
        .provenance
        .as_ref()
        .and_then(|provenance| provenance.time_stamp_authority.as_ref());
    let Some(answer) = &contents.time_stamp else {
        if let Some(authority) = asked {
            let authority: String = plain(authority).chars().take(200).collect();
            let detail = format!(
                "the pack bears no time stamp, although {authority} was to be asked for one: it did not answer then, or \
                 {} was taken out",
                pack::TIME_STAMP
            );
            checks.note(NAME, detail);
        }
        return;
    };
    let token = match Token::read(answer) {
        Ok(token) => token,
        Err(fault) => return checks.broken(NAME, format!("{}: {fault}", pack::TIME_STAMP)),
    };
    let manifest = contents.digests.get(pack::MANIFEST).map(|digest| hex::decode(&digest.sha256));
    let Some(Ok(manifest)) = manifest else {
        return checks.incomplete(NAME, "there is no readable MANIFEST.txt that it could be over");
    };
    if !token.is_over(&manifest) {
        let detail = "it was given for another MANIFEST.txt: the list was changed since, or the stamp is another pack's";
        return checks.broken(NAME, detail);
    }
    let (time, serial) = (stamp(token.time), &token.serial_hex);
    checks.ok(
        NAME,
        format!(
            "it is over MANIFEST.txt as it is, and says {time} (number {serial}, policy {}); who gave it is not checked \
             here: step 7 of AUDIT_LOG_VERIFY.md does, with the certificate of an authority you trust",
            token.policy
        ),
    );
    fits(&token, contents, checks);
}

/// Against the moment that the pack says it speaks of.
fn fits(token: &Token, contents: &Contents, checks: &mut Checks) {
    let Some(attestation) = &contents.attestation else { return };
    let said = attestation.verified_at;
    let (time, when) = (stamp(token.time), stamp(said));
    if token.time + CLOCKS < said {
        checks.broken(
            NAME,
            format!(
                "it says {time}, and the pack says that it was made after that, from data of {when}"
            ),
        );
    } else if token.time - said > LATE {
        checks.note(
            NAME,
            format!(
                "the pack says that it was made from data of {when}, and the authority saw it first at {time}: nothing \
                 outside the organisation shows that it is older than that"
            ),
        );
    }
}
