//! Flags and environment variables, as a person wrote them.

use std::{fmt, net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use jiff::Timestamp;

use super::keep::KeepArgs;
use crate::api::{DEFAULT_SECRET, DeletionPolicy, Span};

/// Turns Oxen.ai custom model deployments on and off from Kubernetes manifests.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The program's subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller.
    Run(Box<Args>),
    /// Print a CustomResourceDefinition as YAML.
    Crd(CrdArgs),
    /// Check that the hub can be reached and accepts the operator's API key. It changes nothing.
    Check(HubArgs),
    /// Print when the models of the manifests in a file are on. It asks neither a cluster nor the
    /// hub.
    Schedule(ScheduleArgs),
    /// Keep a model active while this process runs, with an override that it renews.
    Keep(KeepArgs),
}

/// Which CustomResourceDefinition to print.
#[derive(Debug, ClapArgs)]
pub struct CrdArgs {
    /// The plural name of its resource.
    #[arg(value_name = "RESOURCE", default_value = "oxenmodels")]
    pub resource: CustomResource,
}

/// A resource that a CustomResourceDefinition defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CustomResource {
    /// The models, which the operator always needs.
    Oxenmodels,
    /// The budgets, which it needs with `--budgets`.
    Oxenbudgets,
}

/// Which manifests to print the times of, and which times.
#[derive(Debug, ClapArgs)]
pub struct ScheduleArgs {
    /// The file with the manifests, or `-` for standard input. Objects of other kinds are skipped.
    #[arg(short, long, value_name = "FILE")]
    pub filename: String,

    /// The first time to print, in RFC 3339. Unset: now. Example: 2026-11-25T08:00:00+01:00.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,

    /// The number of days to print, of 24 hours each.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 7,
        value_parser = clap::value_parser!(u32).range(1..=400)
    )]
    pub days: u32,

    /// The format of the report. Times in `json` are in UTC.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people.
    Text,
    /// A JSON array.
    Json,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let fix = "write a time with its offset from UTC, such as 2026-11-25T08:00:00+01:00";
    text.parse().map_err(|_| fix.to_owned())
}

/// How the hub is reached. The kubectl plugin has these flags, too.
#[derive(Debug, ClapArgs)]
pub struct RouteArgs {
    /// The hub's URL, http or https.
    #[arg(
        long,
        env = "OXEN_BASE_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "https://hub.oxen.ai"
    )]
    pub(super) base_url: HiddenText,

    /// The URL of a proxy for requests to the hub, http or https. Unset: none. HTTPS_PROXY is not
    /// used for the hub.
    #[arg(long, env = "OXEN_PROXY", hide_env_values = true, value_name = "URL")]
    pub(super) proxy: Option<HiddenText>,

    /// A PEM file with certificate authorities to trust for the hub, in addition to the machine's.
    /// It is read again when it changes.
    #[arg(long, env = "OXEN_CA_FILE", value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
}

/// How the hub is reached, and the operator's own key.
#[derive(Debug, ClapArgs)]
pub struct HubArgs {
    /// How the hub is reached.
    #[command(flatten)]
    pub route: RouteArgs,

    /// A file with the operator's own API key. It is read for each use, so that the key can be
    /// rotated. Alternatively, set the environment variable OXEN_API_KEY.
    #[arg(long, env = "OXEN_API_KEY_FILE", value_name = "FILE")]
    pub(super) api_key_file: Option<PathBuf>,
}

/// The controller's settings.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    pub(super) hub: HubArgs,

    /// The namespaces that may use the operator's own API key, or `*` for all. Unset: none.
    #[arg(
        long,
        env = "OXEN_OPERATOR_KEY_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACES"
    )]
    pub(super) operator_key_namespaces: Vec<String>,

    /// The namespaces to watch. Unset: all.
    #[arg(long, env = "OXEN_NAMESPACES", value_delimiter = ',')]
    pub(super) namespaces: Vec<String>,

    /// The names of Secrets to watch for API keys. A Secret with another name is read when it is
    /// needed.
    #[arg(
        long,
        env = "OXEN_SECRET_NAMES",
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = DEFAULT_SECRET
    )]
    pub(super) secret_names: Vec<String>,

    /// Let OxenBudgets limit the models of their namespaces. Nothing is activated before they have
    /// been listed, so the CustomResourceDefinition oxenbudgets.oxen.ai has to be installed.
    #[arg(long, env = "OXEN_BUDGETS")]
    pub(super) budgets: bool,

    /// Treat every object as suspended: observe and report, but make no calls.
    #[arg(long, env = "OXEN_OBSERVE_ONLY")]
    pub(super) observe_only: bool,

    /// What deleting an object does where its spec has no deletionPolicy.
    #[arg(
        long,
        env = "OXEN_DELETION_POLICY",
        value_name = "POLICY",
        default_value_t = DeletionPolicy::Deactivate,
        ignore_case = true
    )]
    pub(super) deletion_policy: DeletionPolicy,

    /// How often a settled model is polled where its spec has no syncInterval.
    #[arg(
        long,
        env = "OXEN_SYNC_INTERVAL",
        value_name = "DURATION",
        default_value = "5m"
    )]
    pub(super) sync_interval: Span,

    /// How often the models of each API key are listed, to find those that are on and in no
    /// OxenModel. At least `1m`; `0s` turns this off.
    #[arg(
        long,
        env = "OXEN_UNMANAGED_INTERVAL",
        value_name = "DURATION",
        default_value = "15m"
    )]
    pub(super) unmanaged_interval: Span,

    /// How long a transition may take before the object is Stalled, where its spec has no
    /// progressDeadline.
    #[arg(
        long,
        env = "OXEN_PROGRESS_DEADLINE",
        value_name = "DURATION",
        default_value = "30m"
    )]
    pub(super) progress_deadline: Span,

    /// The timeout of a request to the hub, at most `1h`. Above `12s`, a shutdown does not wait for
    /// the answer to every call.
    #[arg(
        long,
        env = "OXEN_REQUEST_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    pub(super) request_timeout: Span,

    /// The largest number of requests to the hub per second, for each API key. Where the hub allows
    /// less, the operator adapts.
    #[arg(
        long,
        env = "OXEN_HUB_RATE",
        value_name = "NUMBER",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) hub_rate: u32,

    /// The address for probes and metrics. `[::]` also accepts IPv4 connections. On a machine
    /// without IPv6, it means `0.0.0.0`.
    #[arg(
        long,
        env = "OXEN_LISTEN",
        value_name = "ADDRESS",
        default_value = "[::]:8080"
    )]
    pub(super) listen: SocketAddr,

    /// The format of logs. `auto` means text on a terminal and JSON elsewhere. RUST_LOG sets the
    /// level.
    #[arg(
        long,
        env = "OXEN_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "auto"
    )]
    pub(super) log_format: LogFormat,

    /// Elect a leader among the replicas: one works, and the others are standbys. Use `false` only
    /// where there is never more than one replica.
    #[arg(
        long,
        env = "OXEN_LEADER_ELECT",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(super) leader_elect: bool,

    /// Divide every constant wait by this number. It is for tests and the demo.
    #[arg(
        long,
        env = "OXEN_TIME_SCALE",
        hide = true,
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub(super) time_scale: u32,
}

/// Text that may contain a password, and that `Debug` doesn't show.
#[derive(Clone)]
pub(super) struct HiddenText(pub(super) String);

/// The format of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

impl From<String> for HiddenText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HiddenText(..)")
    }
}

impl Args {
    /// The format of logs, which is needed before anything can be logged.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }
}
