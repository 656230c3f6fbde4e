//! A browser as far as signing in goes: it keeps cookies by host and path, follows redirects, and fills in forms.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};

use crate::http::{Answer, send};

/// One browser.
#[derive(Clone)]
pub struct Visitor {
    http: Client,
    /// By host and port, then by name and path.
    jar: BTreeMap<String, BTreeMap<(String, String), String>>,
}

/// Where a browser has come to.
#[derive(Debug)]
pub struct Place {
    pub address: Url,
    pub answer: Answer,
}

impl Place {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.answer.body).into_owned()
    }

    /// What stands between two texts of the page.
    ///
    /// # Panics
    /// When it does not.
    pub fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
        found.unwrap_or_else(|| panic!("{before}…{after} is not in {text}")).0.to_owned()
    }
}

impl Default for Visitor {
    fn default() -> Self {
        Self::new()
    }
}

impl Visitor {
    /// # Panics
    /// Never: the client's settings are constant.
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .build()
            .expect("the client's settings are constant");
        Self { http, jar: BTreeMap::new() }
    }

    /// A request with the cookies of its address.
    pub fn request(&self, method: Method, address: &Url) -> RequestBuilder {
        let cookies = self.jar.get(&host(address)).into_iter().flatten();
        let cookies: Vec<_> = cookies
            .filter(|((_, path), _)| address.path().starts_with(path))
            .map(|((name, _), value)| format!("{name}={value}"))
            .collect();
        let request = self.http.request(method, address.clone());
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// The value of a cookie that was set by the host of this address.
    pub fn cookie(&self, address: &str, name: &str) -> Option<String> {
        let cookies = self.jar.get(&host(&address.parse().expect("an address")))?;
        let mut all = cookies.iter();
        all.find(|((found, _), _)| found == name).map(|(_, value)| value.clone())
    }

    /// Lets another server have the cookies of one, as both have behind one address.
    pub fn carry(&mut self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|text| host(&text.parse().expect("an address")));
        let cookies = self.jar.get(&from).cloned().unwrap_or_default();
        self.jar.entry(to).or_default().extend(cookies);
    }

    /// Opens an address and goes wherever it leads, but not below `stop_at`.
    ///
    /// # Panics
    /// When it leads nowhere in the end.
    pub async fn open(&mut self, address: &str, stop_at: Option<&str>) -> Place {
        let mut address: Url = address.parse().expect("an address");
        for _ in 0..20 {
            let answer = send(self.request(Method::GET, &address)).await;
            self.keep(&address, &answer);
            let to = answer.header("location").to_owned();
            if to.is_empty() {
                return Place { address, answer };
            }
            address = address.join(&to).expect("an address");
            if stop_at.is_some_and(|stop| address.as_str().starts_with(stop)) {
                return Place { address, answer };
            }
        }
        panic!("too many redirects, the last one to {address}");
    }

    /// Sends a form as a page of `address` itself would, and goes wherever it leads.
    pub async fn submit(
        &mut self,
        address: &str,
        form: &[(&str, &str)],
        stop_at: Option<&str>,
    ) -> Place {
        let address: Url = address.parse().expect("an address");
        let mut body = address.clone();
        body.query_pairs_mut().clear().extend_pairs(form);
        let request = self
            .request(Method::POST, &address)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", address.origin().ascii_serialization())
            .body(body.query().unwrap_or_default().to_owned());
        let answer = send(request).await;
        self.keep(&address, &answer);
        let to = answer.header("location").to_owned();
        if to.is_empty() {
            return Place { address, answer };
        }
        let to = address.join(&to).expect("an address");
        if stop_at.is_some_and(|stop| to.as_str().starts_with(stop)) {
            return Place { address: to, answer };
        }
        Box::pin(self.open(to.as_str(), stop_at)).await
    }

    /// Signs in at the page of `oidc-provider` and consents; where that leads.
    pub async fn sign_in_as(&mut self, name: &str, at: &Place, stop_at: Option<&str>) -> Place {
        let action = at.between("action=\"", "\"");
        let form = [("prompt", "login"), ("login", name), ("password", "x")];
        let consent = self.submit(&action, &form, None).await;
        let action = consent.between("action=\"", "\"");
        self.submit(&action, &[("prompt", "consent")], stop_at).await
    }

    fn keep(&mut self, address: &Url, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().expect("cookies are plain text");
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
            let attributes: Vec<_> =
                parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
            let find = |wanted: &str| {
                let mut all = attributes.iter();
                all.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
            };
            let is_over = value.is_empty()
                || find("max-age") == Some("0")
                || find("expires").is_some_and(|date| date.contains("1970"));
            let jar = self.jar.entry(host(address)).or_default();
            let key = (name.to_owned(), find("path").unwrap_or("/").to_owned());
            if is_over {
                jar.remove(&key);
            } else {
                jar.insert(key, value.to_owned());
            }
        }
    }
}

fn host(address: &Url) -> String {
    format!(
        "{}:{}",
        address.host_str().unwrap_or_default(),
        address.port_or_known_default().unwrap_or_default()
    )
}
