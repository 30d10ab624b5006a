//! What the models have cost, from the operator's own sums.

use cluster::Output;
use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::World;

use crate::{bash, fails, oxen};

/// Creates an object whose usage is this, without an operator.
async fn used(world: &World, name: &str, usage: Value) {
    world
        .create(name, json!({"model": name, "state": "inactive"}))
        .await;
    use_more(world, name, usage).await;
}

async fn use_more(world: &World, name: &str, usage: Value) {
    let status = json!({"observedGeneration": 1, "live": "inactive", "usage": usage,
                        "pricing": {"method": "time", "costPerSecond": "0.001"}});
    let patch = json!({"status": status}).to_string();
    world.patch_status(name, &patch).await.ok().unwrap();
}

fn rows(output: &Output) -> Vec<Vec<&str>> {
    let lines = output.stdout.lines();
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[tokio::test]
async fn costs_are_sorted_and_added_and_the_difference_to_an_earlier_output_is_exact() {
    let world = World::new(Hub::builder()).await;
    let began = "2026-11-01T08:00:00Z";
    let usage =
        |seconds: i64, cost: &str| json!({"began": began, "activeSeconds": seconds, "cost": cost});
    used(&world, "cheap", usage(60, "0.334000000")).await;
    used(&world, "dear", usage(3600, "3.600000001")).await;
    used(&world, "gone", usage(120, "0.334000000")).await;
    world
        .create("unused", json!({"model": "unused", "state": "inactive"}))
        .await;
    let shown = oxen(&world, "cost").await.ok().unwrap();
    let rows_shown = rows(&shown);
    let first = |row: usize| rows_shown[row][..6].join(" ");
    assert_eq!(first(0), "NAME LIVE PRICE/H NOW/H ACTIVE COST");
    assert_eq!(first(1), "dear inactive 3.60 - 1h00m 3.60");
    assert_eq!(first(2), "gone inactive 3.60 - 2m 0.33");
    assert_eq!(first(3), "cheap inactive 3.60 - 1m 0.33");
    assert_eq!(rows_shown[4], [""; 0]);
    assert_eq!(rows_shown[6], [&world.namespace, "-", "1h03m", "4.27"]);
    assert!(
        shown.stderr.contains("Sums are exact and rounded once"),
        "{shown:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let written = oxen(&world, "cost -o json").await.ok().unwrap();
    let json: Value = serde_json::from_str(&written.stdout).unwrap();
    assert_eq!(json["total"]["cost"], "4.268000001", "{json}");
    assert_eq!(json["items"][0]["activeSeconds"], 3600);
    let yaml = oxen(&world, "cost -o yaml").await.ok().unwrap();
    let yaml_at = yaml
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("at: "));
    let yaml_at = json!(yaml_at.unwrap().trim_matches(['"', '\'']));
    std::fs::write(file("monday.json"), &written.stdout).unwrap();
    std::fs::write(file("monday.yaml"), &yaml.stdout).unwrap();

    use_more(&world, "dear", usage(3700, "3.700000003")).await;
    world.delete("gone").await;
    world.delete("cheap").await;
    world.until_gone("gone").await;
    world.until_gone("cheap").await;
    let now = jiff::Timestamp::now().to_string();
    let anew = json!({"began": now, "activeSeconds": 5, "cost": "0.005000000"});
    used(&world, "cheap", anew).await;
    for (name, at) in [("monday.json", &json["at"]), ("monday.yaml", &yaml_at)] {
        let arguments = format!("cost -o json --since {}", file(name));
        let since = oxen(&world, &arguments).await.ok().unwrap();
        let since: Value = serde_json::from_str(&since.stdout).unwrap();
        let row = |at: usize| {
            let row = &since["items"][at];
            (
                row["name"].clone(),
                row["activeSeconds"].clone(),
                row["cost"].clone(),
            )
        };
        assert_eq!(
            row(0),
            (json!("dear"), json!(100), json!("0.100000002")),
            "{since}"
        );
        assert_eq!(
            row(1),
            (json!("cheap"), json!(5), json!("0.005000000")),
            "{since}"
        );
        assert_eq!(since["total"]["cost"], "0.105000002");
        assert_eq!(since["since"], *at, "{name}");
    }
    let shown = oxen(&world, &format!("cost --since {}", file("monday.json")))
        .await
        .ok()
        .unwrap();
    for words in [
        format!("{}/gone is gone", world.namespace),
        format!("{}/cheap counts from", world.namespace),
    ] {
        assert!(shown.stderr.contains(&words), "{}", shown.stderr);
    }
}

#[tokio::test]
async fn since_takes_a_file_of_its_own_and_no_time() {
    let world = World::new(Hub::builder()).await;
    fails(
        &oxen(&world, "cost --since 7d").await,
        1,
        "error: --since takes a file that \"kubectl oxen cost -o json\" wrote: the status holds \
         totals, not history. From Prometheus:\n  increase(max by (namespace, name) \
         (oxen_model_cost_total)[7d:1m])",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("objects.json").display().to_string();
    let script = format!("kubectl get oxm -n {} -o json >{file}", world.namespace);
    bash(world.cluster, &script).await.ok().unwrap();
    fails(
        &oxen(&world, &format!("cost --since {file}")).await,
        1,
        &format!(
            "error: --since {file}: the file is not what \"kubectl oxen cost -o json\" writes. \
             Write one with: kubectl oxen cost -A -o json > FILE"
        ),
    );
    let none = format!("No OxenModels in namespace {}.", world.namespace);
    fails(&oxen(&world, "cost").await, 0, &none);
}

#[tokio::test]
async fn an_active_model_has_a_usage_and_bills_now() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let _operator = world.operator();
    world
        .create("bot", json!({"model": "bot", "state": "active"}))
        .await;
    world.until_reason("bot", "Active").await;
    let shown = oxen(&world, "status bot").await.ok().unwrap();
    let usage = shown.stdout.lines().find(|line| line.starts_with("Usage "));
    let usage = usage.unwrap_or_else(|| panic!("{}", shown.stdout));
    assert!(
        usage.contains(" active since ") && usage.contains(", about 0."),
        "{usage}"
    );
    let json = oxen(&world, "status bot -o json").await.ok().unwrap();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let item = &json["items"][0];
    let seconds = item["activeSeconds"].as_i64().unwrap();
    // The price of a second is 0.00125.
    let expected = seconds * 1_250_000;
    let digits = item["cost"].as_str().unwrap().replace('.', "");
    assert_eq!(digits.parse::<i64>().unwrap(), expected, "{item}");
    let cost = oxen(&world, "cost -o wide").await.ok().unwrap();
    let rows = rows(&cost);
    assert_eq!(rows[1][..4], ["bot", "active", "4.50", "4.50"], "{cost:?}");
    assert!(rows[0].ends_with(&["DEPLOYING", "ERROR", "UNSEEN", "UNPRICED"]));
    assert!(cost.stderr.contains("the bill decides."), "{cost:?}");
}
