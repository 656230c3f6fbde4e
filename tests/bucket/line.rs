//! The line to an object store: HTTP that a test can disturb and look at.
//!
//! It runs on a thread of its own, so that it answers while a test blocks. Rules are tried in order; the first that fits a request
//! and has not worn out decides.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, BodyStream, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

type Error = std::io::Error;
type Answer = Response<BoxBody<Bytes, Error>>;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is refused with this status, unread.
    Status(u16),
    /// It is carried out after this time.
    Slow(Duration),
    /// The connection ends when so many bytes of its body have come; nothing is carried out.
    CutRequest(usize),
    /// The connection ends when so many bytes of the answer's body have gone.
    CutAnswer(usize),
    /// It is carried out, and the connection ends before the answer.
    LoseAnswer,
    /// Bytes of the answer's body are changed.
    Garble,
}

/// When a fault happens.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Only for requests with this method.
    pub method: Option<Method>,
    /// Only for requests whose path and query contain this.
    pub contains: &'static str,
    pub fault: Fault,
    /// Every how many of these requests: 1 is each.
    pub every: usize,
    /// How often it happens before it has worn out.
    pub times: usize,
}

impl Rule {
    /// `fault` for each request, for ever.
    pub fn always(fault: Fault) -> Self {
        Self { method: None, contains: "", fault, every: 1, times: usize::MAX }
    }

    /// `fault` for the next `times` requests with `method` whose path and query contain `contains`.
    pub fn next(times: usize, method: Method, contains: &'static str, fault: Fault) -> Self {
        Self { method: Some(method), contains, fault, every: 1, times }
    }

    /// `fault` for every nth request, for ever.
    pub fn every(every: usize, fault: Fault) -> Self {
        Self { every, ..Self::always(fault) }
    }

    fn fits(&self, request: &Request<Incoming>) -> bool {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        self.times > 0
            && self.method.as_ref().is_none_or(|method| method == request.method())
            && target.contains(self.contains)
    }
}

/// A request that came along the line.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: hyper::HeaderMap,
}

#[derive(Default)]
struct Log {
    /// With each rule, how many requests it fitted.
    rules: Vec<(Rule, usize)>,
    seen: Vec<Seen>,
    faults: usize,
}

/// The line itself; it ends with the value.
pub struct Line {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    /// Ends the thread when dropped.
    _open: oneshot::Sender<Infallible>,
}

const NO_BUCKET: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";

/// What is at the other end.
#[derive(Clone)]
pub(crate) enum Far {
    /// With the folder of its bucket: s3s-fs makes a bucket that is missing, S3 says so.
    S3(S3Service, PathBuf),
    /// `http://host:port`, and a client to reach it.
    Server(String, reqwest::Client),
}

impl Line {
    pub(crate) fn start(far: Far) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let (open, closed) = oneshot::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        listener.set_nonblocking(true).expect("a socket can be used without blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be built");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("the socket is good");
                tokio::select! {
                    () = accept(listener, far, shared) => {}
                    _ = closed => {}
                }
            });
        });
        Self { address, log, _open: open }
    }

    /// A line to the server at `url`, which need not answer yet.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub fn to(url: &str) -> Self {
        Self::start(Far::Server(url.to_owned(), client()))
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts `rules` in the place of those before.
    pub fn disturb(&self, rules: impl IntoIterator<Item = Rule>) {
        lock(&self.log).rules = rules.into_iter().map(|rule| (rule, 0)).collect();
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.disturb([]);
    }

    /// How many faults have happened.
    pub fn faults(&self) -> usize {
        lock(&self.log).faults
    }

    /// What was asked, in order; it is forgotten with this.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.log).seen)
    }
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, far: Far, log: Arc<Mutex<Log>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(socket, far.clone(), Arc::clone(&log)));
    }
}

async fn serve(socket: TcpStream, far: Far, log: Arc<Mutex<Log>>) {
    let service = service_fn(|request| {
        let (far, fault) = (far.clone(), note(&log, &request));
        async move { carry(&far, request, fault).await }
    });
    // An error is a fault that was asked for, or a caller who has hung up.
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let _ended = connection.await;
}

