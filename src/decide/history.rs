//! What a process remembers of an object's earlier observations.

use std::time::Duration;

use super::{effect::still_old, fault::Fault, remote::Remote, rules::Rules};
use crate::api::Operation;

/// What a process remembers of an object's earlier observations. A restart clears it, which can
/// only make the operator wait longer.
///
/// It has no clock. [`advance`](Self::advance) adds the time that has passed on the process's
/// monotonic clock, so that no wall clocks are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The number of observations in a row that the hub left unanswered, the last one included.
    pub failures: u32,
    /// How long the hub has not answered for this object.
    pub silence: Duration,
    /// The number of live GETs in a row, the last one included, that said `Model not found` to
    /// the very key that had retrieved the model.
    pub not_found: u32,
    /// The open operation, if there is one.
    pub operation: Option<OperationWatch>,
}

/// How long this process has watched an open operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OperationWatch {
    /// The operation's id.
    pub id: String,
    /// The time since this process first saw the operation.
    pub elapsed: Duration,
    /// The number of live GETs that still showed the old status after
    /// [`Rules::operation_patience`], the last one included.
    pub unmoved: u32,
}

/// The API key that an observation was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsed {
    /// No request was sent.
    None,
    /// This key is the one that last retrieved the model.
    Proven,
    /// This key has not retrieved the model yet.
    Unproven,
}

impl History {
    /// Adds the time that has passed.
    pub fn advance(&mut self, by: Duration) {
        self.silence = self.silence.saturating_add(by);
        if let Some(watch) = &mut self.operation {
            watch.elapsed = watch.elapsed.saturating_add(by);
        }
    }

    /// Takes an observation into account: what the hub answered, with which key, and the operation
    /// that was open then.
    pub fn observe(
        &mut self,
        retrieved: &Result<Box<Remote>, Fault>,
        key: KeyUsed,
        open: Option<&Operation>,
        rules: &Rules,
    ) {
        match (retrieved, key) {
            (Ok(_), _) => {
                self.failures = 0;
                self.not_found = 0;
                self.silence = Duration::ZERO;
            }
            (Err(fault), KeyUsed::Proven) if fault.is_model_not_found() => self.not_found += 1,
            (Err(_), KeyUsed::None) => {}
            (Err(_), KeyUsed::Proven | KeyUsed::Unproven) => {
                self.failures = self.failures.saturating_add(1);
                self.not_found = 0;
            }
        }
        self.operation = open.map(|open| self.watch(retrieved, open, rules));
    }

    fn watch(
        &mut self,
        retrieved: &Result<Box<Remote>, Fault>,
        open: &Operation,
        rules: &Rules,
    ) -> OperationWatch {
        let known = self.operation.take().filter(|watch| watch.id == open.id);
        let mut watch = known.unwrap_or_else(|| OperationWatch {
            id: open.id.clone(),
            ..OperationWatch::default()
        });
        let late = watch.elapsed >= rules.operation_patience;
        let old = retrieved
            .as_ref()
            .is_ok_and(|remote| still_old(open.kind, remote.live));
        watch.unmoved = watch.unmoved.saturating_add(u32::from(late && old));
        watch
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::{api::OperationKind, decide::HubFault};

    fn open(id: &str) -> Operation {
        Operation {
            id: id.into(),
            kind: OperationKind::Activate,
            generation: 1,
            epoch: 1,
            started: Time(Timestamp::UNIX_EPOCH),
            sends: 1,
            accepted: None,
        }
    }

    #[test]
    fn an_operation_is_watched_from_when_it_was_first_seen() {
        let rules = Rules::default();
        let mut history = History::default();
        let silent = Err(Fault::Hub(HubFault::Unreachable("down".into())));
        let mut watch = |id: &str, after: Duration| {
            history.advance(after);
            history.observe(&silent, KeyUsed::Proven, Some(&open(id)), &rules);
            history.operation.clone().map(|watch| watch.elapsed)
        };
        assert_eq!(watch("a", Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(
            watch("a", rules.operation_patience),
            Some(rules.operation_patience)
        );
        assert_eq!(watch("b", Duration::ZERO), Some(Duration::ZERO));
    }

    #[test]
    fn not_found_counts_only_for_the_key_that_retrieved_the_model() {
        let rules = Rules::default();
        let mut history = History::default();
        let gone = Err(Fault::Hub(HubFault::ModelNotFound(Vec::new())));
        history.observe(&gone, KeyUsed::Unproven, None, &rules);
        assert_eq!((history.not_found, history.failures), (0, 1));
        history.observe(&gone, KeyUsed::Proven, None, &rules);
        history.observe(&gone, KeyUsed::Proven, None, &rules);
        assert_eq!(history.not_found, 2);
    }
}
