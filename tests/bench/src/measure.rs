//! The measures of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::process::Kind;
use crate::scenario::Scenario;

/// A measure, which is a row of the table. They are in the table's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    AllActiveSeconds,
    AllReadySeconds,
    ReadyButNotActive,
    HubRequestsPerModel,
    HubPostsPerModel,
    StatusWritesPerModel,
    FinalizerWritesPerModel,
    EventRequestsPerModel,
    CpuSeconds,
    ControlPlaneCpuSeconds,
    PeakMemoryMib,
    EditToPostP50Ms,
    EditToPostP99Ms,
    EditToPostWorstMs,
    SettledHubRequestsPerModel,
    SettledStatusWrites,
    SettledOtherWrites,
    SettledCpuSeconds,
    RestartToAllObservedSeconds,
    RestartCpuSeconds,
    RestartPeakMemoryMib,
    RelistPeakMemoryMib,
    PluginHelpMs,
    PluginStatusMs,
    KubectlGetMs,
}

impl Measure {
    /// The row's heading and unit, and the number of decimals.
    pub(crate) fn row(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::AllActiveSeconds => ("all active at the hub", " s", 1),
            Self::AllReadySeconds => ("Ready truthfully True for all", " s", 1),
            Self::ReadyButNotActive => ("objects that were Ready before active", "", 0),
            Self::HubRequestsPerModel => ("hub requests per model", "", 2),
            Self::HubPostsPerModel => ("POSTs per model", "", 2),
            Self::StatusWritesPerModel => ("status writes per model", "", 2),
            Self::FinalizerWritesPerModel => ("finalizer writes per model", "", 2),
            Self::EventRequestsPerModel => ("event requests per model", "", 2),
            Self::CpuSeconds => ("CPU", " s", 2),
            Self::ControlPlaneCpuSeconds => ("CPU of the API server and etcd", " s", 1),
            Self::PeakMemoryMib => ("peak RSS", " MiB", 1),
            Self::EditToPostP50Ms => ("edit to POST, p50", " ms", 1),
            Self::EditToPostP99Ms => ("edit to POST, p99", " ms", 1),
            Self::EditToPostWorstMs => ("edit to POST, worst", " ms", 1),
            Self::SettledHubRequestsPerModel => ("settled for 60 s: hub requests per model", "", 2),
            Self::SettledStatusWrites => ("settled for 60 s: status writes", "", 0),
            Self::SettledOtherWrites => ("settled for 60 s: other writes and events", "", 0),
            Self::SettledCpuSeconds => ("settled for 60 s: CPU", " s", 2),
            Self::RestartToAllObservedSeconds => ("restart: start to all observed", " s", 1),
            Self::RestartCpuSeconds => ("restart: CPU", " s", 2),
            Self::RestartPeakMemoryMib => ("restart: peak RSS", " MiB", 1),
            Self::RelistPeakMemoryMib => ("restart and relist: peak RSS", " MiB", 1),
            Self::PluginHelpMs => ("kubectl-oxen --help, p50", " ms", 1),
            Self::PluginStatusMs => ("kubectl oxen status, p50", " ms", 1),
            Self::KubectlGetMs => ("kubectl get oxm, p50", " ms", 1),
        }
    }
}

/// The value of a measure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    /// The phase ended at its time limit.
    NotReached {
        limit: Duration,
        reached: usize,
        of: usize,
    },
}

/// A number as it is, and anything else as text.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            // Three decimals are more than any measure has.
            Self::Number(number) => to.serialize_f64((number * 1000.0).round() / 1000.0),
            Self::NotReached { .. } => to.collect_str(self),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number:.*}", f.precision().unwrap_or(2)),
            Self::NotReached { limit, reached, of } => {
                let seconds = limit.as_secs();
                write!(f, "not reached in {seconds} s: {reached} of {of}")
            }
        }
    }
}

/// The measures of one controller in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    #[serde(serialize_with = "as_text")]
    pub(crate) scenario: Scenario,
    pub(crate) controller: Kind,
    pub(crate) objects: usize,
    pub(crate) measures: BTreeMap<Measure, Value>,
}

impl Run {
    pub(crate) fn new(scenario: Scenario, controller: Kind) -> Self {
        Self {
            scenario,
            controller,
            objects: scenario.objects(),
            measures: BTreeMap::new(),
        }
    }

    pub(crate) fn set(&mut self, measure: Measure, number: f64) {
        self.measures.insert(measure, Value::Number(number));
    }

    /// Sets a measure to a count that is divided by the number of models.
    pub(crate) fn set_per_model(&mut self, measure: Measure, count: u64) {
        self.set(measure, count as f64 / self.objects as f64);
    }

    /// Sets the time in which all objects reached a state, or the number of those that did.
    pub(crate) fn set_reached(&mut self, measure: Measure, reached: Reached) {
        let value = match reached {
            Reached::After(time) => Value::Number(time.as_secs_f64()),
            Reached::Not { limit, reached } => Value::NotReached {
                limit,
                reached,
                of: self.objects,
            },
        };
        self.measures.insert(measure, value);
    }
}

/// Whether and when all objects reached a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// All objects reached it after this time.
    After(Duration),
    /// This number of objects had reached it at the time limit.
    Not { limit: Duration, reached: usize },
}

/// The smallest of the sorted values that at least this share of them doesn't exceed.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Option<Duration> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

fn as_text<S: Serializer>(scenario: &Scenario, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_one_of_the_values() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let at = |share| percentile(&values, share).map(|value| value.as_millis());
        assert_eq!(
            (at(0.5), at(0.99), at(1.0)),
            (Some(100), Some(198), Some(200))
        );
        assert_eq!(percentile(&[], 0.5), None);
    }
}
