//! The scenarios: numbers of objects, settings and time limits.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

/// How long the simulated hub takes to answer a request.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(20);

/// How long a model is `deploying` or `deactivating`.
pub(crate) const TRANSITION: Duration = Duration::from_secs(3);

/// A number of inactive models that are declared active at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// 500 objects, with the operator's default settings
    #[value(name = "500")]
    Defaults,
    /// 500 objects, with a hub rate of 1000
    #[value(name = "500-rate-1000")]
    Fast,
    /// 10,000 objects, with a hub rate of 2000
    #[value(name = "10000")]
    Many,
    /// 100,000 objects, with a hub rate of 2000
    #[value(name = "100000")]
    Large,
}

impl Scenario {
    /// The scenarios of `make bench`.
    pub(crate) const DEFAULT: [Self; 3] = [Self::Defaults, Self::Fast, Self::Many];

    pub(crate) fn objects(self) -> usize {
        match self {
            Self::Defaults | Self::Fast => 500,
            Self::Many => 10_000,
            Self::Large => 100_000,
        }
    }

    /// The operator's setting `--hub-rate`, if it isn't the default.
    pub(crate) fn hub_rate(self) -> Option<u32> {
        match self {
            Self::Defaults => None,
            Self::Fast => Some(1000),
            Self::Many | Self::Large => Some(2000),
        }
    }

    /// The `syncInterval` of each object. 100,000 objects have the default, because the polls of a
    /// shorter one would take more than the hub rate.
    pub(crate) fn sync_interval(self) -> Option<Duration> {
        match self {
            Self::Defaults | Self::Fast | Self::Many => Some(Duration::from_secs(30)),
            Self::Large => None,
        }
    }

    /// Whether the settled cluster and edits of single objects are measured, too.
    pub(crate) fn measures_settled(self) -> bool {
        match self {
            Self::Defaults | Self::Many => true,
            Self::Fast | Self::Large => false,
        }
    }

    /// Whether a restart with all objects is measured, too.
    pub(crate) fn measures_restart(self) -> bool {
        match self {
            Self::Defaults | Self::Many | Self::Large => true,
            Self::Fast => false,
        }
    }

    /// Whether the kubectl plugin is measured, too.
    pub(crate) fn measures_plugin(self) -> bool {
        match self {
            Self::Fast => true,
            Self::Defaults | Self::Many | Self::Large => false,
        }
    }

    /// The time limit of a phase. A phase that takes longer is reported as not reached.
    pub(crate) fn deadline(self) -> Duration {
        let seconds = match self {
            Self::Defaults | Self::Fast | Self::Many => 120,
            Self::Large => 2400,
        };
        Duration::from_secs(seconds)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
