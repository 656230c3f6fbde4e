//! `driftpack export`: asks for a Compliance Pack, waits for it, downloads it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::client::Target;
use crate::{pack, say};

/// Request a Compliance Pack, follow its progress, download it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftpack export --org acme --from 2026-01-01 --to 2026-04-01
  driftpack export --org acme --from 2026-01-01T00:00:00Z --to 2026-02-15T12:00:00Z --out packs/

The period is half-open and in UTC: --from is inside, --to is not. A date means its first moment.
Needs the token of an owner or admin; API keys may not request packs.")]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The organisation, by slug or id
    #[arg(long)]
    org: String,
    /// Start of the period: a date or an RFC 3339 time
    #[arg(long, value_parser = moment)]
    from: DateTime<Utc>,
    /// End of the period, exclusive: a date or an RFC 3339 time
    #[arg(long, value_parser = moment)]
    to: DateTime<Utc>,
    /// The folder for the ZIP
    #[arg(short, long, default_value = ".")]
    out: PathBuf,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let client = args.target.client()?;
    let org = client.org(&args.org).await?;
    let fetched = pack::fetch(&client, org, (args.from, args.to), &args.out).await?;
    if fetched.row["pdf_included"] == false {
        say::note("summary.pdf is not in it: the service prints none");
    }
    say::note(format!(
        "{} bytes; check it with: driftpack verify {}",
        fetched.size_bytes,
        fetched.file.display()
    ));
    say::out(fetched.file.display());
    Ok(ExitCode::SUCCESS)
}

/// A date (its first moment in UTC) or an RFC 3339 time.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
        "give a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z".to_owned()
    })?;
    Ok(time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_means_its_first_moment_and_offsets_become_utc() {
        let read = |text| moment(text).map(|time| time.to_rfc3339());
        assert_eq!(read("2026-01-31").as_deref(), Ok("2026-01-31T00:00:00+00:00"));
        assert_eq!(read("2026-01-31T01:00:00+02:00").as_deref(), Ok("2026-01-30T23:00:00+00:00"));
        assert!(read("January").is_err());
    }
}
