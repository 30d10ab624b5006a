//! The wall clock, and waits that end when the desired state changes by itself.

use std::time::Duration;

use jiff::Timestamp;

/// The shortest wait for a change. The wall clock may have been set back, so a wait that ends a
/// little early must not lead to a loop.
const SHORTEST: Duration = Duration::from_secs(1);

/// The wall clock in whole seconds, because the API server stores no fractions.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// The wait, or the time until `change` if that is shorter.
pub(super) fn no_later_than(wait: Duration, change: Option<Timestamp>) -> Duration {
    let Some(change) = change else {
        return wait;
    };
    let left = change.duration_since(Timestamp::now());
    wait.min(Duration::try_from(left).unwrap_or_default().max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn no_wait_passes_a_change() {
        let long = Duration::from_secs(300);
        assert_eq!(no_later_than(long, None), long);
        let after = |seconds| Some(Timestamp::now() + SignedDuration::from_secs(seconds));
        let wait = no_later_than(long, after(20));
        assert!(wait <= Duration::from_secs(20) && wait > Duration::from_secs(10));
        assert_eq!(no_later_than(long, after(3600)), long);
        assert_eq!(no_later_than(long, after(-60)), SHORTEST);
        assert_eq!(no_later_than(Duration::ZERO, after(20)), Duration::ZERO);
    }
}
