//! What a token says, read strictly: an object in which no claim stands twice.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// OIDC Core: `sub` must not exceed 255 ASCII characters.
const SUB_BYTES_MAX: usize = 255;
/// RFC 5321.
const EMAIL_BYTES_MAX: usize = 254;
const NAME_BYTES_MAX: usize = 200;

/// Where an issuer says who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub email: String,
    /// Whether the issuer has seen that the address is that person's.
    pub email_verified: String,
    pub name: String,
    /// Whether an address counts that the issuer does not call verified: right where nobody can choose their own.
    pub takes_unverified: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
            name: "name".to_owned(),
            takes_unverified: false,
        }
    }
}

/// The claims of a token.
#[derive(Debug, Clone)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Seconds since 1970.
    pub(super) fn time(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(Value::as_f64)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// For whom the token is; empty when it does not say so in the ways that it may.
    pub(super) fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => {
                let texts: Option<Vec<_>> = several.iter().map(Value::as_str).collect();
                texts.unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.plain("sub", SUB_BYTES_MAX)
    }

    /// The address, if it may be believed.
    pub(super) fn email(&self, names: &Names) -> Option<&str> {
        // Some issuers write it as a text.
        let is_verified = match self.0.get(&names.email_verified) {
            Some(Value::Bool(is)) => *is,
            Some(Value::String(word)) => word == "true",
            _ => false,
        };
        self.plain(&names.email, EMAIL_BYTES_MAX).filter(|_| is_verified || names.takes_unverified)
    }

    pub(super) fn name(&self, names: &Names) -> Option<&str> {
        self.plain(&names.name, NAME_BYTES_MAX)
    }

    fn plain(&self, name: &str, bytes_max: usize) -> Option<&str> {
        self.text(name).filter(|text| {
            !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
        })
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object in which no claim stands twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim stands twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        deserializer.deserialize_map(Once)
    }
}
