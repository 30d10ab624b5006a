//! How a run ends.

/// How a run ends, from the mildest to the one that is reported first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and as wanted.
    Done,
    /// An error.
    Failed,
    /// A wait ended because the object is Stalled.
    Stalled,
    /// A wait ended because its time was over.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

impl Outcome {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Stalled => 2,
            Outcome::TimedOut => 3,
            Outcome::Interrupted => 130,
        }
    }

    /// The outcome of several objects: interrupted, else failed, else stalled, else timed out, if
    /// any of them was.
    pub fn worst(self, other: Self) -> Self {
        let order = [
            Outcome::Interrupted,
            Outcome::Failed,
            Outcome::Stalled,
            Outcome::TimedOut,
        ];
        let found = order.into_iter().find(|one| *one == self || *one == other);
        found.unwrap_or(Outcome::Done)
    }
}

/// Why a run can't go on.
#[derive(Debug)]
pub enum Failure {
    /// The reader of standard output went away, as `head` does.
    ReaderGone,
    /// An error: what is the case, then what to do.
    Because(String),
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Because(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_a_stall_and_a_stall_a_timeout() {
        use Outcome::{Done, Failed, Interrupted, Stalled, TimedOut};
        for (one, other, worst) in [
            (Done, Done, 0),
            (Done, TimedOut, 3),
            (TimedOut, Stalled, 2),
            (Stalled, Failed, 1),
            (Failed, Interrupted, 130),
        ] {
            assert_eq!(one.worst(other).code(), worst);
            assert_eq!(other.worst(one).code(), worst);
        }
    }
}
