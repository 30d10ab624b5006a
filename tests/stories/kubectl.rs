//! What kubectl prints, compared with the files in `golden/`. `UPDATE_GOLDEN=1` updates them.

use std::path::Path;

use hub::{Fault, Hub, Model};
use kube::ResourceExt;
use oxen_operator::api;
use serde_json::{Value, json};
use testkit::world::{Operator, World, eventually, program, progress, status};

/// Creates a world with an object of each kind, all settled.
async fn one_of_each_kind() -> (World, Operator) {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("support-bot-v2").status("inactive"))
            .model(Model::custom("ticket-summarizer").status("active"))
            .model(Model::custom("flux-product-shots").status("active"))
            .model(Model::custom("mystery").status("paused"))
            .model(Model::base("claude-sonnet-4-6")),
    )
    .await;
    // An unknown status must not exceed the progress deadline while kubectl prints.
    let operator = world.operator_with(&[("OXEN_PROGRESS_DEADLINE", "1h")]);
    for (name, spec) in [
        (
            "base",
            json!({"model": "claude-sonnet-4-6", "state": "active"}),
        ),
        (
            "images",
            json!({"model": "flux-product-shots", "state": "inactive", "suspend": true}),
        ),
        ("mystery", json!({"model": "mystery", "state": "active"})),
        (
            "support-bot",
            json!({"model": "support-bot-v2", "state": "active"}),
        ),
        (
            "tickets",
            json!({"model": "ticket-summarizer", "state": "inactive"}),
        ),
        (
            "typo",
            json!({"model": "support-bto-v2", "state": "active"}),
        ),
    ] {
        world.apply(name, spec).await.ok().unwrap();
    }
    for (name, reason) in [
        ("base", "AlwaysActive"),
        ("images", "WouldDeactivate"),
        ("mystery", "StatusUnknown"),
        ("support-bot", "Active"),
        ("tickets", "Inactive"),
        ("typo", "ModelNotFound"),
    ] {
        world.until_reason(name, reason).await;
    }
    (world, operator)
}

/// Fails if the text differs from the golden file.
fn golden(name: &str, text: &str) {
    let text: String = text
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories/golden");
    let path = Path::new(folder).join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{} is not what kubectl prints; UPDATE_GOLDEN=1 updates it:\n{text}",
        path.display()
    );
}

/// Returns a printed table with its ages masked, and with columns of the width that they need then.
fn masked(table: &str) -> String {
    let header = table.lines().next().unwrap();
    let starts: Vec<usize> = (0..header.len())
        .filter(|&at| {
            let starts = |byte: u8| byte != b' ';
            starts(header.as_bytes()[at]) && (at == 0 || header.as_bytes()[at - 1] == b' ')
        })
        .collect();
    let cells = |line: &str| -> Vec<String> {
        let cell = |n: usize| {
            let end = starts.get(n + 1).copied().unwrap_or(line.len());
            line[starts[n]..end.min(line.len())].trim().to_owned()
        };
        (0..starts.len()).map(cell).collect()
    };
    let names = cells(header);
    let mut rows: Vec<Vec<String>> = table.lines().map(cells).collect();
    for row in &mut rows[1..] {
        for (cell, name) in row.iter_mut().zip(&names) {
            if matches!(name.as_str(), "AGE" | "SINCE") && cell.ends_with(['s', 'm']) {
                *cell = "AGO".into();
            }
        }
    }
    let width = |n: usize| {
        rows.iter()
            .map(|row| row[n].len())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}   "))
            .collect();
        line + "\n"
    };
    rows.iter().map(line).collect()
}

#[tokio::test]
async fn the_printed_tables_are_the_golden_ones() {
    let (world, _operator) = one_of_each_kind().await;
    for (name, arguments) in [
        ("get", &["get", "oxenmodels"][..]),
        ("get-wide", &["get", "oxenmodels", "-o", "wide"]),
        (
            "get-selected",
            &["get", "oxm", "--field-selector", "spec.state=active"],
        ),
        (
            "get-model",
            &[
                "get",
                "oxenmodel",
                "--field-selector",
                "spec.model=claude-sonnet-4-6",
            ],
        ),
    ] {
        let output = world.kubectl(arguments).await.ok().unwrap();
        let text = output
            .stdout
            .replace(&world.hub.url(), "HUB")
            .replace(&world.namespace, "NAMESPACE");
        golden(name, &masked(&text));
    }
    let all = world.kubectl(&["get", "oxenmodels"]).await.ok().unwrap();
    for alias in ["oxm", "oxen", "oxenmodel"] {
        let output = world.kubectl(&["get", alias]).await.ok().unwrap();
        assert_eq!(masked(&output.stdout), masked(&all.stdout), "{alias}");
    }
}

