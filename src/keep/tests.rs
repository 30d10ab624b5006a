//! The keeper's requests, against a stub of the API server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::api::OVERRIDE_ANNOTATION;

/// The requests that a stub has received: the method and the body.
type Requests = Arc<Mutex<Vec<(String, Value)>>>;

/// A client whose API server gives these answers in turn, and the last one again and again.
fn stub(answers: Vec<(u16, Value)>) -> (Client, Requests) {
    stub_that(move |requests| answers[answers.len().min(requests.len()) - 1].clone())
}

/// A client whose API server answers each request from all that it has received.
fn stub_that(
    answers: impl Fn(&[(String, Value)]) -> (u16, Value) + Send + Sync + 'static,
) -> (Client, Requests) {
    let requests = Requests::default();
    let answers = Arc::new(answers);
    let received = Arc::clone(&requests);
    let answer = move |request: Request<Body>| {
        let (received, answers) = (Arc::clone(&received), Arc::clone(&answers));
        async move {
            let method = request.method().to_string();
            let body = request.into_body().collect_bytes().await?;
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let mut received = received.lock().unwrap();
            received.push((method, body));
            let (code, body) = answers(&received);
            let response = Response::builder().status(code);
            Ok::<_, kube::Error>(
                response
                    .body(Body::from(body.to_string().into_bytes()))
                    .unwrap(),
            )
        }
    };
    (Client::new(service_fn(answer), "team"), requests)
}

fn object(version: &str, annotation: Option<&str>) -> (u16, Value) {
    let mut object = json!({
        "apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
        "metadata": {"name": "bot", "resourceVersion": version, "annotations": {}},
        // Fields of a newer version don't matter.
        "spec": {"state": "sometimes"},
        "status": {"usage": "other"},
    });
    if let Some(value) = annotation {
        object["metadata"]["annotations"][OVERRIDE_ANNOTATION] = value.into();
    }
    (200, object)
}

fn refused(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": reason,
    });
    (code, status)
}

fn keep(task: KeepTask) -> Keep {
    Keep {
        name: "bot".into(),
        namespace: None,
        task,
    }
}

const RENEW: KeepTask = KeepTask::Renew {
    lasts: Duration::from_secs(1200),
    every: Duration::from_secs(600),
};

