//! A browser as far as signing in goes: it keeps cookies by host, and goes where it is sent when the test says so.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use url::Url;

use super::harness::{Answer, send};

/// One browser.
pub(super) struct Visitor {
    http: Client,
    /// By host and port, then by name.
    jar: BTreeMap<String, BTreeMap<String, String>>,
}

impl Visitor {
    pub(super) fn new() -> Self {
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { http, jar: BTreeMap::new() }
    }

    /// A request with the cookies of its address.
    pub(super) fn request(&self, method: Method, address: &str) -> RequestBuilder {
        let cookies = self.jar.get(&host(address)).into_iter().flatten();
        let cookies: Vec<_> = cookies.map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, address);
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    /// Opens an address; does not follow where it leads.
    pub(super) async fn open(&mut self, address: &str) -> Answer {
        let answer = send(self.request(Method::GET, address)).await;
        self.keep(address, &answer);
        answer
    }

    /// Sends a form as a page of `address` itself would.
    pub(super) async fn post(&mut self, address: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .request(Method::POST, address)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", Url::parse(address).unwrap().origin().ascii_serialization())
            .header("sec-fetch-site", "same-origin")
            .body(body);
        let answer = send(request).await;
        self.keep(address, &answer);
        answer
    }

    /// Chooses a person on the page of the development issuer that `address` shows; where the browser is sent then.
    pub(super) async fn choose(&mut self, address: &str, email: &str) -> String {
        let page = self.open(address).await;
        assert_eq!(page.status, 200, "{page:?}");
        let url = Url::parse(address).unwrap();
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("email".to_owned(), email.to_owned()));
        let form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut desk = url.clone();
        desk.set_query(None);
        let answer = self.post(desk.as_str(), &form).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").to_owned()
    }

    /// Signs in at the driftpack at `base`; where the browser is sent in the end.
    pub(super) async fn sign_in(&mut self, base: &str, email: &str) -> String {
        let begun = self.open(&format!("{base}/login")).await;
        assert_eq!(begun.status, 303, "{begun:?}");
        let callback = self.choose(begun.header("location"), email).await;
        let done = self.open(&callback).await;
        assert_eq!(done.status, 303, "{done:?}");
        done.header("location").to_owned()
    }

    pub(super) fn cookie(&self, base: &str, name: &str) -> Option<&str> {
        self.jar.get(&host(base))?.get(name).map(String::as_str)
    }

    pub(super) fn set_cookie(&mut self, base: &str, name: &str, value: &str) {
        self.jar.entry(host(base)).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// The token in the form of the page that signs out.
    pub(super) async fn csrf_token(&mut self, base: &str) -> String {
        let page = self.open(&format!("{base}/logout")).await;
        let text = String::from_utf8(page.body).unwrap();
        let (_, rest) = text.split_once("name=\"csrf_token\" value=\"").expect("a form");
        rest.split_once('"').unwrap().0.to_owned()
    }

    fn keep(&mut self, address: &str, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let jar = self.jar.entry(host(address)).or_default();
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn host(address: &str) -> String {
    let url = Url::parse(address).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap())
}