fn note(log: &Mutex<Log>, request: &Request<Incoming>) -> Option<Fault> {
    let mut log = lock(log);
    log.seen.push(Seen {
        method: request.method().clone(),
        target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: request.headers().clone(),
    });
    let fault =
        log.rules.iter_mut().filter(|(rule, _)| rule.fits(request)).find_map(|(rule, count)| {
            *count += 1;
            let happens = (*count).is_multiple_of(rule.every);
            rule.times -= usize::from(happens);
            happens.then_some(rule.fault)
        });
    log.faults += usize::from(fault.is_some());
    fault
}

async fn carry(
    far: &Far,
    request: Request<Incoming>,
    fault: Option<Fault>,
) -> Result<Answer, Error> {
    match fault {
        None => far.answer(request).await,
        Some(Fault::Status(status)) => {
            let mut refusal = Response::new(Empty::new().map_err(never).boxed());
            *refusal.status_mut() = StatusCode::from_u16(status).map_err(Error::other)?;
            Ok(refusal)
        }
        Some(Fault::Slow(time)) => {
            let _over = tokio::time::timeout(time, future::pending::<()>()).await;
            far.answer(request).await
        }
        Some(Fault::CutRequest(bytes)) => {
            let mut body = BodyStream::new(request.into_body());
            let mut come = 0;
            while come < bytes
                && let Some(frame) = body.try_next().await.map_err(Error::other)?
            {
                come += frame.data_ref().map_or(0, Bytes::len);
            }
            Err(Error::other("the request was cut off"))
        }
        Some(Fault::CutAnswer(bytes)) => {
            Ok(far.answer(request).await?.map(|body| streamed(cut(BodyStream::new(body), bytes))))
        }
        Some(Fault::LoseAnswer) => {
            far.answer(request).await?;
            Err(Error::other("the answer was lost"))
        }
        Some(Fault::Garble) => {
            let garble = |frame: Frame<Bytes>| {
                frame.map_data(|bytes| bytes.iter().map(|byte| !byte).collect::<Vec<_>>().into())
            };
            let answer = far.answer(request).await?;
            Ok(answer.map(|body| streamed(BodyStream::new(body).map_ok(garble))))
        }
    }
}

/// The first `bytes` of a body, and then an error.
fn cut(
    body: impl Stream<Item = Result<Frame<Bytes>, Error>>,
    bytes: usize,
) -> impl Stream<Item = Result<Frame<Bytes>, Error>> {
    let mut left = bytes;
    body.map(move |frame| {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { return Ok(frame) };
        if left == 0 {
            return Err(Error::other("the answer was cut off"));
        }
        let data = data.slice(..data.len().min(left));
        left -= data.len();
        Ok(Frame::data(data))
    })
}

fn streamed(
    body: impl Stream<Item = Result<Frame<Bytes>, Error>> + Send + Sync + 'static,
) -> BoxBody<Bytes, Error> {
    BoxBody::new(StreamBody::new(body))
}

fn never(never: Infallible) -> Error {
    match never {}
}

impl Far {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Error> {
        match self {
            Self::S3(_, bucket) if !bucket.is_dir() => {
                let mut refusal = Response::new(Full::from(NO_BUCKET).map_err(never).boxed());
                *refusal.status_mut() = StatusCode::NOT_FOUND;
                Ok(refusal)
            }
            Self::S3(service, _) => {
                let answer = service.call(request.map(s3s::Body::from)).await;
                let answer = answer.map_err(|error| Error::other(format!("{error:?}")))?;
                Ok(answer
                    .map(|body| BoxBody::new(http_body_util::BodyExt::map_err(body, Error::other))))
            }
            Self::Server(to, client) => forward(to, client, request).await,
        }
    }
}

/// A client that goes straight to where it is sent.
pub(crate) fn client() -> reqwest::Client {
    // Whoever comes second finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build();
    client.expect("the client's settings are constant")
}

async fn forward(
    to: &str,
    client: &reqwest::Client,
    request: Request<Incoming>,
) -> Result<Answer, Error> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let body = body.collect().await.map_err(Error::other)?.to_bytes();
    let asked = client.request(parts.method, format!("{to}{target}")).headers(parts.headers);
    let answer = asked.body(body).send().await.map_err(Error::other)?;
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    response.headers_mut().remove(hyper::header::TRANSFER_ENCODING);
    let bytes = answer.bytes().await.map_err(Error::other)?;
    Ok(response.map(|()| Full::new(bytes).map_err(never).boxed()))
}
