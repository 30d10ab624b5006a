//! The wall clock that schedules and overrides are judged by.

use jiff::Timestamp;

/// The wall clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time on the wall clock.
    pub now: Timestamp,
    /// Whether the hub's clock shows the same time. Unless it does, no override ends, and no window
    /// begins or ends.
    pub agreement: Agreement,
}

/// Whether the hub's clock shows the same time as the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Agreement {
    /// The two differ by at most five minutes, or the hub's answers have no date.
    #[default]
    Agrees,
    /// The two differ by more than five minutes, so one of them is wrong.
    Differs,
    /// The hub has not answered this process yet.
    Unknown,
}

/// Converts a time to a clock that agrees with the hub's.
impl From<Timestamp> for Clock {
    fn from(now: Timestamp) -> Self {
        Self {
            now,
            agreement: Agreement::Agrees,
        }
    }
}

impl Clock {
    /// Returns true when time alone may change the desired state.
    pub(super) fn is_believed(self) -> bool {
        self.agreement == Agreement::Agrees
    }
}
