//! A budget refuses activations that exceed it, counts what is on, and turns nothing off.

use hub::{Fault, Hub, Model};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use oxen_operator::api::{OxenBudget, OxenBudgetStatus};
use serde_json::{Value, json};
use testkit::world::{DEADLINE, World, eventually, message, progress, ready};

use crate::gated::STATUS;

const BUDGETS: (&str, &str) = ("OXEN_BUDGETS", "true");

/// A world whose hub has the inactive models `bot-0` to `bot-2`. Each costs 3.60 an hour.
async fn world() -> World {
    let models = (0..3).map(|number| {
        let pricing = json!({"pricing": {"method": "time", "cost_per_second": 0.001}});
        let model = Model::custom(format!("bot-{number}"));
        model.status("inactive").fields(pricing)
    });
    let hub = models.fold(Hub::builder(), hub::Builder::model);
    World::new(hub).await
}

pub(crate) fn api<C: std::ops::Deref<Target = cluster::Cluster>>(
    world: &World<C>,
) -> Api<OxenBudget> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

async fn limit(world: &World, name: &str, spec: Value) {
    let spec = serde_json::from_value(spec).unwrap();
    let budget = OxenBudget::new(name, spec);
    let created = api(world).create(&PostParams::default(), &budget).await;
    created.unwrap();
}

async fn change(world: &World, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    let patched = api(world)
        .patch(name, &PatchParams::default(), &patch)
        .await;
    patched.unwrap();
}

async fn declare(world: &World, number: usize, state: &str) {
    let spec = json!({"model": format!("bot-{number}"), "state": state});
    world.create(&format!("bot-{number}"), spec).await;
}

/// Waits until the budget's status is this, and the operator has observed its spec.
async fn until_status(world: &World, name: &str, holds: impl Fn(&OxenBudgetStatus) -> bool) {
    eventually("the budget has that status", || async {
        let budget = api(world).get(name).await.unwrap();
        let status = budget.status?;
        let observed = Some(status.observed_generation) == budget.metadata.generation;
        (observed && holds(&status)).then_some(())
    })
    .await;
}

fn counts(active: u32, refusing: u32) -> impl Fn(&OxenBudgetStatus) -> bool {
    move |status| (status.active, status.refusing) == (active, refusing)
}

#[tokio::test]
async fn of_two_activations_that_are_due_at_once_a_budget_allows_the_one_that_it_has_room_for() {
    let world = world().await;
    let gate = world.cluster.gate().await.unwrap();
    let kubeconfig = gate.kubeconfig().to_str().unwrap();
    limit(&world, "team", json!({"maxActive": 1})).await;
    // Only the edits below start a reconcile.
    let rarely = ("OXEN_SYNC_INTERVAL", "1h");
    let _operator = world.operator_with(&[BUDGETS, rarely, ("KUBECONFIG", kubeconfig)]);
    for number in [0, 1] {
        declare(&world, number, "inactive").await;
        let name = format!("bot-{number}");
        world.until_finalizer(&name).await;
        world.until_reason(&name, "Inactive").await;
    }
    // The next write of a status is the record of one of the two calls. By the time that it is
    // written, the other object has been observed.
    world.hub.clear_journal();
    let mut record = gate.hold(STATUS.0, STATUS.1);
    for name in ["bot-0", "bot-1"] {
        world
            .edit(name, json!({"model": name, "state": "active"}))
            .await;
    }
    record.arrived().await;
    let observed = |journal: &hub::Journal| {
        ["bot-0", "bot-1"].iter().all(|name| {
            let mut entries = journal.entries.iter();
            entries.any(|it| it.model.as_deref() == Some(name) && it.is_over())
        })
    };
    world.hub.wait_for(DEADLINE, observed).await.unwrap();
    drop(record);
    let settled = |name| {
        world.until(name, "active or refused", |object| {
            let reason = ready(object).map(|ready| ready.reason.as_str());
            matches!(reason, Some("Active" | "BudgetExceeded"))
        })
    };
    let (one, other) = (settled("bot-0").await, settled("bot-1").await);
    let refused: Vec<_> = [&one, &other]
        .into_iter()
        .filter(|object| progress(object) == Some(("Stalled", "BudgetExceeded")))
        .collect();
    let [refused] = refused[..] else {
        panic!("not exactly one is refused: {one:#?} {other:#?}");
    };
    let words = "The OxenBudget \"team\" allows 1 active model (maxActive).";
    assert!(message(refused).contains(words), "{}", message(refused));
    until_status(&world, "team", counts(1, 1)).await;
    for name in ["bot-0", "bot-1"] {
        world.request_reconcile(name, "now").await;
        world.until_handled(name, "now").await;
    }
    assert_eq!(world.hub.journal().posts().len(), 1);
}

