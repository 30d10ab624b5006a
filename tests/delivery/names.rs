//! The names of the objects that the chart renders, and the labels that contain names.

use serde_json::{Value, json};

use crate::{
    chart::{assert_refused, of_kind, rendered, rendered_as},
    samples::all_features,
};

#[tokio::test]
async fn names_are_those_that_a_service_accepts() {
    for (release, name) in [
        ("oxen-operator", "oxen-operator"),
        ("a", "a-oxen-operator"),
        ("1st", "oxen-operator-1st"),
        ("1st.test", "oxen-operator-1st-test"),
        ("oxen.v2", "oxen-v2-oxen-operator"),
        ("2-oxen-operator", "oxen-operator-2-oxen-operator"),
    ] {
        let all = rendered_as(release, &json!({})).await;
        let service = &of_kind(&all, "Service")[0]["metadata"];
        assert_eq!(service["name"], name, "{release}");
        let deployment = of_kind(&all, "Deployment")[0];
        assert_eq!(deployment["metadata"]["name"], name, "{release}");
    }
    for name in ["1st", "a.b", "A", "a-", &"a".repeat(64)] {
        assert_refused(&json!({"fullnameOverride": name}), "fullnameOverride").await;
    }
    let long = "a".repeat(63);
    let all = rendered(&json!({"fullnameOverride": long})).await;
    assert_eq!(of_kind(&all, "Service")[0]["metadata"]["name"], long);
}

/// YAML reads some words as numbers, booleans or null, unless they are quoted.
#[tokio::test]
async fn names_that_yaml_reads_as_other_types_stay_text() {
    for word in ["123", "1e5", "true", "null", "0x1f", "1.5"] {
        let mut values = all_features();
        values["nameOverride"] = json!(word);
        values["serviceAccount"] = json!({"name": word});
        values["namespaces"] = json!([word.replace('.', "-")]);
        let named = rendered(&values).await;
        values["namespaces"] = json!([]);
        for object in named.iter().chain(&rendered(&values).await) {
            assert_text(object);
            let label = &object["metadata"]["labels"]["app.kubernetes.io/name"];
            assert_eq!(label, word, "{object}");
        }
        let account = of_kind(&named, "ServiceAccount")[0];
        assert_eq!(account["metadata"]["name"], word);
        let spec = &of_kind(&named, "Deployment")[0]["spec"];
        assert_eq!(spec["template"]["spec"]["serviceAccountName"], word);
        assert_eq!(
            spec["selector"]["matchLabels"]["app.kubernetes.io/name"],
            word
        );
    }
    for word in ["null", "true", "off"] {
        let mut values = all_features();
        values["fullnameOverride"] = json!(word);
        let all = rendered(&values).await;
        all.iter().for_each(assert_text);
        assert_eq!(of_kind(&all, "Deployment")[0]["metadata"]["name"], word);
    }
}

/// Asserts that the names and the labels of an object are text, wherever they are in it.
fn assert_text(object: &Value) {
    match object {
        Value::Object(fields) => {
            for (key, value) in fields {
                let labels = ["labels", "matchLabels"].contains(&key.as_str());
                if let Some(labels) = value.as_object().filter(|_| labels) {
                    assert!(labels.values().all(Value::is_string), "{labels:?}");
                }
                let scalar = !value.is_object() && !value.is_array();
                if scalar && ["name", "namespace", "serviceAccountName"].contains(&key.as_str()) {
                    assert!(value.is_string(), "{key} in {fields:?}");
                }
                assert_text(value);
            }
        }
        Value::Array(items) => items.iter().for_each(assert_text),
        _ => (),
    }
}

#[tokio::test]
async fn a_truncated_name_ends_with_a_letter_or_a_digit() {
    for end in [".b", "-b", ".-b", "-.b"] {
        let long = format!("{}{end}", "a".repeat(63 - (end.len() - 1)));
        let all = rendered(&json!({"nameOverride": long})).await;
        for object in &all {
            let metadata = &object["metadata"];
            for name in [
                &metadata["name"],
                &metadata["labels"]["app.kubernetes.io/name"],
            ] {
                let name = name.as_str().unwrap();
                let name = name.strip_suffix("-check").unwrap_or(name);
                assert!(!name.ends_with(['.', '-']), "{end}: {name}");
                assert!(!name.contains("--check"), "{end}: {name}");
            }
        }
    }
}
