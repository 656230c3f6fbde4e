//! Serving until told to stop.

use std::sync::Arc;
use std::time::Duration;

use poem::listener::TcpAcceptor;
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::auth::csrf::Guard;
use crate::listen::{Bounded, CONNECTIONS, STALLED};
use crate::request::Layer;
use crate::state::State;
use crate::{api, login, pages};

/// Longer than load balancers keep idle connections, so that they close first.
const IDLE: Duration = Duration::from_secs(75);
/// How long requests in flight may take to end; a large download is cut and can be continued.
const GRACE: Duration = Duration::from_secs(20);

/// Answers requests on `listener` until `stop`; requests in flight are answered.
pub async fn serve(
    state: Arc<State>,
    listener: TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let acceptor = Bounded::new(TcpAcceptor::from_tokio(listener)?, CONNECTIONS, STALLED);
    let server = Server::new_with_acceptor(acceptor).idle_timeout(IDLE);
    server.run_with_graceful_shutdown(app(state), stop.cancelled_owned(), Some(GRACE)).await
}

/// What a process that answers nobody else shows: that it lives, whether it can work, its figures.
const SIGNS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Answers [`SIGNS`] on `listener` until `stop`, and nothing else: for workers.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_signs(
    state: Arc<State>,
    listener: TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let acceptor = Bounded::new(TcpAcceptor::from_tokio(listener)?, CONNECTIONS, STALLED);
    let api = Route::new().nest("/", api::service().into_endpoint().around(signs_only));
    let server = Server::new_with_acceptor(acceptor).idle_timeout(IDLE);
    server
        .run_with_graceful_shutdown(api.with(Layer(state)), stop.cancelled_owned(), Some(GRACE))
        .await
}

async fn signs_only<E: Endpoint>(api: Arc<E>, request: Request) -> poem::Result<Response> {
    if !SIGNS.contains(&request.uri().path()) {
        return Err(poem::error::NotFoundError.into());
    }
    Ok(api.call(request).await?.into_response())
}

/// What lies at the root is the API's, but for the root itself.
async fn home_or_api<E: Endpoint>(api: Arc<E>, request: Request) -> poem::Result<Response> {
    if request.uri().path() == "/" {
        return pages::home(request).await;
    }
    Ok(api.call(request).await?.into_response())
}

/// Everything that is served.
pub(crate) fn app(state: Arc<State>) -> impl Endpoint<Output = Response> + 'static {
    pages::route(login::route(Route::new()))
        .nest("/", api::service().into_endpoint().around(home_or_api))
        .with(Guard(Arc::clone(&state)))
        .with(Layer(state))
}
