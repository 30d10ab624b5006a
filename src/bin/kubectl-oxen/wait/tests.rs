//! The machine, on objects as the operator writes them.

use serde_json::{Value, json};

use super::*;

const VALUE: &str = "active until 2026-11-25T18:00:00+01:00";

fn object(ready: (&str, &str), stalled: bool, status: Value) -> OxenModel {
    let one = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason, "message": "words",
               "observedGeneration": 2, "lastTransitionTime": "2026-11-25T09:00:00Z"})
    };
    let mut conditions = vec![one("Ready", ready.0, ready.1)];
    if stalled {
        conditions.push(one("Stalled", "True", ready.1));
    }
    let mut object = json!({
        "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
        "metadata": {"name": "bot", "namespace": "a", "generation": 2,
                     "annotations": {"oxen.ai/override": VALUE,
                                     "oxen.ai/reconcile-requested-at": "t"}},
        "spec": {"model": "m", "state": "inactive"},
        "status": {"observedGeneration": 2, "conditions": conditions},
    });
    for (key, value) in status.as_object().unwrap() {
        object["status"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn annotate(object: &mut OxenModel, name: &str, value: Option<&str>) {
    let annotations = object.metadata.annotations.as_mut().unwrap();
    annotations.remove(name);
    annotations.extend(value.map(|value| (name.to_owned(), value.to_owned())));
}

fn in_force(live: &str) -> Value {
    json!({"live": live, "override": {"value": VALUE, "state": "active",
                                     "until": "2026-11-25T17:00:00Z"}})
}

#[test]
fn the_echo_comes_before_the_conditions() {
    let on = || Request::Override(VALUE.into(), State::Active);
    let words = |reason: &str| (reason.to_owned(), "words".to_owned());
    let working = |reason| {
        let (r, m) = words(reason);
        Progress::Working(r, m)
    };
    let done = |reason| {
        let (r, m) = words(reason);
        Progress::Done(r, m)
    };
    let stalled = |reason| {
        let (r, m) = words(reason);
        Progress::Stalled(r, m)
    };
    let refused = json!({"refusedOverride": {"value": VALUE, "why": "too long"}});
    let other = json!({"refusedOverride": {"value": "other", "why": "too long"}});
    for (request, ready, is_stalled, status, expected) in [
        (
            on(),
            ("False", "Rejected"),
            true,
            json!({}),
            Progress::Unseen,
        ),
        (
            on(),
            ("True", "Active"),
            false,
            json!({"live": "active"}),
            Progress::Unseen,
        ),
        (on(), ("True", "Inactive"), false, other, Progress::Unseen),
        (
            on(),
            ("True", "Inactive"),
            false,
            refused,
            Progress::Refused("too long".into()),
        ),
        (
            on(),
            ("False", "Activating"),
            false,
            in_force("deploying"),
            working("Activating"),
        ),
        (
            on(),
            ("True", "Active"),
            false,
            in_force("active"),
            done("Active"),
        ),
        (
            on(),
            ("True", "IdleShutdown"),
            false,
            in_force("inactive"),
            working("IdleShutdown"),
        ),
        (
            on(),
            ("False", "Rejected"),
            true,
            in_force("inactive"),
            stalled("Rejected"),
        ),
        (
            on(),
            ("False", "WouldActivate"),
            false,
            in_force("inactive"),
            stalled("WouldActivate"),
        ),
        (
            on(),
            ("False", "WouldActivate"),
            false,
            in_force("active"),
            working("WouldActivate"),
        ),
        (
            Request::Resume(2),
            ("False", "WouldDeactivate"),
            false,
            json!({"live": "none"}),
            working("WouldDeactivate"),
        ),
        (
            Request::Resume(2),
            ("False", "WouldDeactivate"),
            false,
            json!({"live": "active"}),
            stalled("WouldDeactivate"),
        ),
        (
            Request::Spec(3, Declared::Inactive),
            ("True", "Active"),
            false,
            json!({}),
            Progress::Unseen,
        ),
        (
            Request::Spec(2, Declared::Inactive),
            ("True", "Inactive"),
            false,
            json!({"live": "none"}),
            done("Inactive"),
        ),
        (
            Request::Spec(2, Declared::Inactive),
            ("True", "Active"),
            false,
            in_force("active"),
            Progress::Overridden(State::Active, "2026-11-25T17:00:00Z".parse().unwrap()),
        ),
        (
            Request::Reconcile("t".into()),
            ("True", "Active"),
            false,
            json!({"lastHandledReconcileAt": "s"}),
            Progress::Unseen,
        ),
        (
            Request::Reconcile("t".into()),
            ("False", "Rejected"),
            true,
            json!({"lastHandledReconcileAt": "t"}),
            stalled("Rejected"),
        ),
    ] {
        let object = object(ready, is_stalled, status);
        assert_eq!(request.progress(&object), expected, "{request:?} {ready:?}");
    }
}

#[test]
fn an_override_has_ended_when_its_end_was_handled() {
    let handled = |value: &str| json!({"handledOverride": value});
    for (annotated, status, expected) in [
        ("none", in_force("active"), Progress::Unseen),
        ("none", json!({}), Progress::Unseen),
        (
            "none",
            handled("none"),
            Progress::Done("Inactive".into(), "words".into()),
        ),
        (
            VALUE,
            handled("other"),
            Progress::Over(format!("another override has taken its place: \"{VALUE}\"")),
        ),
    ] {
        let mut object = object(("True", "Inactive"), false, status.clone());
        annotate(&mut object, OVERRIDE_ANNOTATION, Some(annotated));
        assert_eq!(
            Request::Auto.progress(&object),
            expected,
            "{annotated} {status}"
        );
    }
    // Flux may remove the annotation.
    let mut object = object(("True", "Inactive"), false, handled("none"));
    annotate(&mut object, OVERRIDE_ANNOTATION, None);
    let done = Progress::Done("Inactive".into(), "words".into());
    assert_eq!(Request::Auto.progress(&object), done);
}

#[test]
fn a_request_that_is_replaced_or_ends_is_not_waited_for() {
    let ready = ("True", "Inactive");
    let on = || Request::Override(VALUE.into(), State::Active);
    let reconcile = || Request::Reconcile("t".into());
    let handled = json!({"handledOverride": VALUE});
    for (request, name, annotated, status, why) in [
        (
            on(),
            OVERRIDE_ANNOTATION,
            Some("none"),
            json!({}),
            Some("\"none\""),
        ),
        (
            on(),
            OVERRIDE_ANNOTATION,
            Some("none"),
            in_force("active"),
            None,
        ),
        (
            on(),
            OVERRIDE_ANNOTATION,
            Some(VALUE),
            handled.clone(),
            Some("has ended"),
        ),
        (on(), OVERRIDE_ANNOTATION, Some(VALUE), json!({}), None),
        (on(), OVERRIDE_ANNOTATION, None, handled, Some("has ended")),
        (
            on(),
            OVERRIDE_ANNOTATION,
            None,
            json!({}),
            Some("was removed before"),
        ),
        (
            reconcile(),
            RECONCILE_ANNOTATION,
            Some("u"),
            json!({}),
            Some("\"u\""),
        ),
        (
            reconcile(),
            RECONCILE_ANNOTATION,
            Some("u"),
            json!({"lastHandledReconcileAt": "t"}),
            None,
        ),
        (
            reconcile(),
            RECONCILE_ANNOTATION,
            None,
            json!({}),
            Some("was removed before"),
        ),
    ] {
        let mut object = object(ready, false, status.clone());
        annotate(&mut object, name, annotated);
        over(&request, &object, why);
    }
    let mut object = object(ready, false, json!({}));
    let active = Request::Spec(2, Declared::Active);
    over(&active, &object, Some("its spec now declares inactive"));
    over(&Request::Suspend(2), &object, Some("it is resumed again"));
    object.spec.suspend = Some(true);
    over(&Request::Resume(2), &object, Some("it is suspended again"));
    over(&Request::Suspend(2), &object, None);
    object.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-11-25T09:00:00Z")).unwrap();
    over(&on(), &object, Some("it is being deleted"));
}

fn over(request: &Request, object: &OxenModel, why: Option<&str>) {
    match (request.progress(object), why) {
        (Progress::Over(found), Some(why)) => assert!(found.contains(why), "{found}"),
        (found, why) => {
            let is_over = matches!(found, Progress::Over(_));
            assert!(!is_over && why.is_none(), "{request:?} {found:?} {why:?}");
        }
    }
}

#[test]
fn a_suspension_is_done_when_it_is_seen() {
    let mut object = object(("False", "WouldActivate"), false, json!({}));
    object.spec.suspend = Some(true);
    let done = Progress::Done("WouldActivate".into(), "words".into());
    assert_eq!(Request::Suspend(2).progress(&object), done);
}

#[test]
fn a_reconcile_that_the_hub_does_not_answer_is_told() {
    let mut object = object(("False", "Unauthenticated"), true, json!({}));
    let reconcile = Request::Reconcile("t".into());
    assert_eq!(reconcile.progress(&object), Progress::Unseen);
    let synced = json!({"type": "Synced", "status": "False", "reason": "Unauthenticated",
                        "message": "", "lastTransitionTime": "2026-11-25T09:00:00Z"});
    let status = object.status.as_mut().unwrap();
    status
        .conditions
        .push(serde_json::from_value(synced).unwrap());
    let unanswered = Progress::Unanswered("Unauthenticated".into(), "words".into());
    assert_eq!(reconcile.progress(&object), unanswered);
}

#[test]
fn conditions_of_an_older_generation_count_for_nothing() {
    let mut object = object(("True", "Active"), false, in_force("active"));
    object.metadata.generation = Some(3);
    let on = Request::Override(VALUE.into(), State::Active);
    assert_eq!(on.progress(&object), Progress::Unseen);
}
