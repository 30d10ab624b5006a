//! The program: it parses the arguments, builds the clients and runs a subcommand. No other module
//! ends the process.

use std::{
    error::Error, io::Write, os::unix::ffi::OsStrExt, process::ExitCode, sync::Arc, time::Duration,
};

use clap::Parser;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use oxen_operator::{
    api, authorities,
    causes::with_causes,
    check::check,
    config::{Cli, Command, Config, CustomResource},
    controller::{self, Context},
    hub, keep,
    leader::Candidate,
    metrics::{Metrics, time_zones},
    readiness::Readiness,
    runtime,
    schedule::schedule,
    serve,
    shutdown::cancel_on_signals,
    telemetry,
};
use tokio::{task::JoinError, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    match runtime::block_on(execute(command)).unwrap_or_else(|error| Err(error.into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = with_causes(&*error);
            let _ = writeln!(std::io::stderr(), "oxen-operator: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<(), BoxError> {
    match command {
        Command::Crd(args) => print_crd(args.resource),
        Command::Check(args) => print(&check(&args, api_key()).await?),
        Command::Schedule(args) => {
            let now = Timestamp::from_second(Timestamp::now().as_second())?;
            print(&schedule(&args, now)?)
        }
        Command::Keep(args) => {
            telemetry::init(args.log_format());
            let settings = args.check()?;
            let client = kube_client(Duration::ZERO, keep::REQUEST_TIMEOUT).await?;
            let shutdown = CancellationToken::new();
            cancel_on_signals(shutdown.clone())?;
            Ok(keep::run(client, &settings, &shutdown).await?)
        }
        Command::Run(args) => {
            telemetry::init(args.log_format());
            run(args.check(api_key().as_deref())?).await
        }
    }
}

/// The operator's own API key. It has no flag, because every process can read the arguments of
/// others.
fn api_key() -> Option<Vec<u8>> {
    let key = std::env::var_os("OXEN_API_KEY")?;
    Some(key.as_bytes().to_vec())
}

fn print_crd(resource: CustomResource) -> Result<(), BoxError> {
    let crd = match resource {
        CustomResource::Oxenmodels => api::crd(),
        CustomResource::Oxenbudgets => api::budget_crd(),
    };
    print(&serde_yaml::to_string(&crd)?)
}

fn print(text: &str) -> Result<(), BoxError> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

async fn run(mut config: Config) -> Result<(), BoxError> {
    let shutdown = CancellationToken::new();
    let client = kube_client(config.watch_timeout, config.kube_timeout).await?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::<Readiness>::default();
    let hub = hub_client(&config, &metrics)?;
    if let Some(file) = config.authorities_file.take() {
        let (interval, client) = (config.authorities_interval, hub.http());
        tokio::spawn(async move { authorities::follow(file, interval, &client).await });
    }
    let server = serve::Server::bind(config.listen)
        .await
        .map_err(|error| format!("--listen {}: {error}", config.listen))?;
    log_start(&config, &server)?;
    let signals = cancel_on_signals(shutdown.clone())?;
    let serving =
        tokio::spawn(server.serve(metrics.clone(), Arc::clone(&readiness), shutdown.clone()));
    let (mut candidate, authority) = Candidate::new(
        config.election,
        client.clone(),
        &config.namespaces,
        metrics.clone(),
        Arc::clone(&readiness),
    );
    let leads = tokio::select! {
        () = lead(&mut candidate, &config, &client, &readiness) => true,
        () = shutdown.cancelled() => false,
    };
    let (result, events) = if leads {
        let context = Context::new(config, client, hub, metrics, readiness, authority, shutdown)
            .watched_until(candidate.predecessor_led_until());
        let events = context.events.clone();
        (work(context, &mut candidate).await, Some(events))
    } else {
        (Ok(Drained::Completely), None)
    };
    if matches!(result, Ok(Drained::Completely)) {
        candidate.release().await;
    }
    // This comes after the release of the Lease, so that the next leader doesn't wait for the
    // events.
    if let Some(events) = events {
        events.flush().await;
    }
    signals.abort();
    serving.abort();
    result.map(|_| ())
}

/// Returns once this process leads. A standby lists the objects before it is ready.
async fn lead(
    candidate: &mut Candidate,
    config: &Config,
    client: &kube::Client,
    readiness: &Arc<Readiness>,
) {
    if candidate.elect().await {
        return;
    }
    tokio::select! {
        () = candidate.lead() => {}
        never = controller::stand_by(config, client, readiness) => match never {},
    }
}

fn log_start(config: &Config, server: &serve::Server) -> Result<(), BoxError> {
    info!(
        hub = %config.route.base,
        listen = %server.address()?,
        observe_only = config.rules.observe_only,
        tzdata = time_zones(),
        "starting oxen-operator {}", env!("CARGO_PKG_VERSION")
    );
    if config.time_scale != 1 {
        warn!(
            "--time-scale {} shortens all waits; it is for tests and the demo, never for a hub that \
             bills",
            config.time_scale
        );
    }
    Ok(())
}

/// How the work ended at a shutdown.
enum Drained {
    /// Nothing is in flight any more.
    Completely,
    /// Something may be in flight, so the next leader has to wait.
    Partly,
}

/// Runs the controller until the shutdown or the loss of leadership, and then until the work in
/// flight has ended. The Lease is renewed until then.
async fn work(context: Context, candidate: &mut Candidate) -> Result<Drained, BoxError> {
    let (shutdown, limit) = (context.shutdown.clone(), context.config.shutdown_timeout);
    let mut controller = tokio::spawn(controller::run(Arc::new(context)));
    let lost = tokio::select! {
        () = shutdown.cancelled() => None,
        why = candidate.keep() => Some(why),
        ended = &mut controller => return match ended {
            // The controller has seen the shutdown first.
            Ok(()) if shutdown.is_cancelled() => Ok(Drained::Completely),
            ended => Err(ended_early(ended)),
        },
    };
    shutdown.cancel();
    let drained = async {
        match timeout(limit, controller).await {
            Ok(Ok(())) => true,
            // It is not known what was in flight.
            Ok(Err(error)) => {
                error!(%error, "the controller failed during the shutdown");
                false
            }
            Err(_) => {
                warn!("the work in flight did not end in time");
                false
            }
        }
    };
    if let Some(why) = lost {
        drained.await;
        return Err(format!("lost leadership: {why}; exiting to start again as a standby").into());
    }
    tokio::select! {
        drained = drained => Ok(if drained { Drained::Completely } else { Drained::Partly }),
        why = candidate.keep() => Err(format!("lost leadership during the shutdown: {why}").into()),
    }
}

fn ended_early(ended: Result<(), JoinError>) -> BoxError {
    match ended {
        Ok(()) => "the controller ended without a shutdown".into(),
        Err(error) => {
            error!(%error, "the controller failed");
            error.into()
        }
    }
}

async fn kube_client(
    watch_timeout: Duration,
    kube_timeout: Duration,
) -> Result<kube::Client, BoxError> {
    let mut config = kube_config().await?;
    config.apply_debug_overrides();
    // kube's retries would repeat a write that may have succeeded, and would wait for as long as a
    // header says.
    config.default_retry = false;
    // The timeout is longer than a watch and every other request, so that only a dead connection
    // reaches it.
    config.read_timeout = Some((watch_timeout * 3 / 2).max(kube_timeout));
    Ok(kube::Client::try_from(config)?)
}

/// The configuration of the kubeconfig or, if there is no usable kubeconfig, of the pod.
async fn kube_config() -> Result<kube::Config, BoxError> {
    let options = KubeConfigOptions::default();
    let problem = match Kubeconfig::read() {
        Ok(kubeconfig) => {
            let proxy = own_proxy(&kubeconfig).map(str::parse).transpose();
            match kube::Config::from_custom_kubeconfig(kubeconfig, &options).await {
                Ok(mut config) => {
                    // If the kubeconfig names no proxy, kube uses the environment's. If the
                    // environment says so, kube uses none at all. Only the kubeconfig's counts.
                    config.proxy_url =
                        proxy.map_err(|_| "the kubeconfig's proxy-url is not a URL")?;
                    return Ok(config);
                }
                Err(problem) => problem,
            }
        }
        Err(problem) => problem,
    };
    kube::Config::incluster().map_err(|incluster| {
        format!(
            "no Kubernetes cluster is configured; set KUBECONFIG, or run in a pod (kubeconfig: \
             {problem}; pod: {incluster})"
        )
        .into()
    })
}

/// The proxy that the kubeconfig names for its current cluster.
fn own_proxy(kubeconfig: &Kubeconfig) -> Option<&str> {
    let current = kubeconfig.current_context.as_deref()?;
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|one| one.name == current)?.context.as_ref()?;
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters.find(|one| one.name == context.cluster)?;
    let proxy = cluster.cluster.as_ref()?.proxy_url.as_deref();
    proxy.filter(|proxy| !proxy.is_empty())
}

fn hub_client(config: &Config, metrics: &Arc<Metrics>) -> Result<hub::Client, hub::SetupError> {
    let metrics = metrics.clone();
    hub::Client::new(
        config.route.clone(),
        config.limits.clone(),
        move |endpoint, outcome, took| metrics.hub_requested(endpoint, outcome, took),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_clusters_own_proxy_is_used() {
        let kubeconfig = |current: &str| {
            let text = format!(
                "current-context: {current}
contexts:
- {{name: a, context: {{cluster: proxied, user: u}}}}
- {{name: b, context: {{cluster: direct, user: u}}}}
- {{name: c, context: {{cluster: empty, user: u}}}}
- {{name: d, context: {{cluster: missing, user: u}}}}
clusters:
- {{name: proxied, cluster: {{server: 'https://a', proxy-url: 'http://proxy:3128'}}}}
- {{name: direct, cluster: {{server: 'https://b'}}}}
- {{name: empty, cluster: {{server: 'https://c', proxy-url: ''}}}}
"
            );
            Kubeconfig::from_yaml(&text)
        };
        for (current, proxy) in [
            ("a", Some("http://proxy:3128")),
            ("b", None),
            ("c", None),
            ("d", None),
            ("gone", None),
        ] {
            let kubeconfig = kubeconfig(current).unwrap_or_default();
            assert_eq!(own_proxy(&kubeconfig), proxy, "{current}");
        }
    }
}
