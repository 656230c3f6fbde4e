//! The identity provider as the program meets it: a foreign one by its name, or the embedded one with its key.
//!
//! Invariant: every command that runs under the same configuration finds the same embedded issuer, whether the service
//! runs or not: its key and its address are files.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use server::issuer::{Claims, Key, mint};

use crate::config::{Config, Issuer};
use crate::private;

/// The embedded issuer.
pub(crate) struct Embedded {
    pub(crate) listen: SocketAddr,
    key: Key,
    audience: String,
}

/// The tokens' `iss`.
pub(crate) fn name(config: &Config) -> Result<String> {
    match &config.oidc.issuer {
        Issuer::Foreign(name) => Ok(name.clone()),
        Issuer::Embedded { .. } => Ok(Embedded::of(config)?.name()),
    }
}

impl Embedded {
    /// The embedded issuer of this configuration; its key and address are made on first use.
    pub(crate) fn of(config: &Config) -> Result<Self> {
        let Issuer::Embedded { listen, key_file } = &config.oidc.issuer else {
            bail!("DRIFTWISE_OIDC_ISSUER names an identity provider of its own; get tokens there");
        };
        let pem = private::read_or_make(key_file, new_key)?;
        let key = Key::from_pem(&pem)
            .with_context(|| format!("{} cannot be used", key_file.display()))?;
        let listen = listen.map_or_else(|| written_address(key_file), Ok)?;
        Ok(Self { listen, key, audience: config.oidc.audience.clone() })
    }

    /// Its `iss`, and where its documents lie.
    pub(crate) fn name(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The issuer that serves its documents.
    pub(crate) fn service(&self) -> Result<server::issuer::Issuer> {
        Ok(server::issuer::Issuer::new(&self.name(), std::slice::from_ref(&self.key), false)?)
    }

    /// A token for the person with this address, valid from `now` on.
    pub(crate) fn token(
        &self,
        email: &str,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Result<String> {
        let claims =
            Claims::new(&self.name(), &self.audience, &subject(email), now, lifetime).email(email);
        Ok(mint(&self.key, &claims)?)
    }
}

/// The embedded issuer knows people by their address alone.
pub(crate) fn subject(email: &str) -> String {
    email.to_ascii_lowercase()
}

fn new_key() -> String {
    let key = std::iter::repeat_with(|| Key::generate(rand::random()))
        .flatten()
        .next()
        .expect("the iterator is endless");
    key.to_pem().as_ref().to_owned()
}

/// A free port of loopback, the same one every time: `iss` is part of every user's identity.
fn written_address(key_file: &Path) -> Result<SocketAddr> {
    let file = key_file.with_extension("address");
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .context("loopback has no free port")?;
    let text = private::read_or_make(&file, || free.to_string())?;
    text.trim().parse().with_context(|| format!("{} holds no address; remove it", file.display()))
}
