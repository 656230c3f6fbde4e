//! Who people are: the identity provider, what its tokens must be, and how long browsers stay signed in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use server::oidc::{self, Algorithm, Client};

use super::{Environment, Secret, Source};

/// Who signs the tokens of people, and which of them count.
#[derive(Debug, Clone)]
pub(crate) struct Oidc {
    pub(crate) issuer: Issuer,
    /// One of an access token's `aud`.
    pub(crate) audiences: Vec<String>,
    /// Clients whose access tokens count; empty: all.
    pub(crate) clients: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    /// How far clocks may differ.
    pub(crate) leeway: Duration,
    /// The claims that hold the e-mail address, whether it is verified, and the name.
    pub(crate) email_claim: String,
    pub(crate) email_verified_claim: String,
    pub(crate) name_claim: String,
    pub(crate) email_trust: EmailTrust,
    /// Absent: nobody signs in with a browser, but with the embedded issuer.
    pub(crate) browser: Option<Browser>,
    pub(crate) session_idle: Duration,
    pub(crate) session_whole: Duration,
}

/// The identity provider.
#[derive(Debug, Clone)]
pub(crate) enum Issuer {
    /// Somebody else's; the text is exactly the tokens' `iss`.
    Foreign(String),
    /// The one of the development set-up: part of the same process, refused in production.
    Embedded {
        /// Where it listens; `None`: on a free port that is written down beside the key.
        listen: Option<SocketAddr>,
        /// Its private key, made on first use.
        key_file: PathBuf,
    },
}

/// Which addresses of the issuer count as a person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmailTrust {
    /// Those that it calls verified.
    Verified,
    /// All: right where people cannot choose their address themselves.
    All,
}

impl EmailTrust {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::All => "all",
        }
    }
}

impl FromStr for EmailTrust {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "verified" => Ok(Self::Verified),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// This service as the identity provider knows it.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) scopes: String,
}

/// Clocks that differ by more than this are broken; believing tokens for longer would hide it.
const LEEWAY_MAX_SECONDS: u64 = 300;

pub(super) fn read(source: &mut Source, environment: Environment) -> Oidc {
    let claim = |source: &mut Source, name, default: &str| {
        source.find(name).unwrap_or_else(|| default.to_owned())
    };
    Oidc {
        issuer: issuer(source, environment),
        audiences: list(source, "oidc_audience").unwrap_or_else(|| vec!["driftpack".to_owned()]),
        clients: list(source, "oidc_clients").unwrap_or_default(),
        algorithms: algorithms(source),
        leeway: leeway(source),
        email_claim: claim(source, "oidc_email_claim", "email"),
        email_verified_claim: claim(source, "oidc_email_verified_claim", "email_verified"),
        name_claim: claim(source, "oidc_name_claim", "name"),
        email_trust: source.parse("oidc_email_trust", EmailTrust::Verified, "`verified` or `all`"),
        browser: browser(source),
        session_idle: minutes(source, "session_idle_minutes", 60),
        session_whole: minutes(source, "session_minutes", 12 * 60),
    }
}

/// Separated by commas. A setting that is there and names nothing is a fault.
fn list(source: &mut Source, name: &'static str) -> Option<Vec<String>> {
    let text = source.find(name)?;
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(str::to_owned).collect();
    if words.is_empty() {
        source.fault(name, "names nothing; separate what it names by commas");
    }
    Some(words)
}

fn algorithms(source: &mut Source) -> Vec<Algorithm> {
    let Some(names) = list(source, "oidc_algorithms") else { return oidc::ALGORITHMS.to_vec() };
    let known: Option<Vec<_>> = names.iter().map(|name| oidc::algorithm(name)).collect();
    known.unwrap_or_else(|| {
        let all = oidc::ALGORITHMS.map(|algorithm| format!("{algorithm:?}")).join(", ");
        let what = format!("must be some of {all}: those whose keys an issuer can publish");
        source.fault("oidc_algorithms", what);
        Vec::new()
    })
}

fn leeway(source: &mut Source) -> Duration {
    let seconds =
        source.parse("oidc_leeway_seconds", oidc::LEEWAY.as_secs(), "a number of seconds");
    if seconds > LEEWAY_MAX_SECONDS {
        let what = format!("must be {LEEWAY_MAX_SECONDS} or less; set the clocks right instead");
        source.fault("oidc_leeway_seconds", what);
    }
    Duration::from_secs(seconds)
}

fn minutes(source: &mut Source, name: &'static str, default: u32) -> Duration {
    /// A year; nobody means more.
    const MINUTES_MAX: u32 = 366 * 24 * 60;
    let minutes = source.parse(name, default, "a number of minutes");
    if minutes == 0 || minutes > MINUTES_MAX {
        source.fault(name, format!("must be between 1 and {MINUTES_MAX} minutes"));
    }
    Duration::from_secs(60 * u64::from(minutes))
}

fn browser(source: &mut Source) -> Option<Browser> {
    let client_id = source.find("oidc_client_id");
    let client_secret = source.find("oidc_client_secret").map(Secret::new);
    let scopes = source.find("oidc_scopes").unwrap_or_else(|| Client::SCOPES.to_owned());
    if !scopes.split(' ').any(|scope| scope == "openid") {
        source.fault("oidc_scopes", "must have `openid` among them, separated by spaces");
    }
    if client_id.is_none() && client_secret.is_some() {
        source.fault("oidc_client_id", "is missing: OIDC_CLIENT_SECRET belongs to a client");
    }
    Some(Browser { client_id: client_id?, client_secret, scopes })
}

/// A foreign issuer where one is named; else, and in development only, the embedded one.
fn issuer(source: &mut Source, environment: Environment) -> Issuer {
    let foreign = source.find("oidc_issuer");
    let listen: Option<SocketAddr> = source
        .find_parsed("dev_issuer_listen", "a loopback address and a port, such as 127.0.0.1:8421");
    let beside_key = source
        .find("signing_key_file")
        .map(|file| PathBuf::from(file).with_file_name("dev-issuer.pem"));
    let key_file = source
        .find("dev_issuer_key_file")
        .map(PathBuf::from)
        .or(beside_key)
        .unwrap_or_else(|| "dev-issuer.pem".into());
    if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        source.fault("dev_issuer_listen", "must be a loopback address: its tokens are for trials");
    }
    if environment == Environment::Production {
        if listen.is_some() {
            source.fault(
                "dev_issuer_listen",
                "is refused in production: the development issuer knows no passwords",
            );
        }
        if foreign.as_ref().is_some_and(|issuer| !issuer.starts_with("https://")) {
            source.fault("oidc_issuer", "must begin with https:// in production");
        }
        let purpose =
            "the `iss` of your identity provider, whose /.well-known/openid-configuration is read";
        return Issuer::Foreign(source.require("oidc_issuer", purpose));
    }
    if foreign.is_some() && listen.is_some() {
        source.fault("dev_issuer_listen", "and DRIFTWISE_OIDC_ISSUER exclude each other: set one");
    }
    foreign.map_or(Issuer::Embedded { listen, key_file }, Issuer::Foreign)
}
