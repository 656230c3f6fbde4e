//! The keys that sign packs: making, listing, retiring them. Files alone: neither database nor service is needed.
//!
//! Invariant: whatever dies in between, no key is lost. The retired list is written before the private half is taken away; a key
//! that is in both never signs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bundle::keyring::Keyring;
use bundle::keys::{PublicKey, PublicKeys, SigningKey};
use engine::Clock;
use evidence::time::{Time, floor_micros, stamp};

use crate::config::signing::{self, Keys, Signing};
use crate::{config, private, say};

/// Signing keys
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:
  driftpack admin signing-key create --days 365
  driftpack admin signing-key create --not-before 2027-01-01T00:00:00Z --not-after 2028-01-31T00:00:00Z
  driftpack admin signing-key list
  driftpack admin signing-key retire a1b2c3d4e5f60718

A change of keys: create the new one, wait until the packs that are being built are done (a few minutes), then retire the old
one. Running services read the files again by themselves. Its public half stays published in the list of retired keys
(DRIFTWISE_RETIRED_KEYS_FILE): auditors need it for the packs that it has signed.

These commands use DRIFTWISE_SIGNING_KEY_FILE, or with --print nothing at all.")]
pub(crate) enum Command {
    /// Add a key; of several valid ones the one that became valid last signs
    Create {
        /// The first moment at which it may sign [default: now]
        #[arg(long, value_name = "TIME")]
        not_before: Option<Time>,
        /// The last moment at which it may sign [default: no end]
        #[arg(long, value_name = "TIME", conflicts_with = "days")]
        not_after: Option<Time>,
        /// The same as a number of days from not-before
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        days: Option<u16>,
        /// Print the private key instead, to be added to DRIFTWISE_SIGNING_KEY
        #[arg(long)]
        print: bool,
    },
    /// Every key, with its validity
    List {
        /// The document that is published
        #[arg(long)]
        json: bool,
    },
    /// Let a key sign no more; its public half stays published, its private half is deleted
    Retire {
        /// Its id
        kid: String,
        /// The last moment at which it signed [default: now, or its not_after]
        #[arg(long, value_name = "TIME")]
        at: Option<Time>,
    },
}

pub(crate) fn run(command: Command) -> Result<()> {
    let now = floor_micros(Clock::System.now());
    match command {
        Command::Create { not_before, not_after, days, print } => {
            let from = not_before.unwrap_or(now);
            let to = not_after.or(days.map(|days| from + chrono::Days::new(days.into())));
            ensure!(to.is_none_or(|to| to > from), "the key would end before it begins");
            let key = SigningKey::generate(rand::random()).valid(Some(from), to);
            if print {
                say::out(Keyring::text(std::slice::from_ref(&key)).trim_end());
            } else {
                add(&config::keys(config::environment())?, &key)?;
            }
            say::note(key.public().to_pem()?.trim_end());
            if !print {
                say::out(key.id());
            }
        }
        Command::List { json } => list(&config::keys(config::environment())?, json, now)?,
        Command::Retire { kid, at } => {
            retire(&config::keys(config::environment())?, &kid, at, now)?;
        }
    }
    Ok(())
}

fn file(signing: &Signing) -> Result<&Path> {
    match &signing.keys {
        Keys::File(file) => Ok(file),
        Keys::Text(_) => bail!(
            "the keys are in DRIFTWISE_SIGNING_KEY, which this program cannot change: add what `driftpack admin signing-key \
             create --print` prints; to retire a key, take it out, and put its entry of `list --json` with a not_after into \
             the file that DRIFTWISE_RETIRED_KEYS_FILE names"
        ),
    }
}

/// The ring, empty where there is no file yet.
fn ring(signing: &Signing) -> Result<Keyring> {
    if let Keys::File(file) = &signing.keys
        && !file.exists()
    {
        return Ok(Keyring::new(Vec::new(), retired(signing)?)?);
    }
    crate::keyring::read(signing)
}

fn retired(signing: &Signing) -> Result<PublicKeys> {
    signing::retired(signing.retired_file.as_deref())
        .map_err(|what| anyhow::anyhow!("DRIFTWISE_RETIRED_KEYS_FILE {what}"))
}

fn add(signing: &Signing, key: &SigningKey) -> Result<()> {
    let file = file(signing)?;
    let mut keys = ring(signing)?.signing().to_vec();
    keys.push(key.clone());
    private::write(file, Keyring::text(&keys).as_bytes())
}

