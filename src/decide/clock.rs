//! The wall clock that schedules and overrides are judged by.

use jiff::Timestamp;

/// The wall clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time that it shows.
    pub now: Timestamp,
    /// Whether the hub's clock shows another time, so that one of the two is wrong. Time alone then
    /// changes no desired state, and ends no override.
    pub differs: bool,
}

/// A clock that agrees with the hub's.
impl From<Timestamp> for Clock {
    fn from(now: Timestamp) -> Self {
        Self {
            now,
            differs: false,
        }
    }
}
