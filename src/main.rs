//! `oxen-operator run` and `oxen-operator crd`: parses, builds the clients, runs. The only place
//! that exits.

use std::{
    error::Error, io::Write, os::unix::ffi::OsStrExt, process::ExitCode, sync::Arc, time::Duration,
};

use clap::Parser;
use oxen_operator::{
    api,
    check::check,
    config::{Cli, Command, Config},
    controller::{self, Context},
    leader::Candidate,
    metrics::Metrics,
    oxen, serve,
    stop::Stop,
    telemetry,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tracing::{error, info, warn};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Crd => print_crd(),
        Command::Check(args) => match check(&args, api_key()).await {
            Ok(words) => print(&words),
            Err(unfit) => Err(unfit.into()),
        },
        Command::Run(args) => {
            telemetry::init(args.log_format());
            match args.check(api_key().as_deref()) {
                Ok(config) => run(config).await,
                Err(invalid) => Err(invalid.into()),
            }
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut words = failure.to_string();
            let mut cause = failure.source();
            while let Some(source) = cause {
                words = format!("{words}: {source}");
                cause = source.source();
            }
            let _ = writeln!(std::io::stderr(), "oxen-operator: {words}");
            ExitCode::FAILURE
        }
    }
}

/// From the environment and not a flag: a process's arguments are for all to see.
fn api_key() -> Option<Vec<u8>> {
    let key = std::env::var_os("OXEN_API_KEY")?;
    Some(key.as_bytes().to_vec())
}

fn print_crd() -> Result<(), Failure> {
    print(&serde_yaml::to_string(&api::crd())?)
}

fn print(words: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(words.as_bytes())?;
    Ok(())
}

async fn run(config: Config) -> Result<(), Failure> {
    let (say_stop, stop) = Stop::new();
    let client = kube_client(config.watch, config.kube_timeout).await?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::default();
    let hub = hub(&config, &metrics)?;
    let server = serve::Server::bind(config.listen)
        .await
        .map_err(|error| format!("--listen {}: {error}", config.listen))?;
    info!(
        hub = %config.route.base,
        listen = %server.address()?,
        observe_only = config.rules.observe_only,
        "oxen-operator {} starts", env!("CARGO_PKG_VERSION")
    );
    let signals = stop_on_signals(say_stop.clone())?;
    let serving = tokio::spawn(server.serve(metrics.clone(), Arc::clone(&readiness), stop.clone()));
    let (mut candidate, authority) = Candidate::new(
        config.election.as_ref(),
        client.clone(),
        metrics.clone(),
        Arc::clone(&readiness),
    );
    let led = tokio::select! {
        () = candidate.lead() => true,
        () = stop.wait() => false,
    };
    let done = if led {
        let context = Context::new(config, client, hub, metrics, readiness, authority, stop);
        work(context, &mut candidate, &say_stop).await
    } else {
        Ok(Drained::Whole)
    };
    if matches!(done, Ok(Drained::Whole)) {
        candidate.release().await;
    }
    signals.abort();
    serving.abort();
    done.map(|_| ())
}

/// How the work ended.
enum Drained {
    /// Nothing is in flight any more.
    Whole,
    /// Something may be, and whoever leads next has to wait.
    NotInTime,
}

/// Controls until the stop, or until leadership is lost, and then until what is in flight has
/// ended. The Lease is renewed all the while.
async fn work(
    context: Context,
    candidate: &mut Candidate,
    say_stop: &watch::Sender<bool>,
) -> Result<Drained, Failure> {
    let (stop, drain) = (context.stop.clone(), context.config.drain);
    let mut controlling = tokio::spawn(controller::run(Arc::new(context)));
    let lost = tokio::select! {
        () = stop.wait() => None,
        why = candidate.keep() => Some(why),
        ended = &mut controlling => return match ended {
            // It was told to, and was quicker than the word came here.
            Ok(()) if stop.said() => Ok(Drained::Whole),
            ended => Err(early(ended)),
        },
    };
    say_stop.send_replace(true);
    let drained = async {
        match timeout(drain, controlling).await {
            Ok(Ok(())) => true,
            // Nobody knows what was in flight then.
            Ok(Err(error)) => {
                error!(%error, "the controller failed while it stopped");
                false
            }
            Err(_) => {
                warn!("what was in flight did not end in time");
                false
            }
        }
    };
    if let Some(why) = lost {
        drained.await;
        return Err(format!("leadership is lost: {why}; a new start stands by").into());
    }
    tokio::select! {
        drained = drained => Ok(if drained { Drained::Whole } else { Drained::NotInTime }),
        why = candidate.keep() => Err(format!("leadership was lost while stopping: {why}").into()),
    }
}

/// Says stop on SIGTERM and SIGINT.
fn stop_on_signals(say_stop: watch::Sender<bool>) -> std::io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping: no new work, and what is in flight ends");
        say_stop.send_replace(true);
    }))
}

fn early(ended: Result<(), JoinError>) -> Failure {
    match ended {
        Ok(()) => "the controller ended by itself".into(),
        Err(error) => {
            error!(%error, "the controller failed");
            error.into()
        }
    }
}

async fn kube_client(watch: Duration, kube_timeout: Duration) -> Result<kube::Client, Failure> {
    let mut config = kube::Config::infer().await.map_err(|error| {
        format!("no Kubernetes cluster is configured; set KUBECONFIG, or run in a pod ({error})")
    })?;
    // A proxy is used where a kubeconfig names one, and not because the environment does.
    config.proxy_url = config.proxy_url.filter(|proxy| !is_from_environment(proxy));
    // It would repeat a write that may have worked, and wait as long as a header says.
    config.default_retry = false;
    // Beyond the watches' own length and every other request's, so that only a dead connection meets it.
    config.read_timeout = Some((watch * 3 / 2).max(kube_timeout));
    Ok(kube::Client::try_from(config)?)
}

fn is_from_environment(proxy: &http::Uri) -> bool {
    let named = ["HTTPS_PROXY", "https_proxy"].into_iter();
    named
        .filter_map(|name| std::env::var(name).ok()?.parse::<http::Uri>().ok())
        .any(|named| named == *proxy)
}

fn hub(config: &Config, metrics: &Arc<Metrics>) -> Result<oxen::Client, oxen::SetupError> {
    let metrics = metrics.clone();
    oxen::Client::new(
        config.route.clone(),
        config.limits.clone(),
        move |endpoint, outcome, took| metrics.requested(endpoint, outcome, took),
    )
}
