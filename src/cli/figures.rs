//! Figures of what runs out: the room where packs lie, and the time in which there is a key to sign them with.
//!
//! Both change without anybody asking for anything, so they are looked at again and again.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bundle::keyring::Keyring;
use chrono::{DateTime, Utc};
use engine::Clock;
use metrics::{Unit, describe_gauge, gauge};
use tokio_util::sync::CancellationToken;
use workflows::Keys;

/// Room is used up by packs, which take longer than this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

const FREE: &str = "driftpack_storage_free_bytes";
const SIZE: &str = "driftpack_storage_size_bytes";
const KEY_END: &str = "driftpack_signing_key_end_timestamp_seconds";

/// Looks until asked to end. Storage that is no folder has as much room as is paid for, and no figure.
pub(crate) async fn keep(
    storage: storage::Options,
    keys: Keys,
    stop: CancellationToken,
) -> Result<()> {
    describe_gauge!(FREE, Unit::Bytes, "Room that is left where packs lie; only of a folder.");
    describe_gauge!(SIZE, Unit::Bytes, "The size of the file system in which they lie.");
    describe_gauge!(KEY_END, Unit::Seconds, "Until when there is a key to sign packs with.");
    loop {
        gauge!(KEY_END).set(covered_until(&keys.ring(), Clock::System.now()));
        if let storage::Options::Fs { root } = &storage
            && let Some((free, size)) = room(root.clone()).await
        {
            gauge!(FREE).set(free);
            gauge!(SIZE).set(size);
        }
        if stop.run_until_cancelled(Clock::System.sleep(LOOK_AGAIN)).await.is_none() {
            return Ok(());
        }
    }
}

/// Bytes that are left to this program, and bytes in all; none of a folder that is away, which readiness tells.
async fn room(root: PathBuf) -> Option<(f64, f64)> {
    let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&root)).await;
    let found = asked.ok()?.ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure need not be exact to the byte")]
    let bytes = |blocks: u64| blocks as f64 * found.f_frsize as f64;
    Some((bytes(found.f_bavail), bytes(found.f_blocks)))
}

/// The end of the time, in seconds since 1970, in which one key or the next can sign without a gap, from `now` on; infinite where a key has
/// no end, and `now` itself where none is valid.
fn covered_until(ring: &Keyring, now: DateTime<Utc>) -> f64 {
    let mut end = now;
    loop {
        let valid = ring.signing().iter().map(bundle::keys::SigningKey::public);
        let valid = valid.filter(|key| key.is_valid_at(end));
        // A key without an end comes last.
        let last = valid.map(|key| key.not_after.unwrap_or(DateTime::<Utc>::MAX_UTC)).max();
        match last {
            Some(last) if last == DateTime::<Utc>::MAX_UTC => return f64::INFINITY,
            Some(later) if later > end => end = later,
            #[expect(clippy::cast_precision_loss, reason = "exact for as long as anybody lives")]
            _ => return end.timestamp() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use bundle::keys::PublicKeys;

    use super::*;

    /// A ring of keys that are valid for these seconds.
    fn ring(validity: &[(i64, Option<i64>)]) -> Keyring {
        let at = |second: i64| DateTime::from_timestamp(second, 0).expect("a time");
        let text: Vec<String> = validity
            .iter()
            .zip(1..)
            .map(|((from, to), seed)| {
                let key = bundle::keys::SigningKey::generate([seed; 32]).to_pkcs8_pem();
                let end = to.map(|to| format!("not_after: {}\n", evidence::time::stamp(at(to))));
                let end = end.unwrap_or_default();
                format!("not_before: {}\n{end}{}", evidence::time::stamp(at(*from)), key.as_ref())
            })
            .collect();
        Keyring::parse(&text.concat(), PublicKeys::default()).expect("keys")
    }

    #[test]
    fn keys_that_follow_one_another_without_a_gap_count_as_one() {
        let end = |validity: &[(i64, Option<i64>)]| {
            covered_until(&ring(validity), DateTime::from_timestamp(100, 0).expect("a time"))
        };
        let close = |found: f64, wanted: f64| (found - wanted).abs() < 0.5;
        assert!(close(end(&[(0, Some(200))]), 200.0));
        assert!(close(end(&[(0, Some(200)), (150, Some(300)), (290, Some(400))]), 400.0));
        assert!(close(end(&[(0, Some(200)), (250, Some(300))]), 200.0), "a gap ends it");
        assert!(close(end(&[(0, Some(50)), (150, None)]), 100.0), "none is valid now");
        assert!(end(&[(0, Some(200)), (150, None)]).is_infinite());
    }

    #[tokio::test]
    async fn room_is_what_df_says_and_none_of_a_folder_that_is_away() {
        let out = std::process::Command::new("df")
            .args(["--block-size=1", "--output=size", "/"])
            .output()
            .expect("df is part of coreutils");
        let said = String::from_utf8(out.stdout).expect("digits");
        let wanted: f64 = said.lines().last().expect("a line").trim().parse().expect("a number");
        let (free, size) = room("/".into()).await.expect("the root is there");
        assert!((size - wanted).abs() < 0.5 && free <= size, "{free} {size} {wanted}");
        assert_eq!(room("/nowhere".into()).await, None);
    }
}
