//! The log: each line of a reconcile names its object, whoever writes the line.

use cluster::StatusCode;
use hub::Model;
use serde_json::{Value, json};
use testkit::world::eventually;

use crate::gated::{Gated, STATUS, spec};

/// The modules that log only during a reconcile or in the error policy.
const RECONCILES: [&str; 3] = [
    "oxen_operator::controller::events",
    "oxen_operator::controller::reconcile",
    "oxen_operator::controller::record",
];

#[tokio::test]
async fn each_line_of_a_reconcile_names_its_object() {
    let gated = Gated::new().await;
    let Gated { world, gate } = &gated;
    gate.refuse_once(STATUS.0, STATUS.1, StatusCode::INTERNAL_SERVER_ERROR);
    gate.refuse_once(STATUS.0, STATUS.1, StatusCode::CONFLICT);
    let settings = [("OXEN_LOG_FORMAT", "json"), ("RUST_LOG", "trace")];
    let operator = gated.operator_with(&settings);
    world.hub.add_model(Model::custom("other"));
    world.create("bot", spec("active")).await;
    let other = json!({"model": "other", "state": "active"});
    world.create("other", other).await;
    for name in ["bot", "other"] {
        world.until_reason(name, "Active").await;
    }
    for words in [
        "a request to the Kubernetes API failed",
        "the object has changed meanwhile",
        "the call's outcome is recorded",
        "The operator sends activate",
        // This is logged by a function of another crate, which knows no object.
        "hyper_util::client",
    ] {
        let lines = eventually(words, || async {
            let log = operator.log();
            let lines = log.lines().filter(|line| line.contains(words));
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            (!lines.is_empty()).then_some(lines)
        })
        .await;
        let named = lines
            .iter()
            .filter(|line| names_object(line, &world.namespace));
        assert!(named.count() > 0, "{lines:#?}");
    }
    let log = operator.log();
    for line in log.lines() {
        let target = parsed(line)["target"].as_str().unwrap().to_owned();
        let named = names_object(line, &world.namespace);
        assert!(named || !RECONCILES.contains(&target.as_str()), "{line}");
        assert!(!line.contains("reconciling object"), "{line}");
    }
    assert_eq!(world.calls("bot"), ["activate"]);
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Returns true when a line has the namespace and the name of one of the objects.
fn names_object(line: &str, namespace: &str) -> bool {
    assert!(line.matches(r#""name":"#).count() <= 1, "{line}");
    let fields = parsed(line);
    fields["namespace"] == namespace && (fields["name"] == "bot" || fields["name"] == "other")
}
