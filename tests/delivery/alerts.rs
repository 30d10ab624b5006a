//! Tests of the metrics and alerts with promtool, and of the metric names in alerts, dashboard and
//! docs.

use std::collections::BTreeSet;

use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::{World, eventually};

use crate::{
    docs::files,
    tool::{read, run},
};

const ALERTS: &str = "charts/oxen-operator/files/alerts.yaml";
const DASHBOARD: &str = "charts/oxen-operator/files/dashboard.json";

/// The metrics of an operator that has activated, deactivated and deleted models.
async fn metrics() -> String {
    let hub = Hub::builder()
        .model(Model::custom("bot").status("inactive"))
        .model(Model::custom("other").status("active"));
    let world = World::new(hub).await;
    let operator = world.operator();
    for (name, spec) in [
        ("bot", json!({"model": "bot", "state": "active"})),
        ("other", json!({"model": "other", "state": "active"})),
        ("typo", json!({"model": "typo", "state": "active"})),
    ] {
        world.create(name, spec).await;
    }
    world.until_reason("bot", "Active").await;
    world.until_reason("typo", "ModelNotFound").await;
    world.until_reason("other", "Active").await;
    world.delete("other").await;
    world.until_gone("other").await;
    let settled = |text: &str| {
        let own = r#"name="bot",desired="active",live="active",reason="Active"} 1"#;
        text.contains(own) && !text.contains(r#"name="other""#)
    };
    eventually("the metrics match the objects", || async {
        let text = operator.metrics().await;
        settled(&text).then_some(text)
    })
    .await
}

/// The metric names of this project in a text, without the suffixes of histograms.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let own = words.filter(|word| word.starts_with("oxen_"));
    let stem = |word: &str| {
        let ends = ["_bucket", "_count", "_sum"];
        let end = ends.iter().find_map(|end| word.strip_suffix(end));
        end.unwrap_or(word).to_owned()
    };
    own.map(stem).collect()
}

/// Returns true when the page of the metrics has this one.
fn is_documented(page: &str, name: &str) -> bool {
    ["`", "{"]
        .iter()
        .any(|end| page.contains(&format!("`{name}{end}")))
}

fn expressions(value: &Value, of: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text)
                        if matches!(
                            name.as_str(),
                            "expr" | "query" | "definition" | "description"
                        ) =>
                    {
                        *of += &format!("{text}\n")
                    }
                    _ => expressions(value, of),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| expressions(one, of)),
        _ => {}
    }
}

#[tokio::test]
async fn metrics_are_valid_and_documented_and_alerts_and_dashboard_use_no_others() {
    let text = metrics().await;
    run("promtool", &["check", "metrics"], &text).unwrap();
    let help = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let known: BTreeSet<String> = help
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert!(known.len() > 15, "{known:?}");
    let page = read("docs/metrics.md");
    for name in &known {
        assert!(is_documented(&page, name), "{name}");
    }
    for series in [
        r#"oxen_model_info{namespace="#,
        r#"oxen_model_stalled{namespace="#,
        "oxen_operator_hub_last_contact_timestamp_seconds{namespace=",
        "oxen_operator_reconcile_duration_seconds_bucket{",
    ] {
        assert!(text.contains(series), "{series} in\n{text}");
    }

    let rules: Value = serde_yaml::from_str(&read(ALERTS)).unwrap();
    let mut asked = String::new();
    expressions(&rules, &mut asked);
    let rules_alone = named(&asked);
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    expressions(&dashboard, &mut asked);
    let asked = named(&asked);
    assert!(
        rules_alone.len() > 4 && asked.len() > rules_alone.len(),
        "{asked:?}"
    );
    let recorded = |name: &str| name.contains(':');
    let missing: Vec<&String> = asked
        .iter()
        .filter(|name| !known.contains(*name) && !recorded(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?} of\n{known:#?}");
}

#[test]
fn alerts_fire_exactly_when_they_should() {
    run("promtool", &["check", "rules", ALERTS], "").unwrap();
    run(
        "promtool",
        &["test", "rules", "tests/alerts/alerts_test.yaml"],
        "",
    )
    .unwrap();
}

/// The queries of the blocks of a page, without their comments.
fn queries(page: &str) -> Vec<String> {
    let blocks = page.split("\n```promql\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("\n```").expect("a block ends").0);
    let all = blocks.flat_map(|block| block.split("\n\n"));
    all.map(|query| {
        let lines = query.lines().filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    })
    .collect()
}

#[test]
fn every_query_of_the_docs_is_valid_and_uses_documented_metrics() {
    let mut all = Vec::new();
    for file in files("docs", ".md") {
        all.extend(queries(&read(&file)));
    }
    assert!(all.len() > 8, "{all:?}");
    let documented = read("docs/metrics.md");
    for name in all.iter().flat_map(|query| named(query)) {
        assert!(is_documented(&documented, &name), "{name}");
    }
    let rules: Vec<Value> = all
        .iter()
        .enumerate()
        .map(|(number, query)| json!({"record": format!("docs:{number}"), "expr": query}))
        .collect();
    let rules = json!({"groups": [{"name": "docs", "rules": rules}]});
    run("promtool", &["check", "rules"], &rules.to_string()).unwrap();
}

#[test]
fn each_alert_has_a_test_and_a_runbook() {
    let rules: Value = serde_yaml::from_str(&read(ALERTS)).unwrap();
    let tests = read("tests/alerts/alerts_test.yaml");
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let alerts: Vec<&Value> = rules.filter(|rule| rule.get("alert").is_some()).collect();
    assert!(alerts.len() >= 8, "{alerts:?}");
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(tests.contains(&format!("alertname: {name}")), "{name}");
        let page = read(&format!("docs/runbooks/{name}.md"));
        assert!(page.contains("kubectl"), "{name}");
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("docs/runbooks/{name}.md")), "{url}");
    }
}
