//! The arguments of `cost`.

use clap::{Args, ValueEnum};

/// The arguments of `cost`.
#[derive(Args)]
pub struct CostArgs {
    /// All namespaces; --namespace is ignored
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// The difference from an earlier `cost -o json`
    #[arg(long, value_name = "FILE")]
    pub since: Option<String>,
    /// json, yaml or wide
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<TableOutput>,
}

/// The form of a table that the plugin computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableOutput {
    Json,
    Yaml,
    Wide,
}

impl TableOutput {
    /// Returns whether the form is YAML, or `None` for a form that is no data for programs.
    pub fn yaml(self) -> Option<bool> {
        match self {
            Self::Json => Some(false),
            Self::Yaml => Some(true),
            Self::Wide => None,
        }
    }
}
