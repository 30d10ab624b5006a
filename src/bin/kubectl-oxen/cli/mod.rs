//! The flags and commands.

mod completion;
mod cost;
mod doctor;
mod empty;
mod hub;
mod schedule;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use oxen_operator::api::Span;

pub use completion::{CompletionArgs, Shell};
pub use cost::{CostArgs, TableOutput};
pub use doctor::{DataOutput, DoctorArgs};
pub use hub::{ImportArgs, ModelArgs, ModelsArgs, SearchArgs};
pub use schedule::ScheduleArgs;

const EXAMPLES: &str = "\
Examples:
  kubectl oxen status -A
  kubectl oxen status support-bot
  kubectl oxen cost -A
  kubectl oxen on support-bot --until 18:00 --wait
  kubectl oxen auto support-bot

kubectl takes no flag before a plugin's name: put --context and --namespace
after `oxen`.

Exit codes: 0 done, 1 an error, 2 stalled, 3 timed out, 130 Ctrl-C.";

/// Show and switch Oxen.ai models
#[derive(Parser)]
#[command(
    name = "kubectl-oxen",
    bin_name = "kubectl oxen",
    version,
    after_help = EXAMPLES,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The flags of every command. They are kubectl's own, and mean the same.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Flags of every command")]
pub struct Global {
    /// The namespace; the context's own if unset
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig, which has to exist
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The longest time for one request
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    pub request_timeout: Timeout,
    /// Colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub color: Color,
    /// Print each request, its status and its duration
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// The cluster of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub cluster: Option<String>,
    /// The user of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub user: Option<String>,
    /// The user to act as
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        hide_short_help = true
    )]
    pub impersonate: Option<String>,
    /// A group to act as; may be repeated
    #[arg(long, global = true, value_name = "GROUP", hide_short_help = true)]
    pub as_group: Vec<String>,
    /// The UID to act as
    #[arg(long, global = true, value_name = "UID", hide_short_help = true)]
    pub as_uid: Option<String>,
    /// An extra attribute to act with, KEY=VALUE; may be repeated
    #[arg(long, global = true, value_name = "EXTRA", hide_short_help = true)]
    pub as_user_extra: Vec<String>,
    /// The API server's URL
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub server: Option<String>,
    /// A bearer token for the API server
    #[arg(long, global = true, hide_short_help = true)]
    pub token: Option<String>,
    /// A file with the API server's certificate authority
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,
    /// A file with a client certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_certificate: Option<PathBuf>,
    /// A file with the client certificate's key
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub client_key: Option<PathBuf>,
    /// Don't check the API server's certificate
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_skip_tls_verify: bool,
    /// The name to check the API server's certificate for
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Show one model, or a table of all models
    Status(StatusArgs),
    /// Show what the models have cost
    Cost(CostArgs),
    /// Show when one model, or each model, is active
    Schedule(ScheduleArgs),
    /// Turn models on until a time, whatever their specs declare
    On(SwitchArgs),
    /// Turn models off for a while, whatever their specs declare
    Off(SwitchArgs),
    /// End overrides, so that the specs decide again
    Auto(AutoArgs),
    /// Ask the operator to reconcile now, with new attempts
    Reconcile(SteerArgs),
    /// Keep observing models, but change nothing at the hub
    Suspend(SteerArgs),
    /// Let the operator act again
    Resume(SteerArgs),
    /// End a blocked deletion, and leave the model as it is
    Release(ReleaseArgs),
    /// List the hub's models, and which OxenModel manages each
    Models(ModelsArgs),
    /// List the hub's models whose name matches
    Search(SearchArgs),
    /// Show one model of the hub
    Model(ModelArgs),
    /// Print manifests for models that exist already
    Import(ImportArgs),
    /// Check the cluster, the operator, your rights, the hub and its keys
    Doctor(DoctorArgs),
    /// Print the script that completes names and flags
    Completion(CompletionArgs),
}

/// The arguments that choose one object, or the objects of a table.
#[derive(Args)]
pub struct ChosenArgs {
    /// The model's object, such as support-bot
    #[arg(value_parser = object_name)]
    pub name: Option<String>,
    /// All namespaces; --namespace is ignored
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub all_namespaces: bool,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "name")]
    pub selector: Option<String>,
}

