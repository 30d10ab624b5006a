//! A request that has its permit.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{lock, places::Class, state::State, token_bucket::Feedback};
use crate::hub::key::ApiKey;

/// A request that counts against the limits, from when it goes out until it has ended.
#[derive(Debug)]
pub(in crate::hub) struct InFlight {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) key: ApiKey,
    pub(super) class: Class,
    pub(in crate::hub) sent: Instant,
    pub(in crate::hub) waited: Duration,
    pub(super) ended: bool,
}

impl InFlight {
    /// Ends the request. After a 429 to a GET, returns the wait that follows from it.
    pub(in crate::hub) fn end(mut self, feedback: Feedback) -> Option<Duration> {
        self.close(feedback)
    }

    fn close(&mut self, feedback: Feedback) -> Option<Duration> {
        self.ended = true;
        let now = Instant::now();
        lock(&self.state).ended(&self.key, self.class, self.sent, feedback, now)
    }
}

/// A request that was cancelled says nothing about its key.
impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.ended {
            self.close(Feedback::Cancelled);
        }
    }
}
