//! State files: recognised, counted, never read further. They hold secrets in clear text.

use super::doc::{self, Document};
use super::{Code, Error, State, textual};

/// The refusal of a state where a scan is wanted.
pub(super) fn not_a_scan() -> Error {
    Error::new(
        Code::StateFileNotAScan,
        "this is a Terraform state, which says what was recorded, not what drifted; run `terraform \
         plan -refresh-only -out=plan.bin` and `terraform show -json plan.bin > plan.json`, and \
         send plan.json",
    )
}

pub(super) fn read(document: &Document<'_>) -> Result<State, Error> {
    let version: Option<u64> = doc::field("version", "a whole number", document.version)?;
    let version = version.unwrap_or_default();
    if !(3..=4).contains(&version) {
        return Err(Error::new(
            Code::UnsupportedVersion,
            format!("state version {version} is not known; 3 and 4 are"),
        ));
    }
    let lineage: Option<String> = doc::field("lineage", "a text", document.lineage)?;
    let terraform_version: Option<String> =
        doc::field("terraform_version", "a text", document.terraform_version)?;
    Ok(State {
        version,
        serial: doc::field("serial", "a whole number", document.serial)?,
        lineage: lineage.as_deref().map(textual::name),
        terraform_version: terraform_version.as_deref().map(textual::name),
        resources: doc::each_item("resources", document.resources, |_| Ok(()))?,
    })
}
