//! The identity provider as the program meets it: a foreign one by its name, or the embedded one with its key.
//!
//! Invariant: every command that runs under the same configuration finds the same embedded issuer, whether the service
//! runs or not: its key and its address are files.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use db::sessions::Lifetime;
pub(crate) use server::issuer::subject;
use server::issuer::{Claims, Client, Key, mint};
use server::oidc;

use crate::config::{Config, EmailTrust, Issuer};
use crate::private;

/// The embedded issuer.
pub(crate) struct Embedded {
    pub(crate) listen: SocketAddr,
    key: Key,
    audience: String,
    base_url: String,
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
        let audience = config.oidc.audiences.first().cloned();
        let audience = audience.context("DRIFTWISE_OIDC_AUDIENCE names nothing")?;
        Ok(Self { listen, key, audience, base_url: config.base_url.to_string() })
    }

    /// Its `iss`, and where its documents lie.
    pub(crate) fn name(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The issuer that serves its documents, and the page on which browsers say who they are.
    pub(crate) fn service(&self) -> Result<server::issuer::Issuer> {
        let people = PEOPLE.map(|name| format!("{name}@{}.example", crate::bootstrap::SLUG));
        let client = Client { people: people.into(), ..Client::of(&self.base_url) };
        let keys = std::slice::from_ref(&self.key);
        Ok(server::issuer::Issuer::new(&self.name(), keys, false)?.with_client(client))
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

/// Which tokens count.
pub(crate) fn options(config: &Config) -> Result<oidc::Options> {
    let oidc = &config.oidc;
    Ok(oidc::Options {
        issuer: name(config)?,
        audiences: oidc.audiences.clone(),
        clients: oidc.clients.clone(),
        algorithms: oidc.algorithms.clone(),
        leeway: oidc.leeway,
        names: oidc::Names {
            email: oidc.email_claim.clone(),
            email_verified: oidc.email_verified_claim.clone(),
            name: oidc.name_claim.clone(),
            takes_unverified: oidc.email_trust == EmailTrust::All,
        },
    })
}

/// This service as its issuer knows it. The embedded one knows the driftpack that it is part of.
pub(crate) fn browser_client(config: &Config) -> Option<oidc::Client> {
    if let Some(browser) = &config.oidc.browser {
        return Some(oidc::Client {
            id: browser.client_id.clone(),
            secret: browser.client_secret.as_ref().map(|secret| secret.reveal().to_owned()),
            scopes: browser.scopes.clone(),
        });
    }
    matches!(config.oidc.issuer, Issuer::Embedded { .. }).then(|| oidc::Client {
        id: Client::ID.to_owned(),
        secret: None,
        scopes: oidc::Client::SCOPES.to_owned(),
    })
}

/// How long browsers stay signed in.
pub(crate) fn sessions(config: &Config) -> Result<Lifetime> {
    Ok(Lifetime {
        idle: TimeDelta::from_std(config.oidc.session_idle)?,
        whole: TimeDelta::from_std(config.oidc.session_whole)?,
    })
}

/// Whom the embedded issuer's page offers; any other address may be typed in.
const PEOPLE: [&str; 5] = ["owner", "admin", "member", "viewer", "platform-admin"];

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
