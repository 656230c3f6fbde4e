//! Why a file is refused.

use crate::text::words;

words! {
    /// The machine code of a refusal; stable.
    pub enum Code as "input error" {
        EmptyInput = "empty_input",
        NotUtf8 = "not_utf8",
        InvalidJson = "invalid_json",
        TooDeep = "too_deep",
        UnknownFormat = "unknown_format",
        UnsupportedVersion = "unsupported_version",
        InvalidField = "invalid_field",
        TooManyResources = "too_many_resources",
        ImplausibleCount = "implausible_count",
        ResourceTooLarge = "resource_too_large",
        AddressTooLong = "address_too_long",
        StateFileNotAScan = "state_file_not_a_scan",
    }
}

/// A refusal: a code for programs, a message that says the way out. It never quotes the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: Code,
    message: String,
}

impl Error {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn field(field: &str, wanted: &str) -> Self {
        Self::new(Code::InvalidField, format!("{field} must be {wanted}; make the file again"))
    }

    pub fn code(&self) -> &'static str {
        self.code.as_str()
    }

    pub fn kind(&self) -> Code {
        self.code
    }
}
