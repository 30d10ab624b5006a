//! The arguments of `schedule`.

use clap::{Args, value_parser};
use jiff::civil::Date;

use super::{ChosenArgs, TableOutput};

/// The arguments of `schedule`.
#[derive(Args)]
pub struct ScheduleArgs {
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// The first day, such as 2026-11-25; today if unset
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub from: Option<Date>,
    /// The number of days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = value_parser!(u16).range(1..=366))]
    pub days: u16,
    /// json, yaml or wide
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    pub output: Option<TableOutput>,
}

fn date(text: &str) -> Result<Date, String> {
    // The parser of jiff skips a time of day after a date.
    let date = text
        .parse()
        .ok()
        .filter(|date: &Date| date.to_string() == text);
    date.ok_or_else(|| "write a date such as 2026-11-25".into())
}
