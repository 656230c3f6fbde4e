//! `driftpack serve`, `worker`, `all`: the parts of the service, together or apart.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use engine::Worker;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::compose::Base;
use crate::config::{self, Config, Issuer};
use crate::issuer::Embedded;
use crate::{figures, keyring, shutdown, telemetry};

/// Which parts this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Api,
    Worker,
    Both,
}

/// Runs until asked to end, or until a part fails.
pub(crate) async fn run(parts: Parts) -> Result<ExitCode> {
    let config = Config::load(config::environment())?;
    let traces = telemetry::start(&config)?;
    for name in &config.unknown {
        tracing::warn!(name, "this variable is no setting of the program; is it misspelt?");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let stop = shutdown::on_signal().context("signals cannot be handled")?;
    let base = Base::of(&config, parts != Parts::Api).await?;
    let mut tasks = JoinSet::new();
    if parts != Parts::Worker {
        serve(&config, &base, &stop, &mut tasks).await?;
    }
    if parts != Parts::Api {
        work(&config, &base, &stop, &mut tasks)?;
    }
    if let (Parts::Worker, Some(address)) = (parts, config.worker_listen) {
        let state = Arc::new(server::State::for_signs(base.parts(&config)?));
        let listener = listen(address, "DRIFTWISE_WORKER_LISTEN").await?;
        tracing::info!(address = %listener.local_addr()?, "the worker shows that it lives");
        let stop = stop.clone();
        tasks.spawn(async move {
            server::serve_signs(state, listener, stop).await.context("the worker's signs failed")
        });
    }
    tasks.spawn(keyring::keep(base.keys.clone(), config.signing.clone(), stop.clone()));
    tasks.spawn(figures::keep(config.storage.clone(), base.keys.clone(), stop.clone()));
    let ended = until_all_end(&stop, tasks).await;
    if let Some(chromium) = &base.renderer {
        chromium.close().await;
    }
    base.pool.close().await;
    traces.finish().await;
    ended.map(|()| ExitCode::SUCCESS)
}

async fn serve(
    config: &Config,
    base: &Base,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<()> {
    if let Issuer::Embedded { .. } = config.oidc.issuer {
        let embedded = Embedded::of(config)?;
        let (issuer, listener) =
            (embedded.service()?, listen(embedded.listen, "DRIFTWISE_DEV_ISSUER_LISTEN").await?);
        tracing::info!(issuer = embedded.name(), "the development issuer answers");
        let stop = stop.clone();
        tasks.spawn(async move {
            issuer.serve(listener, stop).await.context("the development issuer failed")
        });
    }
    let state = Arc::new(server::State::new(base.parts(config)?));
    let listener = listen(config.listen, "DRIFTWISE_LISTEN").await?;
    tracing::info!(address = %listener.local_addr()?, base_url = %config.base_url, "the API answers");
    let stop = stop.clone();
    tasks
        .spawn(async move { server::serve(state, listener, stop).await.context("the API failed") });
    Ok(())
}

async fn listen(address: std::net::SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set {setting} to a free address"))
}

fn work(
    config: &Config,
    base: &Base,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let builder = Worker::builder(base.pool.clone(), Arc::new(base.ports(config)))
        .program(format!("driftpack {}", env!("CARGO_PKG_VERSION")))
        .concurrency(config.worker_concurrency)
        .lease(config.worker_lease)
        .join(telemetry::join);
    let worker = workflows::register(builder).build().context("the worker cannot be set up")?;
    tracing::info!(
        concurrency = config.worker_concurrency,
        pdf = base.renderer.is_some(),
        "the worker takes runs"
    );
    let stop = stop.clone();
    tasks.spawn(async move { worker.run(stop).await.context("the worker failed") });
    Ok(())
}

/// Waits for every part; when one ends by itself the others are asked to end, too. The first failure is the answer.
async fn until_all_end(stop: &CancellationToken, mut tasks: JoinSet<Result<()>>) -> Result<()> {
    let mut answer = Ok(());
    while let Some(ended) = tasks.join_next().await {
        stop.cancel();
        let ended = ended.context("a part of the service panicked").flatten();
        if let Err(error) = ended {
            tracing::error!(error = format!("{error:#}"), "a part of the service ended");
            answer = answer.and(Err(error));
        }
    }
    answer
}
