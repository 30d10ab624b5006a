//! What a process knows of its last operation where the API server does not hold it.

use LiveStatus::{Active, Inactive};
use OperationKind::Activate;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use oxen_operator::{
    api::{Attempts, LiveStatus, Operation, OperationKind, OxenModel, OxenModelStatus, State},
    decide::Tracked,
};
use testkit::simulation::Simulation;

/// A status with this operation open, and this many calls made.
fn status(open: Option<&str>, calls: u32) -> OxenModelStatus {
    OxenModelStatus {
        operation: open.map(|id| Operation {
            id: id.into(),
            kind: Activate,
            from: Inactive,
            started: Time(Timestamp::UNIX_EPOCH),
            accepted: None,
        }),
        attempts: Some(Attempts {
            generation: 1,
            uid: uid(),
            calls: Some(calls),
            ..Attempts::default()
        }),
        ..OxenModelStatus::default()
    }
}

fn uid() -> Option<String> {
    Simulation::new(State::Active).object.metadata.uid
}

/// The object with this stored status.
fn stored(status: OxenModelStatus) -> OxenModel {
    OxenModel {
        status: Some(status),
        ..Simulation::new(State::Active).object
    }
}

/// The operation and the calls that the next reconcile starts from.
fn start(tracked: &Tracked, object: &OxenModel) -> (Option<String>, Option<u32>) {
    let known = tracked.applied(object);
    let status = known.or(object.status.clone()).unwrap_or_default();
    let open = status.operation.map(|open| open.id);
    (open, status.attempts.and_then(|spent| spent.calls))
}

fn open(id: &str, calls: u32) -> (Option<String>, Option<u32>) {
    (Some(id.into()), Some(calls))
}

fn recorded(id: &str) -> Tracked {
    let mut tracked = Tracked::default();
    tracked.track(id, &status(None, 0));
    tracked.stored(&status(Some(id), 1));
    tracked
}

#[test]
fn a_record_without_an_answer_was_never_called() {
    let mut tracked = Tracked::default();
    tracked.track("a", &status(None, 0));
    for shown in [status(None, 0), status(Some("a"), 1)] {
        assert_eq!(start(&tracked, &stored(shown)), (None, Some(0)));
    }
}

#[test]
fn an_operation_is_followed_where_its_record_was_cleared() {
    let tracked = recorded("a");
    let cleared = OxenModel {
        status: None,
        ..stored(status(None, 0))
    };
    assert_eq!(start(&tracked, &cleared), open("a", 1));
}

#[test]
fn an_end_whose_write_has_no_answer_stays_an_end_whether_or_not_it_took_effect() {
    let mut tracked = recorded("a");
    tracked.before_write(&status(None, 1));
    for shown in [status(None, 1), status(Some("a"), 1)] {
        assert_eq!(start(&tracked, &stored(shown)), (None, Some(1)));
    }
    // The next operation's record has no answer either.
    tracked.track("b", &status(None, 1));
    for shown in [status(None, 1), status(Some("a"), 1), status(Some("b"), 2)] {
        assert_eq!(start(&tracked, &stored(shown)), (None, Some(1)));
    }
}

#[test]
fn an_activation_whose_write_failed_is_not_forgotten() {
    let mut tracked = recorded("a");
    let ended = OxenModelStatus {
        activations: Some(vec![120]),
        ..status(None, 1)
    };
    tracked.before_write(&ended);
    let known = tracked.applied(&stored(status(Some("a"), 1))).unwrap();
    assert_eq!(known.activations, ended.activations);
    tracked.stored(&ended);
    assert_eq!(tracked, Tracked::default());
}

#[test]
fn an_operation_that_takes_another_ones_place_gives_it_back() {
    let mut tracked = recorded("a");
    tracked.track("b", &status(Some("a"), 1));
    assert_eq!(start(&tracked, &stored(status(Some("b"), 2))), open("a", 1));
    tracked.stored(&status(Some("b"), 2));
    assert_eq!(start(&tracked, &stored(status(Some("a"), 1))), open("b", 2));
}

#[test]
fn what_an_answered_write_says_of_the_operation_replaces_what_was_known() {
    let mut tracked = recorded("a");
    let mut accepted = status(Some("a"), 1);
    accepted.operation.as_mut().unwrap().accepted = Some(true);
    tracked.before_write(&accepted);
    tracked.stored(&accepted);
    let known = tracked.applied(&stored(status(Some("a"), 1))).unwrap();
    assert_eq!(known.operation, accepted.operation);
    tracked.stored(&status(None, 1));
    assert_eq!(tracked, Tracked::default());
}

#[test]
fn nothing_is_tracked_before_the_first_operation() {
    let mut tracked = Tracked::default();
    tracked.before_write(&status(Some("a"), 1));
    tracked.stored(&status(Some("a"), 1));
    assert_eq!(tracked, Tracked::default());
}

#[test]
fn a_restored_status_does_not_end_an_operation() {
    let tracked = recorded("a");
    let mut restored = status(Some("of-another-cluster"), 3);
    restored.live = Some(Active);
    restored.attempts.as_mut().unwrap().generation = 9;
    restored.attempts.as_mut().unwrap().uid = Some("another".into());
    let object = stored(restored);
    assert_eq!(start(&tracked, &object), open("a", 1));
    assert_eq!(tracked.applied(&object).unwrap().live, None);
}