/// Runs the keeper until it has sent this number of requests, and then tells it to end.
async fn requests(answers: Vec<(u16, Value)>, number: usize) -> Vec<(String, Value)> {
    let (client, requests) = stub(answers);
    let shutdown = CancellationToken::new();
    let enough = async {
        while requests.lock().unwrap().len() < number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shutdown.cancel();
    };
    let keep = keep(RENEW);
    let (ended, ()) = tokio::join!(run(client, &keep, &shutdown), enough);
    assert_eq!(ended, Ok(()), "the end of a keeper is no failure");
    let requests = requests.lock().unwrap();
    requests.clone()
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_person_between_read_and_write_is_not_lost() {
    let end = Timestamp::now() + SignedDuration::from_hours(1);
    let off = format!("inactive until {end}");
    let answers = vec![
        object("1", None),
        refused(409, "Conflict"),
        object("2", Some(&off)),
    ];
    let sent = requests(answers, 4).await;
    let methods: Vec<&str> = sent.iter().map(|(method, _)| method.as_str()).collect();
    // The fourth request comes with the next renewal.
    assert_eq!(methods, ["GET", "PATCH", "GET", "GET"]);
    assert_eq!(sent[1].1["metadata"]["resourceVersion"], "1");
    let value = &sent[1].1["metadata"]["annotations"][OVERRIDE_ANNOTATION];
    assert!(
        value.as_str().unwrap().starts_with("active until "),
        "{value}"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_until_the_override_is_renewed() {
    let mut answers = vec![
        refused(503, "ServiceUnavailable"),
        refused(403, "Forbidden"),
        refused(404, "NotFound"),
    ];
    answers.extend([object("1", None), object("2", None)]);
    let sent = requests(answers, 5).await;
    assert_eq!(sent.last().unwrap().0, "PATCH");
}

#[tokio::test(start_paused = true)]
async fn the_first_renewal_replaces_a_none_and_a_later_none_stops() {
    let none = Some("none");
    let answers = vec![
        object("1", none),
        object("2", Some("active until 2000-01-01T00:00:00Z")),
        object("3", none),
    ];
    let methods = methods_of_a_day(stub(answers)).await;
    assert_eq!(methods, ["GET", "PATCH", "GET"]);
}

/// Runs the keeper for a day, which is far longer than many renewals, and returns the methods of
/// its requests.
async fn methods_of_a_day((client, requests): (Client, Requests)) -> Vec<String> {
    let shutdown = CancellationToken::new();
    let keep = keep(RENEW);
    let run = run(client, &keep, &shutdown);
    let ended = tokio::time::timeout(Duration::from_secs(24 * 3600), run).await;
    assert!(
        ended.is_err(),
        "it runs on, so that nothing starts it again"
    );
    let requests = requests.lock().unwrap();
    requests.iter().map(|it| it.0.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_was_blocked_does_not_make_an_old_none_a_new_one() {
    let none = Some("none");
    let mut conflict = object("1", none);
    conflict.1["status"]["conditions"] = json!([{
        "type": "Ready", "status": "False", "reason": "Conflict", "message": "",
        "lastTransitionTime": "2026-11-25T09:00:00Z",
    }]);
    let mut deleted = object("1", none);
    deleted.1["metadata"]["deletionTimestamp"] = "2026-11-25T09:00:00Z".into();
    for blocked in [conflict, deleted] {
        let answers = vec![
            blocked,
            object("2", none),
            object("3", Some("active until 2000-01-01T00:00:00Z")),
            object("4", none),
        ];
        let methods = methods_of_a_day(stub(answers)).await;
        assert_eq!(methods, ["GET", "GET", "PATCH", "GET"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_none_does_not_stop_the_process_even_without_the_annotation() {
    let handled = |version: &str, annotation: Option<&str>, value: &str| {
        let mut object = object(version, annotation);
        object.1["status"]["handledOverride"] = value.into();
        object
    };
    let over = "active until 2000-01-01T00:00:00Z";
    let answers = vec![
        handled("1", None, "none"),
        handled("2", Some(over), "none"),
        // The annotation was dropped before the operator has handled it.
        handled("3", None, "none"),
        handled("4", Some(over), "none"),
        // The operator has handled it.
        handled("5", Some(over), over),
        handled("6", Some(over), over),
        // A `none` was set, handled and dropped.
        handled("7", None, "none"),
    ];
    let methods = methods_of_a_day(stub(answers)).await;
    assert_eq!(
        methods,
        ["GET", "PATCH", "GET", "PATCH", "GET", "PATCH", "GET"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_none_after_a_write_whose_answer_was_lost_stops() {
    // The operator has handled the write, and a person has set `none` since then.
    let handled = |requests: &[(String, Value)]| {
        let mut object = object("2", Some("none"));
        object.1["status"]["handledOverride"] =
            requests[1].1["metadata"]["annotations"][OVERRIDE_ANNOTATION].clone();
        object
    };
    let stub = stub_that(move |requests| match requests.len() {
        1 => object("1", None),
        2 => refused(504, "Timeout"),
        _ => handled(requests),
    });
    assert_eq!(methods_of_a_day(stub).await, ["GET", "PATCH", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn words_of_a_newer_operator_prevent_no_renewal() {
    let mut newer = object("1", None);
    newer.1["status"] = json!({
        "live": "hibernating", "desired": "paused", "conditions": [{"kind": "Ready"}],
        "override": {"value": "paused", "state": "paused", "until": "2000-01-01T00:00:00Z"},
    });
    let sent = requests(vec![newer], 2).await;
    assert_eq!(sent[1].0, "PATCH");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_model_or_with_the_reason() {
    let shown = |live: &str, ready: &str, stalled: bool| {
        let mut object = object("1", None).1;
        let condition = |type_: &str, status: &str| {
            json!({
                "type": type_, "status": status, "reason": "Because", "message": "It is so.",
                "lastTransitionTime": "2026-11-25T09:00:00Z",
            })
        };
        let mut conditions = vec![condition("Ready", ready)];
        conditions.extend(stalled.then(|| condition("Stalled", "True")));
        object["status"] = json!({"desired": "active", "live": live, "conditions": conditions});
        (200, object)
    };
    let gone = || refused(404, "NotFound");
    for (answers, ends) in [
        (
            vec![
                gone(),
                shown("inactive", "False", false),
                shown("active", "True", false),
            ],
            Ok(()),
        ),
        (
            vec![shown("inactive", "False", true)],
            Err("the OxenModel bot is Stalled: Because: It is so."),
        ),
        (
            vec![shown("deploying", "False", false)],
            Err(
                "the model of the OxenModel bot is not active after 1m: the live status is \
                 deploying. Because: It is so.",
            ),
        ),
        (
            vec![gone()],
            Err(
                "the model of the OxenModel bot is not active after 1m: NotFound. Create \
                 the OxenModel, or correct --model-object",
            ),
        ),
    ] {
        let (client, sent) = stub(answers);
        let shutdown = CancellationToken::new();
        let keep = keep(KeepTask::Wait(Duration::from_secs(60)));
        let ended = run(client, &keep, &shutdown).await;
        assert_eq!(
            ended.map_err(|error| error.to_string()),
            ends.map_err(str::to_owned)
        );
        assert!(
            sent.lock()
                .unwrap()
                .iter()
                .all(|(method, _)| method == "GET")
        );
    }
    let (client, _) = stub(vec![gone()]);
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let keep = keep(KeepTask::Wait(Duration::from_secs(60)));
    assert!(
        run(client, &keep, &shutdown).await.is_err(),
        "the model is not active"
    );
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_of_a_wait_is_no_problem() {
    let (client, sent) = stub(vec![object("1", None)]);
    let shutdown = CancellationToken::new();
    let keep = keep(KeepTask::Wait(Duration::MAX));
    let looked_twice = async {
        while sent.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(run(client, &keep, &shutdown), looked_twice);
    assert_eq!(ended, Err(WaitError::Interrupted { name: "bot".into() }));
}
