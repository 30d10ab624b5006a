//! `oxen-operator run` and `oxen-operator crd`: parses, builds the clients, runs. The only place
//! that exits.

use std::{
    error::Error, io::Write, os::unix::ffi::OsStrExt, process::ExitCode, sync::Arc, time::Duration,
};

use clap::Parser;
use oxen_operator::{
    api,
    config::{Cli, Command, Config},
    controller::{self, Context, Stop},
    metrics::Metrics,
    oxen, serve, telemetry,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

/// Beyond the watches' own length, so that only a dead connection meets it.
const KUBE_READ_TIMEOUT: Duration = Duration::from_secs(90);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Crd => print_crd(),
        Command::Run(args) => {
            telemetry::init(args.log_format());
            // Taken from the environment and not a flag: a process's arguments are for all to see.
            let api_key = std::env::var_os("OXEN_API_KEY");
            match args.check(api_key.as_ref().map(|key| key.as_bytes())) {
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

fn print_crd() -> Result<(), Failure> {
    let yaml = serde_yaml::to_string(&api::crd())?;
    std::io::stdout().write_all(yaml.as_bytes())?;
    Ok(())
}

async fn run(config: Config) -> Result<(), Failure> {
    let (say_stop, stop) = Stop::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let client = kube_client().await?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::default();
    let hub = hub(&config, &metrics)?;
    let server = serve::Server::bind(config.listen)
        .await
        .map_err(|error| format!("--listen {}: {error}", config.listen))?;
    info!(
        hub = %config.base_url,
        listen = %server.address()?,
        observe_only = config.rules.observe_only,
        "oxen-operator {} starts", env!("CARGO_PKG_VERSION")
    );
    let serving = tokio::spawn(server.serve(metrics.clone(), Arc::clone(&readiness), stop.clone()));
    let drain = config.drain;
    let context = Context::new(config, client, hub, metrics, readiness, stop);
    let mut controlling = tokio::spawn(controller::run(Arc::new(context)));
    tokio::select! {
        ended = &mut controlling => return Err(early(ended)),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("stopping: no new work, and what is in flight ends");
    say_stop.send_replace(true);
    if tokio::time::timeout(drain, controlling).await.is_err() {
        warn!("what was in flight did not end in time");
    }
    serving.abort();
    Ok(())
}

fn early(ended: Result<(), tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(()) => "the controller ended by itself".into(),
        Err(error) => {
            error!(%error, "the controller failed");
            error.into()
        }
    }
}

async fn kube_client() -> Result<kube::Client, Failure> {
    let mut config = kube::Config::infer().await?;
    // It would repeat a write that may have worked, and wait as long as a header says.
    config.default_retry = false;
    config.read_timeout = Some(KUBE_READ_TIMEOUT);
    Ok(kube::Client::try_from(config)?)
}

fn hub(config: &Config, metrics: &Arc<Metrics>) -> Result<oxen::Client, oxen::SetupError> {
    let metrics = metrics.clone();
    oxen::Client::new(
        config.base_url.clone(),
        config.proxy.clone(),
        config.limits.clone(),
        move |endpoint, outcome, took| metrics.requested(endpoint, outcome, took),
    )
}