#[tokio::test]
async fn a_refused_model_is_activated_when_there_is_room() {
    let world = world().await;
    let operator = world.operator_with(&[BUDGETS]);
    limit(&world, "team", json!({"maxActive": 1})).await;
    until_status(&world, "team", counts(0, 0)).await;
    declare(&world, 0, "active").await;
    world.until_reason("bot-0", "Active").await;
    declare(&world, 1, "active").await;
    world.until_reason("bot-1", "BudgetExceeded").await;
    until_status(&world, "team", counts(1, 1)).await;

    // The other one turns off.
    world.edit("bot-0", json!({"state": "inactive"})).await;
    world.until_reason("bot-1", "Active").await;
    until_status(&world, "team", counts(1, 0)).await;
    declare(&world, 2, "active").await;
    world.until_reason("bot-2", "BudgetExceeded").await;

    // The other one is deleted.
    world.delete("bot-1").await;
    world.until_reason("bot-2", "Active").await;

    // The limit is lowered below the use, which turns nothing off, and raised.
    change(&world, "team", json!({"maxActive": 0})).await;
    until_status(&world, "team", counts(1, 0)).await;
    world.edit("bot-0", json!({"state": "active"})).await;
    world.until_reason("bot-0", "BudgetExceeded").await;
    world.until_observed("bot-2", 2).await;
    world.until_reason("bot-2", "Active").await;
    assert_eq!(world.calls("bot-2"), ["activate"]);
    change(&world, "team", json!({"maxActive": 2})).await;
    world.until_reason("bot-0", "Active").await;

    // The budget is deleted.
    change(&world, "team", json!({"maxActive": 0})).await;
    declare(&world, 1, "active").await;
    world.until_reason("bot-1", "BudgetExceeded").await;
    let deleted = api(&world).delete("team", &DeleteParams::default()).await;
    deleted.unwrap();
    world.until_reason("bot-1", "Active").await;
    let metrics = operator.metrics().await;
    assert!(!metrics.contains("oxen_budget_active{"), "{metrics}");
}

#[tokio::test]
async fn a_model_that_is_on_counts_before_its_object_is_observed() {
    let world = world().await;
    world.hub.set_status("bot-1", "active").unwrap();
    let failing = Fault::error(503, "starting");
    world.hub.inject(failing.on_model("bot-1"));
    limit(&world, "team", json!({"maxActive": 1})).await;
    declare(&world, 1, "active").await;
    let _operator = world.operator_with(&[BUDGETS]);
    world.until_fault("bot-1", "HubUnreachable").await;
    declare(&world, 0, "active").await;
    let pending = world.until_reason("bot-0", "BudgetPending").await;
    assert_eq!(progress(&pending), Some(("Reconciling", "BudgetPending")));
    let words = "The OxenModel \"bot-1\" of the namespace has not been observed yet";
    assert!(message(&pending).contains(words), "{}", message(&pending));
    until_status(&world, "team", counts(0, 1)).await;

    world.hub.clear_faults();
    world.until_reason("bot-0", "BudgetExceeded").await;
    until_status(&world, "team", counts(1, 1)).await;
    assert_eq!(world.calls("bot-0"), [""; 0]);

    // A model that can't be observed before somebody corrects its name blocks nothing.
    world
        .create("mistyped", json!({"model": "bto-2", "state": "active"}))
        .await;
    world.until_reason("mistyped", "ModelNotFound").await;
    world.edit("bot-1", json!({"state": "inactive"})).await;
    world.until_reason("bot-0", "Active").await;
}