/// The arguments of `status`.
#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Show each change until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// json, yaml, wide or name
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<Output>,
}

/// The arguments of every command that changes objects.
#[derive(Args, Clone)]
pub struct SteerArgs {
    /// The objects, such as support-bot
    #[arg(value_parser = object_name, required_unless_present = "selector", value_name = "NAME")]
    pub names: Vec<String>,
    /// All objects of the namespace with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "names", value_parser = labels)]
    pub selector: Option<String>,
    /// client: print the patch; server: try it
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = dry_run)]
    pub dry_run: Option<DryRun>,
    /// The name that owns the changed fields
    #[arg(long, value_name = "NAME")]
    pub field_manager: Option<String>,
    /// Wait until it is done
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How long to wait, such as 5m
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = wait_timeout)]
    pub timeout: Option<Duration>,
    /// Print the objects as json, yaml or name
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<ObjectOutput>,
}

/// The arguments of `on` and `off`.
#[derive(Args)]
pub struct SwitchArgs {
    /// When it ends, such as 18:00 or 2026-11-25T18:00
    #[arg(long, value_name = "TIME", conflicts_with_all = ["for_", "spec"])]
    pub until: Option<String>,
    /// How long it lasts, such as 2h
    #[arg(
        long = "for",
        id = "for_",
        value_name = "TIME",
        conflicts_with = "spec"
    )]
    pub for_: Option<Span>,
    /// Change what the spec declares instead
    #[arg(long)]
    pub spec: bool,
    #[command(flatten)]
    pub steer: SteerArgs,
}

/// The arguments of `auto`.
#[derive(Args)]
pub struct AutoArgs {
    /// Write state: scheduled into the spec instead
    #[arg(long)]
    pub spec: bool,
    #[command(flatten)]
    pub steer: SteerArgs,
}

/// The arguments of `release`.
#[derive(Args)]
pub struct ReleaseArgs {
    /// The object, such as support-bot
    #[arg(value_parser = object_name)]
    pub name: String,
    /// Don't ask
    #[arg(short, long)]
    pub yes: bool,
    /// client: print the patch; server: try it
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = dry_run)]
    pub dry_run: Option<DryRun>,
    /// The name that owns the changed fields
    #[arg(long, value_name = "NAME")]
    pub field_manager: Option<String>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// The form of what `status` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Json,
    Yaml,
    Wide,
    Name,
}

/// The form of an object that a command changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ObjectOutput {
    Json,
    Yaml,
    Name,
}

/// The value of `--dry-run`: what a command does instead of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Nothing: the change is made.
    None,
    /// The patch is printed.
    Client,
    /// The API server checks the patch, and changes nothing.
    Server,
}

/// The longest time for one request, or `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

/// Reads `10s`, or a bare number of seconds as kubectl does.
fn timeout(text: &str) -> Result<Timeout, String> {
    let span = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => text.parse::<Span>()?.0,
    };
    Ok(Timeout(Some(span).filter(|span| !span.is_zero())))
}

fn wait_timeout(text: &str) -> Result<Duration, String> {
    let Timeout(timeout) = timeout(text)?;
    timeout.ok_or_else(|| "it must be longer than 0: write a time such as 5m".into())
}

fn dry_run(text: &str) -> Result<DryRun, String> {
    match text {
        "none" => Ok(DryRun::None),
        "client" => Ok(DryRun::Client),
        "server" => Ok(DryRun::Server),
        _ => Err("write --dry-run=client or --dry-run=server".into()),
    }
}

/// Reads labels such as `app=support`. Blank ones would select every object of the namespace.
fn labels(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is blank: write labels such as app=support, or the names".into());
    }
    Ok(text.to_owned())
}

/// Reads `support-bot`, `oxm/support-bot` or `oxenmodel.oxen.ai/support-bot`.
fn object_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some((
            "oxm" | "oxenmodel" | "oxenmodels" | "oxenmodel.oxen.ai" | "oxenmodels.oxen.ai",
            name,
        )) => name,
        Some(_) => return Err("it is not an OxenModel: write a name such as support-bot".into()),
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.is_empty() || !name.chars().all(allowed) {
        return Err("it is not an object name: write a name such as support-bot".into());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod man_page;
