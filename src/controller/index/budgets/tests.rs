//! The budgets against the definition: a scan of all objects.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt, Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{super::Index, *};
use crate::{
    api::{LiveStatus, ModelStatus},
    config::KeyNamespaces,
    controller::{compact::Compact, guarded::Guarded},
    decide::{Limit, Price, Remote, Rules},
};

const OBJECTS: usize = 5;

/// What an object of a namespace looks like.
#[derive(Clone, Debug)]
struct Shape {
    model: usize,
    observed: bool,
    base: bool,
    live: LiveStatus,
    activates: bool,
    price: Option<u8>,
    secret: Option<&'static str>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            model: 0,
            observed: true,
            base: false,
            live: LiveStatus::Inactive,
            activates: false,
            price: None,
            secret: None,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Show(Shape),
    Write(Shape),
    Remove,
}

fn shape() -> impl Strategy<Value = Shape> {
    let live = prop::sample::select(LiveStatus::ALL);
    let secret = prop::sample::select(vec![None, Some("oxen-api-key"), Some("team-key")]);
    let price = prop::option::of(0..3_u8);
    let flags = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        any::<bool>(),
    );
    (0..3_usize, live, secret, price, flags).prop_map(|(model, live, secret, price, flags)| {
        let (observed, base, activates) = flags;
        Shape {
            model,
            observed,
            base,
            live,
            activates,
            price,
            secret,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => shape().prop_map(Step::Show),
        3 => shape().prop_map(Step::Write),
        1 => Just(Step::Remove),
    ]
}

fn object(number: usize, version: u64, shape: &Shape) -> Guarded {
    let kind = if shape.base { "base" } else { "custom" };
    let model = json!({"id": format!("model-{}", shape.model), "owner": "acme", "type": kind});
    let operation = json!({
        "id": format!("operation-{number}-{version}"),
        "kind": "activate",
        "from": "inactive",
        "started": "2026-01-01T00:00:00Z",
    });
    let price = shape.price.map(|price| format!("0.{price}"));
    let secret = shape.secret.map(|name| json!({"name": name}));
    let object = json!({
        "apiVersion": "oxen.ai/v1alpha1",
        "kind": "OxenModel",
        "metadata": {
            "name": format!("object-{number}"),
            "namespace": "team",
            "uid": format!("uid-{number}"),
            "resourceVersion": version.to_string(),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "model": format!("model-{}", shape.model),
            "state": "active",
            "apiKeySecretRef": secret,
        },
        "status": {
            "observedGeneration": 1,
            "live": shape.observed.then_some(shape.live),
            "model": shape.observed.then_some(model),
            "operation": shape.activates.then_some(operation),
            "pricing": price.map(|price| json!({"method": "time", "costPerSecond": price})),
            "conditions": [],
        },
    });
    serde_json::from_value(object).unwrap()
}

fn budget(name: &str, spec: Value) -> GuardedBudget {
    let metadata = json!({"name": name, "namespace": "team", "generation": 1});
    let mut budget = json!({"metadata": metadata});
    budget["spec"] = spec;
    serde_json::from_value(budget).unwrap()
}

/// An index with these budgets, which have been listed.
fn index(budgets: &[(&str, Value)]) -> Index {
    let index = Index::new(Rules::default()).with_budgets(KeyNamespaces::default());
    index.add_budget_scope(None);
    let budgets = budgets.iter();
    let budgets = budgets.map(|(name, spec)| budget(name, spec.clone()));
    index.list_budgets(None, budgets.collect());
    index
}

/// The model of an object, as the hub shows it while it is off.
fn remote(shape: &Shape) -> Remote {
    let price = shape.price.map(|price| format!("0.{price}"));
    Remote {
        base: false,
        live: LiveStatus::Inactive,
        others: Vec::new(),
        notes: Vec::new(),
        model: serde_json::from_value::<ModelStatus>(json!({
            "id": format!("model-{}", shape.model), "owner": "acme",
        }))
        .unwrap(),
        pricing: price.map(|price| {
            serde_json::from_value(json!({"method": "time", "costPerSecond": price})).unwrap()
        }),
    }
}

async fn ask(index: &Index, number: usize, shape: &Shape) -> Option<Refusal> {
    let object = object(number, 0, shape).object;
    index.ask_budgets(&object, &remote(shape)).await.refusal
}

/// The names of the objects that are woken now.
fn names(woken: &mut (impl Stream<Item = ObjectRef<Compact>> + Unpin)) -> String {
    let mut names = BTreeSet::new();
    while let Some(Some(one)) = woken.next().now_or_never() {
        names.insert(one.name);
    }
    Vec::from_iter(names).join(" ")
}

/// What counts, and the number of objects that were never observed, by a scan of all objects.
fn scan(known: &[Option<Shape>; OBJECTS], secret: Option<&str>) -> (Total, usize) {
    let mut models: BTreeMap<usize, Option<Price>> = BTreeMap::new();
    let mut unobserved = 0;
    for shape in known.iter().flatten() {
        let off = matches!(shape.live, LiveStatus::Inactive | LiveStatus::None);
        let used = shape.secret.unwrap_or("oxen-api-key");
        if secret.is_some_and(|secret| secret != used) {
            continue;
        }
        if !shape.observed && !shape.activates {
            unobserved += 1;
        } else if shape.observed && !shape.base && (!off || shape.activates) {
            let price = Price::of(remote(shape).pricing.as_ref());
            let known = models.entry(shape.model).or_default();
            *known = price.max(*known);
        }
    }
    let mut total = Total::default();
    models.values().for_each(|price| total.add(*price));
    (total, unobserved)
}

proptest! {
    #[test]
    fn what_counts_agrees_with_a_scan(steps in prop::collection::vec((0..OBJECTS, step()), 1..40)) {
        let index = index(&[
            ("all", json!({"maxActive": 1})),
            ("one", json!({"maxActive": 2, "secretName": "team-key"})),
        ]);
        let mut known: [Option<(Shape, Guarded)>; OBJECTS] = Default::default();
        for (version, (number, step)) in steps.into_iter().enumerate() {
            let version = u64::try_from(version).unwrap();
            match step {
                Step::Show(shape) => {
                    let shown = object(number, version, &shape);
                    index.show(&shown);
                    known[number] = Some((shape, shown));
                }
                Step::Write(shape) => {
                    let Some((before, stored)) = known[number].take() else { continue };
                    // A write of the status leaves the spec.
                    let shape = Shape { secret: before.secret, ..shape };
                    let written = object(number, version, &shape);
                    index.answered(&stored.object, &written.object);
                    known[number] = Some((shape, written));
                }
                Step::Remove => {
                    let Some((_, stored)) = known[number].take() else { continue };
                    index.remove(&stored);
                }
            }
            let shapes = known.each_ref().map(|one| one.as_ref().map(|(shape, _)| shape.clone()));
            let totals: Vec<_> = index.budgets().iter().map(|report| report.total).collect();
            let scanned = [scan(&shapes, None), scan(&shapes, Some("team-key"))];
            prop_assert_eq!(totals, scanned.map(|(total, _)| Some(total)));
            // Another model asks.
            let full = |(total, unobserved): (Total, usize), most| total.active + unobserved >= most;
            let [all, one] = [full(scanned[0], 1), full(scanned[1], 2)];
            for (secret, refuses) in [(None, all), (Some("team-key"), all || one)] {
                let asks = Shape { secret, ..off(9) };
                let refusal = ask(&index, OBJECTS, &asks).now_or_never().flatten();
                prop_assert_eq!(refusal.is_some(), refuses);
            }
        }
        for (_, stored) in known.into_iter().flatten() {
            index.remove(&stored);
        }
        index.list_budgets(None, Vec::new());
        prop_assert!(index.state().entries.is_empty());
    }
}

fn on(model: usize) -> Shape {
    Shape {
        model,
        live: LiveStatus::Active,
        ..Shape::default()
    }
}

fn off(model: usize) -> Shape {
    Shape {
        model,
        ..Shape::default()
    }
}

fn exceeds(name: &str, most: u32) -> Option<Refusal> {
    Some(Refusal::Exceeded {
        budget: name.into(),
        limit: Limit::Active(most),
    })
}

#[tokio::test]
async fn a_budget_refuses_what_exceeds_it_and_not_the_model_itself() {
    let index = index(&[("team-a", json!({"maxActive": 1}))]);
    index.show(&object(0, 1, &off(0)));
    index.show(&object(1, 1, &off(1)));
    assert_eq!(ask(&index, 0, &off(0)).await, None);
    index.show(&object(0, 2, &on(0)));
    assert_eq!(ask(&index, 1, &off(1)).await, exceeds("team-a", 1));
    // A second object of a model that counts already.
    assert_eq!(ask(&index, 2, &off(0)).await, None);
}

#[tokio::test]
async fn all_budgets_have_to_allow_it() {
    let index = index(&[
        ("a", json!({"maxActive": 2})),
        ("b", json!({"maxActive": 1, "secretName": "team-key"})),
    ]);
    let with = |secret, shape| Shape { secret, ..shape };
    let team = Some("team-key");
    index.show(&object(0, 1, &with(team, on(0))));
    assert_eq!(ask(&index, 1, &with(team, off(1))).await, exceeds("b", 1));
    assert_eq!(
        ask(&index, 1, &off(1)).await,
        None,
        "it uses another Secret"
    );
    index.show(&object(2, 1, &on(2)));
    assert_eq!(ask(&index, 1, &off(1)).await, exceeds("a", 2));
    assert_eq!(ask(&index, 1, &with(team, off(1))).await, exceeds("a", 2));
}

#[tokio::test]
async fn an_object_that_was_never_observed_counts_as_if_its_model_were_on() {
    let index = index(&[("team-a", json!({"maxActive": 1}))]);
    let (_wake, mut woken) = index.add_scope(None);
    let new = |model| Shape {
        observed: false,
        ..off(model)
    };
    let pending = |object: &str| {
        let (budget, object) = ("team-a".into(), object.into());
        Some(Refusal::Unobserved { budget, object })
    };
    for number in 0..3 {
        index.show(&object(number, 1, &new(number)));
    }
    assert_eq!(ask(&index, 0, &off(0)).await, pending("object-1"));
    index.show(&object(0, 2, &off(0)));
    assert_eq!(ask(&index, 0, &off(0)).await, pending("object-1"));
    index.show(&object(1, 2, &off(1)));
    assert_eq!(names(&mut woken), "");
    assert_eq!(ask(&index, 0, &off(0)).await, pending("object-2"));
    assert_eq!(index.budgets()[0].refusing, 1);
    // An object that was never observed doesn't wait for itself.
    assert_eq!(ask(&index, 2, &off(2)).await, None);
    index.show(&object(2, 2, &on(2)));
    assert_eq!(names(&mut woken), "");
    assert_eq!(ask(&index, 0, &off(0)).await, exceeds("team-a", 1));
    index.show(&object(1, 3, &new(1)));
    index.show(&object(2, 3, &off(2)));
    assert_eq!(names(&mut woken), "");
    index.remove(&object(1, 4, &new(1)));
    assert_eq!(names(&mut woken), "object-0");
    assert_eq!(ask(&index, 0, &off(0)).await, None);
}

#[tokio::test]
async fn a_model_on_the_operators_own_key_is_in_no_budget_of_a_secret() {
    let keys = KeyNamespaces::of(&["team"]);
    let index = Index::new(Rules::default()).with_budgets(keys);
    index.add_budget_scope(None);
    let named = json!({"maxActive": 0, "secretName": "oxen-api-key"});
    index.list_budgets(None, vec![budget("named", named)]);
    assert_eq!(ask(&index, 0, &off(0)).await, None);
    let secret = Some("oxen-api-key");
    let named = Shape { secret, ..off(0) };
    assert_eq!(ask(&index, 0, &named).await, exceeds("named", 0));
}

#[tokio::test]
async fn nothing_is_refused_while_budgets_are_off() {
    let index = Index::new(Rules::default());
    index.list_budgets(None, vec![budget("team-a", json!({"maxActive": 0}))]);
    assert_eq!(ask(&index, 0, &off(0)).await, None);
}

#[tokio::test]
async fn budgets_that_are_not_known_refuse_everything_and_wake_it_later() {
    let index = Index::new(Rules::default()).with_budgets(KeyNamespaces::default());
    let (_wake, mut woken) = index.add_scope(None);
    index.add_budget_scope(Some("team".into()));
    index.add_budget_scope(Some("other".into()));
    index.show(&object(0, 1, &off(0)));
    assert_eq!(ask(&index, 0, &off(0)).await, Some(Refusal::NotListed));
    index.list_budgets(Some("other"), Vec::new());
    assert_eq!(ask(&index, 0, &off(0)).await, Some(Refusal::NotListed));
    assert_eq!(names(&mut woken), "");
    let odd = || budget("odd", json!({"maxActive": "three"}));
    index.list_budgets(Some("team"), vec![odd()]);
    assert_eq!(names(&mut woken), "object-0");
    let Some(Refusal::Undecodable { budget, problem }) = ask(&index, 0, &off(0)).await else {
        panic!("it is allowed");
    };
    assert_eq!(budget, "odd");
    assert!(problem.starts_with("spec.maxActive: "), "{problem}");
    let report = &index.budgets()[0];
    assert_eq!(
        (report.total, report.refusing, report.status()),
        (None, 1, None)
    );
    index.remove_budget(&odd());
    assert_eq!(names(&mut woken), "object-0");
    assert_eq!(ask(&index, 0, &off(0)).await, None);
}

#[tokio::test]
async fn the_refused_are_woken_when_there_is_room() {
    let index = index(&[("cost", json!({"maxHourlyCost": "360"}))]);
    let (_wake, mut woken) = index.add_scope(None);
    let price = |shape, price| Shape {
        price: Some(price),
        ..shape
    };
    // A price of 0.1 is 360 an hour.
    index.show(&object(0, 1, &price(on(0), 1)));
    for (number, cost) in [(1, 1), (2, 2)] {
        index.show(&object(number, 1, &off(number)));
        assert!(
            ask(&index, number, &price(off(number), cost))
                .await
                .is_some()
        );
    }
    assert_eq!(index.budgets()[0].refusing, 2);
    // The same again, and a change that makes no room.
    index.show(&object(0, 2, &price(on(0), 1)));
    index.show(&object(3, 1, &on(3)));
    assert_eq!(names(&mut woken), "");
    // It turns off. There is room for one of the two.
    index.show(&object(0, 3, &price(off(0), 1)));
    assert_eq!(names(&mut woken), "object-1");
    assert_eq!(index.budgets()[0].refusing, 1);
    // It comes back, and is deleted.
    index.show(&object(0, 4, &price(on(0), 1)));
    assert_eq!(index.budgets()[0].refusing, 2);
    index.remove(&object(0, 5, &price(on(0), 1)));
    assert_eq!(names(&mut woken), "object-1");
    // It is activated, and no longer refused.
    assert_eq!(ask(&index, 1, &price(off(1), 1)).await, None);
    assert_eq!(index.budgets()[0].refusing, 1);
    index.not_refused(&object(2, 1, &off(2)).object);
    assert_eq!(index.budgets()[0].refusing, 0);
}

#[tokio::test]
async fn the_refused_are_woken_when_a_budget_changes() {
    let index = index(&[("team-a", json!({"maxActive": 0}))]);
    let (_wake, mut woken) = index.add_scope(None);
    index.show(&object(0, 1, &off(0)));
    assert!(ask(&index, 0, &off(0)).await.is_some());
    let mut same = budget("team-a", json!({"maxActive": 0}));
    same.metadata.resource_version = Some("2".into());
    index.show_budget(same);
    assert_eq!(names(&mut woken), "", "only its status was written");
    index.show_budget(budget("team-a", json!({"maxActive": 1})));
    assert_eq!(names(&mut woken), "object-0");
    index.show_budget(budget("team-a", json!({"maxActive": 0})));
    names(&mut woken);
    // A list without it says that it was deleted.
    index.list_budgets(None, Vec::new());
    assert_eq!(names(&mut woken), "object-0");
    assert_eq!(ask(&index, 0, &off(0)).await, None);
}

#[tokio::test]
async fn an_object_whose_status_says_that_it_is_refused_counts_as_refused() {
    let index = index(&[("team-a", json!({"maxActive": 0}))]);
    let (_wake, mut woken) = index.add_scope(None);
    let mut refused = object(0, 1, &off(0)).object.as_ref().clone();
    let ready = json!([{
        "type": "Ready",
        "status": "False",
        "reason": "BudgetExceeded",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    let status = refused.status.as_mut().unwrap();
    status.conditions = serde_json::from_value(ready).unwrap();
    index.show(&Guarded {
        object: refused.into(),
        unreadable: None,
    });
    assert_eq!(index.budgets()[0].refusing, 1);
    index.show_budget(budget("team-a", json!({"maxActive": 1})));
    assert_eq!(names(&mut woken), "object-0");
    index.show(&object(0, 2, &off(0)));
    assert_eq!(index.budgets()[0].refusing, 0);
}

#[tokio::test]
async fn a_second_decision_waits_until_the_first_is_recorded() {
    let index = index(&[("team-a", json!({"maxActive": 1}))]);
    let shown = [object(0, 1, &off(0)), object(1, 1, &off(1))];
    shown.iter().for_each(|object| assert!(index.show(object)));
    let (models, objects) = ([remote(&off(0)), remote(&off(1))], &shown);
    let first = index.ask_budgets(&objects[0].object, &models[0]).await;
    assert_eq!(first.refusal, None);
    let mut second = Box::pin(index.ask_budgets(&objects[1].object, &models[1]));
    assert!((&mut second).now_or_never().is_none());
    let recorded = object(
        0,
        2,
        &Shape {
            activates: true,
            ..off(0)
        },
    );
    index.answered(&objects[0].object, &recorded.object);
    drop(first.lock);
    assert_eq!(second.await.refusal, exceeds("team-a", 1));
}

#[test]
fn the_status_of_a_budget_is_told_once() {
    let index = index(&[("team-a", json!({"maxActive": 1}))]);
    let mut changes = index.budget_changes();
    changes.mark_unchanged();
    assert_eq!(index.take_changed_budgets(Some("other")), []);
    assert_eq!(index.take_changed_budgets(None).len(), 1);
    assert_eq!(index.take_changed_budgets(None), []);
    index.show(&object(
        0,
        1,
        &Shape {
            price: Some(1),
            ..on(0)
        },
    ));
    assert!(changes.has_changed().unwrap());
    let changed = index.take_changed_budgets(Some("team"));
    let status = changed[0].status().unwrap();
    assert_eq!((status.observed_generation, status.active), (1, 1));
    assert_eq!(status.hourly_cost.as_deref(), Some("360.000000000"));
    index.budget_not_written(&changed[0]);
    assert_eq!(index.take_changed_budgets(None), changed);
}
