//! A certified OpenID provider (npm `oidc-provider`) as a process, with a driftpack that trusts it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::app::{App, Options, Person};
use crate::cluster::free_port;
use crate::http::{Client, send};
use crate::setting;

/// As `provider.mjs` knows it.
pub const CLIENT: (&str, &str) = ("packs", "a secret: with % and +");
/// The secret that the same client gets by `second-secret`.
pub const SECOND_SECRET: &str = "another secret: with / and =";
/// Another client of the same provider.
pub const OTHER_CLIENT: (&str, &str) = ("other", "other-secret");

/// One provider; it ends with the value.
pub struct Provider {
    pub issuer: String,
    http: Client,
    process: Child,
    /// Held open: a process that cannot say what it wants to say ends.
    _out: BufReader<ChildStdout>,
}

impl Provider {
    /// Starts it for the driftpack at `base`.
    ///
    /// # Panics
    /// When it does not say that it listens.
    pub fn start(base: &str) -> Self {
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .args([&port.to_string(), base])
            .current_dir(setting::oidc_provider())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed by the project's set-up");
        let mut said = String::new();
        let mut out = BufReader::new(process.stdout.take().expect("it is piped"));
        out.read_line(&mut said).expect("the provider speaks UTF-8");
        assert_eq!(said.trim(), format!("listening on {issuer}"));
        Self { http: Client::new(&issuer), issuer, process, _out: out }
    }

    /// The provider, and a driftpack whose people come from it: `owner@acme.example` and so on, in `acme`.
    pub async fn with_app() -> (Self, App) {
        Self::with_app_of(Options::default()).await
    }

    /// The same with other options.
    pub async fn with_app_of(mut options: Options) -> (Self, App) {
        let port = free_port();
        let provider = Self::start(&format!("http://127.0.0.1:{port}"));
        options.settings.extend([
            ("DRIFTWISE_OIDC_ISSUER", provider.issuer.clone()),
            ("DRIFTWISE_OIDC_CLIENT_ID", CLIENT.0.to_owned()),
            ("DRIFTWISE_OIDC_CLIENT_SECRET", CLIENT.1.to_owned()),
        ]);
        options.port = Some(port);
        let app = App::start_with(options).await;
        for algorithm in ["RS256", "ES256", "EdDSA"] {
            app.add_member("acme", &machine(algorithm), Person::Member);
        }
        (provider, app)
    }

    /// An access token of a machine, signed with this algorithm.
    pub async fn token(&self, algorithm: &str) -> String {
        let body = "grant_type=client_credentials&scope=api";
        let tokens = self.ask_token((&machine(algorithm), "machine-secret"), body).await;
        tokens["access_token"].as_str().expect("an access token").to_owned()
    }

    /// What the token endpoint answers to this form.
    pub async fn ask_token(&self, (id, secret): (&str, &str), form: &str) -> Value {
        let request = self
            .http
            .request(reqwest::Method::POST, "/token", "")
            .basic_auth(id, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        send(request).await.expect(200)
    }

    /// Does what `provider.mjs` lists, such as `rotate`, `hang`, `second-secret`, `asked`; gives how often its keys were asked for.
    pub async fn control(&self, what: &str) -> u64 {
        let answer = self.http.post(&format!("/control/{what}"), "", &Value::Null).await;
        answer.expect(200)["asked"].as_u64().expect("a number")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The subject of a machine that gets its tokens by itself.
fn machine(algorithm: &str) -> String {
    format!("machine-{algorithm}")
}