#[tokio::test]
async fn kubectl_explains_every_field() {
    let world = World::new(Hub::builder()).await;
    let explain = async |path: &str| {
        eventually("kubectl explains the field", || async {
            let explained = world.kubectl(&["explain", path]).await;
            explained.ok().ok().map(|output| output.stdout)
        })
        .await
    };
    golden("explain", &explain("oxenmodel").await);
    golden("explain-spec", &explain("oxenmodel.spec").await);
    golden(
        "explain-sync-interval",
        &explain("oxenmodel.spec.syncInterval").await,
    );
    golden("explain-status", &explain("oxenmodel.status").await);

    let crd = serde_json::to_value(api::crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    undescribed("spec", &schema["properties"]["spec"]);
    undescribed("status", &schema["properties"]["status"]);
}

/// Fails at the first field without a description.
fn undescribed(path: &str, schema: &Value) {
    assert!(
        schema["description"].is_string(),
        "{path} has no description"
    );
    for fields in [&schema["properties"], &schema["items"]["properties"]] {
        for (name, field) in fields.as_object().into_iter().flatten() {
            undescribed(&format!("{path}.{name}"), field);
        }
    }
}

#[tokio::test]
async fn kubectl_waits_and_describes() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    let _operator = world.operator();
    let spec = json!({"model": "bot", "state": "active"});
    world.apply("bot", spec).await.ok().unwrap();
    let ready = [
        "wait",
        "--for=condition=Ready",
        "oxenmodel/bot",
        "--timeout=60s",
    ];
    world.kubectl(&ready).await.ok().unwrap();
    assert_eq!(world.hub.live("bot").unwrap(), ["active"]);

    let described = eventually("the events are there", || async {
        let output = world.kubectl(&["describe", "oxenmodel", "bot"]).await;
        let text = output.ok().unwrap().stdout;
        text.contains("Normal  Active").then_some(text)
    })
    .await;
    assert!(described.contains("Normal  Activating"), "{described}");

    world.edit("bot", json!({"state": "inactive"})).await;
    let inactive = [
        "wait",
        "--for=jsonpath={.status.live}=inactive",
        "oxm/bot",
        "--timeout=60s",
    ];
    world.kubectl(&inactive).await.ok().unwrap();
    let annotate = [
        "annotate",
        "oxm",
        "bot",
        "oxen.ai/reconcile-requested-at=now",
    ];
    world.kubectl(&annotate).await.ok().unwrap();
    let handled = [
        "wait",
        "--for=jsonpath={.status.lastHandledReconcileAt}=now",
        "oxm/bot",
        "--timeout=60s",
    ];
    world.kubectl(&handled).await.ok().unwrap();
}

#[tokio::test]
async fn the_operator_never_writes_the_spec() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    let _operator = world.operator();
    let manifest = |state: &str| {
        json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {"name": "bot", "namespace": world.namespace, "labels": {"app": "support"}},
            "spec": {"model": "bot", "state": state},
        })
        .to_string()
    };
    for (state, reason, drifted) in [
        ("active", "Active", "inactive"),
        ("inactive", "Inactive", "active"),
    ] {
        let manifest = manifest(state);
        let apply = ["apply", "--server-side", "-f", "-"];
        let applied = world
            .cluster
            .kubectl_stdin(&apply, &manifest)
            .await
            .unwrap();
        applied.ok().unwrap();
        world.until_reason("bot", reason).await;
        let fault = world.hub.inject(Fault::status(403));
        world
            .until("bot", "Forbidden", |object| {
                progress(object) == Some(("Stalled", "Forbidden"))
            })
            .await;
        world.hub.clear_fault(fault);
        world.until_reason("bot", reason).await;
        let calls = world.calls("bot").len();
        world.hub.set_status("bot", drifted).unwrap();
        world.until_called("bot", calls + 1).await;
        let object = world.until_reason("bot", reason).await;
        assert_eq!(
            status(&object).observed_generation,
            object.metadata.generation.unwrap()
        );

        let stored = world
            .kubectl(&["get", "oxm", "bot", "-o", "jsonpath={.spec}"])
            .await;
        let stored: Value = serde_json::from_str(&stored.ok().unwrap().stdout).unwrap();
        assert_eq!(stored, json!({"model": "bot", "state": state}));
        for diff in [
            &["diff", "-f", "-"][..],
            &["diff", "--server-side", "-f", "-"],
        ] {
            let output = world.cluster.kubectl_stdin(diff, &manifest).await.unwrap();
            assert!(
                output.status.success(),
                "{diff:?}: {}{}",
                output.stdout,
                output.stderr
            );
        }
    }
    let object = world.get("bot").await;
    let mut owners = Vec::new();
    for entry in object.managed_fields() {
        let fields = entry.fields_v1.as_ref().unwrap();
        if fields.0.get("f:spec").is_some() {
            owners.push(entry.manager.clone().unwrap());
        }
    }
    assert_eq!(owners, ["kubectl"]);
    assert_eq!(object.metadata.generation, Some(2));
}

#[test]
fn the_crd_file_is_what_the_program_prints() {
    let printed = std::process::Command::new(program())
        .arg("crd")
        .output()
        .unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/oxenmodels.yaml");
    assert!(
        std::fs::read(file).unwrap() == printed.stdout,
        "crds/oxenmodels.yaml is out of date; run `make crd`"
    );
}