fn list(signing: &Signing, json: bool, now: Time) -> Result<()> {
    let ring = ring(signing)?;
    if json {
        say::out(ring.published().render().trim_end());
        return Ok(());
    }
    let signs = ring.choose(&[now]).map(SigningKey::id);
    let mut rows = vec![["KEY", "STATE", "FROM", "TO"].map(str::to_owned).to_vec()];
    for key in ring.published().keys {
        let state = state(&ring, &key, signs.as_deref(), now);
        let from = key.not_before.map_or("always".to_owned(), stamp);
        let to = key.not_after.map_or("ever".to_owned(), stamp);
        rows.push(vec![key.kid, state.to_owned(), from, to]);
    }
    say::out(say::table(&rows));
    if signs.is_none() {
        say::note("no key is valid now: packs wait for one (driftpack admin signing-key create)");
    }
    Ok(())
}

fn state(ring: &Keyring, key: &PublicKey, signs: Option<&str>, now: Time) -> &'static str {
    if ring.retired().iter().any(|old| old.kid == key.kid) {
        "retired"
    } else if signs == Some(&key.kid) {
        "signs"
    } else if key.is_valid_at(now) {
        "valid"
    } else if key.not_before.is_some_and(|from| now < from) {
        "not yet"
    } else {
        "expired"
    }
}

fn retire(signing: &Signing, kid: &str, at: Option<Time>, now: Time) -> Result<()> {
    let (file, to) = (file(signing)?.to_owned(), retired_file(signing)?);
    let ring = ring(signing)?;
    let old = ring.signing().iter().find(|key| key.id() == kid);
    let old = old.with_context(|| format!("there is no key {kid} that could sign"))?.public();
    let rest: Vec<_> = ring.signing().iter().filter(|key| key.id() != kid).cloned().collect();
    let successor = Keyring::new(rest.clone(), PublicKeys::default())?;
    ensure!(
        successor.choose(&[now]).is_some(),
        "no other key is valid now, so packs would wait: create one first (driftpack admin signing-key create)"
    );
    let end = at.unwrap_or(now).min(old.not_after.unwrap_or(Time::MAX_UTC));
    ensure!(
        old.not_before.is_none_or(|from| from <= end),
        "the key began after that: one that never signed can simply be taken out of {}",
        file.display()
    );
    let mut list = retired(signing)?;
    list.keys.push(PublicKey { not_after: Some(end), ..old });
    private::write(&to, list.render().as_bytes())?;
    private::write(&file, Keyring::text(&rest).as_bytes())?;
    say::note(format!("{kid} signs no more; {} keeps it published", to.display()));
    Ok(())
}

fn retired_file(signing: &Signing) -> Result<PathBuf> {
    signing
        .retired_file
        .clone()
        .context("DRIFTWISE_RETIRED_KEYS_FILE is missing: the list of keys that sign no more")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> Time {
        format!("2026-03-{day:02}T00:00:00Z").parse().unwrap()
    }

    fn key(byte: u8, from: u32, to: u32) -> SigningKey {
        SigningKey::generate([byte; 32]).valid(Some(at(from)), Some(at(to)))
    }

    fn signing(folder: &Path) -> Signing {
        Signing {
            keys: Keys::File(folder.join("keys.pem")),
            retired_file: Some(folder.join("retired.json")),
            tsa_url: None,
        }
    }

    #[test]
    fn a_retired_key_is_published_with_its_end_and_its_private_half_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let signing = signing(folder.path());
        let (old, new) = (key(1, 1, 20), key(2, 8, 30));
        add(&signing, &old).unwrap();
        let alone = retire(&signing, &old.id(), None, at(9)).unwrap_err().to_string();
        assert!(alone.contains("create one first"), "{alone}");
        add(&signing, &new).unwrap();
        retire(&signing, &old.id(), None, at(9)).unwrap();
        let ring = ring(&signing).unwrap();
        assert_eq!(ring.signing().iter().map(SigningKey::id).collect::<Vec<_>>(), [new.id()]);
        let published = ring.published();
        assert_eq!(published.keys[1], PublicKey { not_after: Some(at(9)), ..old.public() });
        let text = std::fs::read_to_string(folder.path().join("keys.pem")).unwrap();
        assert!(!text.contains(&old.id()));
        assert!(retire(&signing, &old.id(), None, at(9)).is_err(), "it is gone");
    }

    #[test]
    fn every_key_is_listed_with_what_it_does_now() {
        let folder = tempfile::tempdir().unwrap();
        let signing = signing(folder.path());
        for key in [key(1, 1, 5), key(2, 2, 30), key(3, 3, 30), key(4, 20, 30)] {
            add(&signing, &key).unwrap();
        }
        let ring = ring(&signing).unwrap();
        let signs = ring.choose(&[at(9)]).map(SigningKey::id);
        let states: Vec<_> = ring
            .published()
            .keys
            .iter()
            .map(|key| state(&ring, key, signs.as_deref(), at(9)))
            .collect();
        assert_eq!(states, ["not yet", "signs", "valid", "expired"]);
    }
}
