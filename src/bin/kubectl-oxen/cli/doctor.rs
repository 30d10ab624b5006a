//! The arguments of `doctor`.

use clap::{Args, ValueEnum};

use super::hub::HubFlags;

/// The arguments of `doctor`.
#[derive(Args)]
pub struct DoctorArgs {
    /// Print the checks as json or yaml
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<DataOutput>,
    #[command(flatten)]
    pub hub: HubFlags,
}

/// The form of data that is about no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataOutput {
    Json,
    Yaml,
}
