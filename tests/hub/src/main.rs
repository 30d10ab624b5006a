//! The simulator as a program, for people without an Oxen account. `hub --help` explains its use.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hub::{Hub, Model};
use tokio::signal::unix::{SignalKind, signal};

const CONTROL: &str = r#"Control routes, in addition to the hub's own API:
  GET    /_hub/journal              returns every request that the hub received
  DELETE /_hub/journal              clears the journal
  PUT    /_hub/models/{id}/status   {"status": "inactive"}: changes the status at the provider, as drift does
  POST   /_hub/models               {"name": "my-bot"}: adds a model; also "owner": "acme", "deployments": ["inactive"],
                                    "activate_delay": "10s", "deactivate_delay": "5s", "idle_timeout": "15m",
                                    "public": true, "fields": {...}
  POST   /_hub/faults               {"endpoint": "activate", "times": 2, "answer": {"status": {"code": 503}}}; also
                                    "model", "account", "skip": 1, "effect": "after", "latency": "2s"; other answers:
                                    "cut", "cut_in_body", "hang", {"huge": {"bytes": 5000000}}, {"shows": "paused"},
                                    {"patch": {"owned_by": "other"}}
  DELETE /_hub/faults               removes all faults
A request with a JSON body needs the header content-type: application/json.

POST /api/ai/chat/completions with {"model": "my-bot"} is a request for inference, which the idle time-out waits for."#;

/// A simulator of the Oxen hub's models API, for use without an account.
#[derive(Parser)]
#[command(version, after_help = CONTROL)]
struct Args {
    /// The address to listen on; port 0 selects a free port
    #[arg(long, env = "HUB_LISTEN", default_value = "127.0.0.1:7676")]
    listen: SocketAddr,

    /// An API key, as account=key; can be repeated. The first account owns the sample models. A key
    /// can belong to several accounts: account+account=key
    #[arg(
        long = "key",
        env = "HUB_KEYS",
        hide_env_values = true,
        value_name = "ACCOUNT=KEY"
    )]
    #[arg(value_delimiter = ',', value_parser = parse_key, default_value = "acme=not-a-real-key")]
    keys: Vec<Key>,

    /// How long a model is in the status deploying
    #[arg(long, env = "HUB_ACTIVATE_DELAY", value_name = "TIME")]
    #[arg(value_parser = humantime::parse_duration, default_value = "10s")]
    activate_delay: Duration,

    /// How long a model is in the status deactivating
    #[arg(long, env = "HUB_DEACTIVATE_DELAY", value_name = "TIME")]
    #[arg(value_parser = humantime::parse_duration, default_value = "5s")]
    deactivate_delay: Duration,

    /// How long a custom model stays active without a request. By default it stays active
    #[arg(long, env = "HUB_IDLE_TIMEOUT", value_name = "TIME")]
    #[arg(value_parser = humantime::parse_duration)]
    idle_timeout: Option<Duration>,

    /// A sample model that other accounts can see; can be repeated
    #[arg(long, env = "HUB_PUBLIC", value_name = "MODEL", value_delimiter = ',')]
    public: Vec<String>,

    /// Show the ids of custom models with the prefix oxen:
    #[arg(long, env = "HUB_PREFIXED_IDS")]
    prefixed_ids: bool,

    /// Process an invalid key like a missing one, in place of a 401
    #[arg(long, env = "HUB_INVALID_KEY_IS_NONE")]
    invalid_key_is_none: bool,

    /// Send "Model not found" as {"error": {"message": "..."}}
    #[arg(long, env = "HUB_NOT_FOUND_AS_MESSAGE")]
    not_found_as_message: bool,

    /// Print one line for each request
    #[arg(long, env = "HUB_LOG")]
    log: bool,
}

#[derive(Clone)]
struct Key {
    accounts: Vec<String>,
    key: String,
}

fn parse_key(text: &str) -> Result<Key, String> {
    if let Some((accounts, key)) = text.split_once('=') {
        let accounts: Vec<String> = accounts.split('+').map(str::to_owned).collect();
        if !key.is_empty() && accounts.iter().all(|account| !account.is_empty()) {
            let key = key.into();
            return Ok(Key { accounts, key });
        }
    }
    Err("write it as account=key".into())
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hub: {}: {error}", args.listen);
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> std::io::Result<()> {
    let mut builder = Hub::builder()
        .listen(args.listen)
        .activate_delay(args.activate_delay)
        .deactivate_delay(args.deactivate_delay);
    for Key { accounts, key } in &args.keys {
        builder = builder.key_of(accounts, key);
    }
    if let Some(account) = args.keys.first().and_then(|key| key.accounts.first()) {
        builder = builder.with_samples_of(account);
    }
    if let Some(timeout) = args.idle_timeout {
        builder = builder.idle_timeout(timeout);
    }
    if args.prefixed_ids {
        builder = builder.prefixed_ids();
    }
    if args.invalid_key_is_none {
        builder = builder.invalid_key_is_none();
    }
    if args.not_found_as_message {
        builder = builder.not_found_as_message();
    }
    if args.log {
        builder = builder.on_request(|entry| println!("{entry}"));
    }
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let hub = builder.start().await?;
    for model in &args.public {
        hub.change(model, Model::public)
            .map_err(std::io::Error::other)?;
    }
    print_usage(&hub.url(), &args.keys);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    hub.stop().await
}

fn print_usage(url: &str, keys: &[Key]) {
    println!("A simulated Oxen hub listens at {url}");
    for Key { accounts, key } in keys {
        println!("  account {}, key {key}", accounts.join(" and "));
    }
    let Some(Key { key, .. }) = keys.first() else {
        return;
    };
    println!("\nTry, in another terminal:");
    println!("  curl -H 'Authorization: Bearer {key}' {url}/api/ai/models");
    println!(
        "  curl -H 'Authorization: Bearer {key}' '{url}/api/ai/models/support-bot-v2?deployment_status=live'"
    );
    println!(
        "  curl -X POST -H 'Authorization: Bearer {key}' {url}/api/ai/models/support-bot-v2/activate"
    );
    println!("  curl {url}/_hub/journal");
    println!(
        "\nSet OXEN_BASE_URL={url} to run the operator against it. `--help` lists the other options; Ctrl-C stops it."
    );
}