#[tokio::test]
async fn a_cost_is_limited_and_survives_a_restart() {
    let world = world().await;
    limit(&world, "team", json!({"maxHourlyCost": "7.20"})).await;
    let named = json!({"maxActive": 0, "secretName": "another"});
    limit(&world, "unused", named).await;
    let operator = world.operator_with(&[BUDGETS]);
    for number in [0, 1] {
        declare(&world, number, "active").await;
        world.until_reason(&format!("bot-{number}"), "Active").await;
    }
    declare(&world, 2, "active").await;
    let refused = world.until_reason("bot-2", "BudgetExceeded").await;
    let words = "more in an hour than the 7.20 that the OxenBudget \"team\" allows";
    assert!(message(&refused).contains(words), "{}", message(&refused));
    until_status(&world, "team", |status| {
        status.hourly_cost.as_deref() == Some("7.200000000") && counts(2, 1)(status)
    })
    .await;
    until_status(&world, "unused", counts(0, 0)).await;
    let labels = format!("{{namespace=\"{}\",name=\"team\"", world.namespace);
    for (series, value) in [
        (format!("oxen_budget_active{labels}}}"), 2.0),
        (format!("oxen_budget_refusing{labels}}}"), 1.0),
        (format!("oxen_budget_hourly_cost{labels}}}"), 7.2),
        (
            format!("oxen_budget_limit{labels},limit=\"hourly_cost\"}}"),
            7.2,
        ),
    ] {
        operator.until_metric(&series, value).await;
    }
    operator.kill();
    let _operator = world.operator_with(&[BUDGETS]);
    world.request_reconcile("bot-2", "now").await;
    world.until_handled("bot-2", "now").await;
    world.until_reason("bot-2", "BudgetExceeded").await;
    until_status(&world, "team", counts(2, 1)).await;
    assert_eq!(world.calls("bot-2"), [""; 0]);
}

#[tokio::test]
async fn a_settled_budget_is_not_written() {
    let world = world().await;
    let _operator = world.operator_with(&[BUDGETS]);
    limit(&world, "team", json!({"maxActive": 0})).await;
    declare(&world, 0, "active").await;
    world.until_reason("bot-0", "BudgetExceeded").await;
    until_status(&world, "team", counts(0, 1)).await;
    let version = || async {
        api(&world)
            .get("team")
            .await
            .unwrap()
            .metadata
            .resource_version
    };
    let (before, writes) = (version().await, world.writes("status"));
    world.until_observed("bot-0", 5).await;
    assert_eq!(version().await, before);
    assert_eq!(world.writes("status"), writes, "a refusal is written once");
}

#[tokio::test]
async fn budgets_that_are_off_limit_nothing() {
    let world = world().await;
    limit(&world, "team", json!({"maxActive": 0})).await;
    let _operator = world.operator();
    declare(&world, 0, "active").await;
    world.until_reason("bot-0", "Active").await;
}

#[tokio::test]
async fn a_budget_is_checked_and_printed() {
    let world = world().await;
    let apply = async |spec: Value| {
        let manifest = json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenBudget",
            "metadata": {"name": "team", "namespace": world.namespace},
            "spec": spec,
        });
        let (arguments, manifest) = (["apply", "--server-side", "-f", "-"], manifest.to_string());
        let applied = world.cluster.kubectl_stdin(&arguments, &manifest);
        let output = applied.await.unwrap();
        if output.status.success() {
            String::new()
        } else {
            output.stderr
        }
    };
    for (spec, words) in [
        (json!({}), "a budget needs a limit: set maxActive: 3"),
        (json!({"secretName": "team-key"}), "a budget needs a limit"),
        (
            json!({"maxActive": null, "maxHourlyCost": null}),
            "a budget needs a limit",
        ),
        (json!({"maxActive": -1}), "greater than or equal to 0"),
        (
            json!({"maxHourlyCost": "-1"}),
            "maxHourlyCost must be a decimal",
        ),
        (
            json!({"maxHourlyCost": "1e3"}),
            "maxHourlyCost must be a decimal",
        ),
        (
            json!({"maxActive": 1, "secretName": "A b"}),
            "secretName must be a Secret's",
        ),
    ] {
        let refused = apply(spec.clone()).await;
        assert!(refused.contains(words), "{spec}: {refused}");
    }
    let spec = json!({"maxActive": 3, "maxHourlyCost": "20.00", "secretName": null});
    assert_eq!(apply(spec).await, "");
    let _operator = world.operator_with(&[BUDGETS]);
    until_status(&world, "team", counts(0, 0)).await;
    let printed = world.kubectl(&["get", "oxb"]).await.ok().unwrap();
    let mut lines = printed
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let header = [
        "NAME",
        "ACTIVE",
        "MAX",
        "HOURLY",
        "MAX-HOURLY",
        "REFUSING",
        "AGE",
    ];
    assert_eq!(lines.next().unwrap(), header);
    let row = lines.next().unwrap();
    assert_eq!(row[..6], ["team", "0", "3", "0.000000000", "20.00", "0"]);
}
