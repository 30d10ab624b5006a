//! A deployment at the provider: the status now, and the statuses that are to come.

use std::time::Duration;

use tokio::time::Instant;

/// Which of the two calls.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Activate,
    Deactivate,
}

impl Direction {
    fn transition(self) -> &'static str {
        match self {
            Self::Activate => "deploying",
            Self::Deactivate => "deactivating",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Self::Activate => "active",
            Self::Deactivate => "inactive",
        }
    }
}

/// How a call plays out.
pub(crate) struct Course {
    pub(crate) direction: Direction,
    /// How long the provider shows nothing of it.
    pub(crate) late: Duration,
    /// How long the transition takes.
    pub(crate) delay: Duration,
    /// Ends in `error`.
    pub(crate) fails: bool,
}

#[derive(Clone)]
pub(crate) struct Deployment {
    status: String,
    coming: Vec<(Instant, String)>,
}

impl Deployment {
    pub(crate) fn new(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            coming: Vec::new(),
        }
    }

    /// What the provider says at this time.
    pub(crate) fn status(&self, now: Instant) -> &str {
        let past = self.coming.iter().rev().find(|(at, _)| *at <= now);
        past.map_or(&self.status, |(_, status)| status)
    }

    /// Something from outside will set the status. A call before then takes its place.
    pub(crate) fn drift(&mut self, status: String, at: Instant) {
        self.coming.push((at, status));
        self.coming.sort_by_key(|(at, _)| *at);
    }

    /// Whether the deployment already is, or is about to be, where the call would take it.
    pub(crate) fn heads_for(&self, direction: Direction, now: Instant) -> bool {
        let heading = self.heading(now);
        heading == direction.transition() || heading == direction.end()
    }

    /// The transition that a late call will bring, or else the status.
    pub(crate) fn heading(&self, now: Instant) -> &str {
        let late = self.coming.iter().find(|(at, status)| {
            *at > now && matches!(status.as_str(), "deploying" | "deactivating")
        });
        late.map_or_else(|| self.status(now), |(_, status)| status)
    }

    /// Takes a call. The answer is the status to show for it.
    pub(crate) fn take(&mut self, course: &Course, now: Instant) -> &'static str {
        let begins = now + course.late;
        let end = if course.fails {
            "error"
        } else {
            course.direction.end()
        };
        self.status = self.status(now).to_owned();
        self.coming = vec![
            (begins, course.direction.transition().to_owned()),
            (begins + course.delay, end.to_owned()),
        ];
        course.direction.transition()
    }
}
