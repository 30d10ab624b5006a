//! The flags and arguments of the commands that ask the hub.

use clap::Args;
use oxen_operator::config::RouteArgs;

use super::{ObjectOutput, Output};

/// How the hub is reached: the operator's own flags and variables.
#[derive(Args)]
#[command(
    mut_arg("base_url", |flag| brief(flag, "The hub's URL; or OXEN_BASE_URL")),
    mut_arg("proxy", |flag| brief(flag, "A proxy for the hub; or OXEN_PROXY")),
    mut_arg("ca_file", |flag| brief(flag, "A PEM file with CA certificates; or OXEN_CA_FILE"))
)]
pub struct HubFlags {
    #[command(flatten)]
    pub route: RouteArgs,
}

/// A flag whose help fits a line of 80 columns.
fn brief(flag: clap::Arg, help: &'static str) -> clap::Arg {
    flag.help(help)
        .long_help(None)
        .hide_env(true)
        .hide_default_value(true)
}

/// The arguments of `models`.
#[derive(Args)]
pub struct ModelsArgs {
    /// Only models of this developer, such as anthropic
    #[arg(long, value_name = "NAME")]
    pub developer: Option<String>,
    /// Only models with this fine-tuning action
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Only custom models
    #[arg(long)]
    pub custom: bool,
    /// Only custom models that are active
    #[arg(long)]
    pub active: bool,
    /// Only models that may bill and have no OxenModel
    #[arg(long)]
    pub unmanaged: bool,
    /// json, yaml, wide or name
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<Output>,
    #[command(flatten)]
    pub hub: HubFlags,
}

/// The arguments of `search`.
#[derive(Args)]
pub struct SearchArgs {
    /// A part of the model's name
    #[arg(value_name = "WORD")]
    pub word: String,
    /// json, yaml, wide or name
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<Output>,
    #[command(flatten)]
    pub hub: HubFlags,
}

/// The arguments of `model`.
#[derive(Args)]
pub struct ModelArgs {
    /// The model's name, as `models` lists it
    #[arg(value_name = "ID", value_parser = model_id)]
    pub id: String,
    /// Let the hub ask its provider for the status first
    #[arg(long)]
    pub live: bool,
    /// json, yaml or name
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<ObjectOutput>,
    #[command(flatten)]
    pub hub: HubFlags,
}

/// The arguments of `import`.
#[derive(Args)]
pub struct ImportArgs {
    /// The models' names, as `models` lists them
    #[arg(value_name = "ID", value_parser = model_id,
          required_unless_present_any = ["all_custom", "unmanaged"])]
    pub ids: Vec<String>,
    /// All custom models that the hub lists
    #[arg(long, conflicts_with_all = ["ids", "unmanaged"])]
    pub all_custom: bool,
    /// All models that may bill and have no OxenModel
    #[arg(long, conflicts_with = "ids")]
    pub unmanaged: bool,
    /// Omit suspend: true, so the operator acts at once
    #[arg(long)]
    pub act: bool,
    #[command(flatten)]
    pub hub: HubFlags,
}

/// Reads a model's name. The hub has other meanings for an empty one and for those of its
/// endpoints.
fn model_id(text: &str) -> Result<String, String> {
    match text {
        "" | "." | ".." => Err("write a model's name, such as support-bot-v2".into()),
        "favorites" | "featured" | "search" => {
            Err("the hub reserves this name: write the model's UUID".into())
        }
        _ => Ok(text.to_owned()),
    }
}
