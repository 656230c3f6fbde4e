//! The key ring of the service: read at the start, and again whenever its files change.
//!
//! Keys are changed while packs are built, so a file is believed only when it can be read whole: until then the ring that was read
//! last stays in force, and the log says so.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bundle::keyring::Keyring;
use bundle::keys::SigningKey;
use engine::Clock;
use tokio_util::sync::CancellationToken;
use workflows::Keys;

use crate::config::signing::{self, Signing};
use crate::config::{Config, Environment};
use crate::private;

/// A step that found no valid key is tried again within a minute; by then a new one has been seen.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The ring at the start. Without a key that is valid now the service does not start. In development a key is made on first use.
pub(crate) fn in_force(config: &Config) -> Result<Keys> {
    if let (signing::Keys::File(file), Environment::Development) =
        (&config.signing.keys, config.environment)
    {
        private::read_or_make(file, || {
            SigningKey::generate(rand::random()).to_pkcs8_pem().as_ref().to_owned()
        })?;
    }
    let ring = read(&config.signing)?;
    ensure!(
        ring.choose(&[Clock::System.now()]).is_some(),
        "{}: no key in it is valid now: {}; make one (driftpack admin signing-key create), or let one be valid for longer",
        config.signing.keys.setting(),
        ring.explain()
    );
    Ok(Keys::new(ring))
}

/// Reads the ring.
pub(crate) fn read(signing: &Signing) -> Result<Keyring> {
    let retired = signing::retired(signing.retired_file.as_deref())
        .map_err(|what| anyhow!("DRIFTWISE_RETIRED_KEYS_FILE {what}"))?;
    let text = match &signing.keys {
        signing::Keys::Text(text) => text.reveal().to_owned(),
        signing::Keys::File(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
    };
    Keyring::parse(&text, retired).with_context(|| signing.keys.setting().to_owned())
}

/// Keeps the ring as its files say, until asked to end.
pub(crate) async fn keep(keys: Keys, signing: Signing, stop: CancellationToken) -> Result<()> {
    let mut is_faulty = false;
    while stop.run_until_cancelled(Clock::System.sleep(LOOK_AGAIN)).await.is_some() {
        let signing = signing.clone();
        let ring = tokio::task::spawn_blocking(move || read(&signing)).await?;
        match ring {
            Ok(ring) if ring.published() != keys.ring().published() => {
                tracing::info!(keys = ring.explain(), "the signing keys have changed");
                keys.replace(ring);
                is_faulty = false;
            }
            Ok(_) => is_faulty = false,
            Err(error) if !is_faulty => {
                is_faulty = true;
                tracing::error!(
                    error = format!("{error:#}"),
                    "the signing keys cannot be read: those read before stay in force"
                );
            }
            Err(_) => {}
        }
    }
    Ok(())
}
