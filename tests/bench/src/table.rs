//! The table and the JSON.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::Result;
use crate::measure::{Measure, Run, Value};
use crate::process::Kind;
use crate::scenario::Scenario;

/// Returns the table of a scenario as Markdown. With both controllers, it has the ratio of the
/// operator's number to the least controller's.
pub(crate) fn markdown(scenario: Scenario, runs: &[Run]) -> String {
    let rate = scenario.hub_rate();
    let rate = rate.map_or("default settings".into(), |rate| format!("hub rate {rate}"));
    let mut lines = vec![format!("### {} objects, {rate}\n", scenario.objects())];
    let names: Vec<&str> = runs.iter().map(|run| title(run.controller)).collect();
    let columns = names.join(" | ");
    let line = "---|".repeat(runs.len());
    lines.push(format!("| measure | {columns} | ratio |\n|---|{line}---|"));
    let measures: BTreeSet<Measure> = runs
        .iter()
        .flat_map(|run| run.measures.keys())
        .copied()
        .collect();
    for measure in measures {
        let (heading, unit, decimals) = measure.row();
        let values: Vec<Option<&Value>> =
            runs.iter().map(|run| run.measures.get(&measure)).collect();
        let cells: Vec<String> = values
            .iter()
            .map(|value| cell(*value, unit, decimals))
            .collect();
        let cells = cells.join(" | ");
        lines.push(format!("| {heading} | {cells} | {} |", ratio(&values)));
    }
    lines.extend(runs.iter().flat_map(targets));
    lines.push(String::new());
    lines.join("\n")
}

/// The longest time that the plugin's `--help` should take, in milliseconds.
const HELP_MS: f64 = 20.0;

/// How many times as long as kubectl's own command the plugin's `status` should take at most.
const TIMES_KUBECTL: f64 = 2.0;

/// The plugin's times beside their targets, in a run that measured them.
fn targets(run: &Run) -> Vec<String> {
    let number = |measure| match run.measures.get(&measure) {
        Some(Value::Number(number)) if *number > 0.0 => Some(*number),
        _ => None,
    };
    let (help, status) = (Measure::PluginHelpMs, Measure::PluginStatusMs);
    let help = number(help).map(|help| {
        let ratio = help / HELP_MS;
        format!("\nkubectl-oxen --help takes {ratio:.2} of the target of {HELP_MS} ms.")
    });
    let status = number(status).zip(number(Measure::KubectlGetMs));
    let status = status.map(|(status, get)| {
        let ratio = status / get;
        format!(
            "\nkubectl oxen status takes {ratio:.2} times as long as kubectl get oxm; the target is \
             at most {TIMES_KUBECTL}."
        )
    });
    help.into_iter().chain(status).collect()
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Operator => "operator",
        Kind::Least => "least controller",
    }
}

fn cell(value: Option<&Value>, unit: &str, decimals: usize) -> String {
    match value {
        Some(number @ Value::Number(_)) => format!("{number:.decimals$}{unit}"),
        Some(text @ Value::NotReached { .. }) => text.to_string(),
        None => String::new(),
    }
}

fn ratio(values: &[Option<&Value>]) -> String {
    match values {
        [Some(Value::Number(operator)), Some(Value::Number(least))] if *least > 0.0 => {
            format!("{:.2}", operator / least)
        }
        _ => String::new(),
    }
}

/// Returns all runs and the machine as JSON.
pub(crate) fn json(runs: &[Run]) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map(|(_, name)| name);
    let machine = json!({ "cores": cores, "cpu": model });
    let all = json!({ "machine": machine, "runs": runs });
    Ok(serde_json::to_string_pretty(&all)?)
}
