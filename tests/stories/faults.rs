//! The hub's faults: each has its own reason, none leads to a call that no observation requires,
//! and no other object is affected.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use hub::{Endpoint, Entry, Fault, Hub, Model};
use oxen_operator::{api::OxenModel, decide::REFUSALS};
use serde_json::{Value, json};
use testkit::world::{DEADLINE, Operator, World, condition, message, progress, ready, status};

/// What a fault does to Ready.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    /// Ready stays as it was, and is Unknown where there was none.
    Kept,
    Unknown,
    Stalled,
}

/// A fault of a live GET: its name, the fault, its reason, what it does to Ready, and words that
/// the message contains.
type Row = (&'static str, Fault, &'static str, Shown, &'static str);

fn rows(hub: &Hub) -> Vec<Row> {
    use Shown::{Kept, Stalled, Unknown};
    let (unreachable, odd) = ("HubUnreachable", "UnexpectedResponse");
    let elsewhere = Fault::redirect(&format!("{}/elsewhere", hub.url()));
    let envelope = json!({"status": "error", "status_message": "no luck", "deployments": [{"status": "inactive"}]});
    let busy = Fault::status(503).retry_after(Duration::from_secs(1));
    vec![
        (
            "401",
            Fault::error(401, "unauthenticated"),
            "Unauthenticated",
            Stalled,
            "Secret",
        ),
        (
            "402",
            Fault::error(402, "no credits left"),
            "PaymentRequired",
            Stalled,
            "no credits left (402)",
        ),
        (
            "403",
            Fault::typed_error(403, "denied", "not your model"),
            "Forbidden",
            Stalled,
            "not your model (403)",
        ),
        (
            "403-of-a-proxy",
            Fault::html(403),
            unreachable,
            Kept,
            "a proxy or gateway on the way answered with an HTML page (403)",
        ),
        (
            "404-of-a-proxy",
            Fault::html(404),
            unreachable,
            Kept,
            "404 Not Found",
        ),
        ("302", elsewhere, unreachable, Kept, "302 Found"),
        (
            "400",
            Fault::error(400, "bad luck"),
            odd,
            Unknown,
            "bad luck (400)",
        ),
        (
            "500",
            Fault::status_message(500, "no luck"),
            unreachable,
            Kept,
            "no luck (500)",
        ),
        (
            "500-with-deployments",
            Fault::answering(500, envelope),
            unreachable,
            Kept,
            "no luck (500)",
        ),
        (
            "502-of-a-proxy",
            Fault::html(502),
            unreachable,
            Kept,
            "502 Bad Gateway",
        ),
        (
            "503",
            Fault::status(503),
            unreachable,
            Kept,
            "Service Unavailable (503)",
        ),
        (
            "503-with-retry-after",
            busy,
            "RateLimited",
            Kept,
            "when the hub allows it",
        ),
        ("cut", Fault::cut(), unreachable, Kept, "can't be reached"),
        (
            "cut-in-body",
            Fault::cut_in_body(),
            unreachable,
            Kept,
            "can't be reached",
        ),
        ("hang", Fault::hang(), unreachable, Kept, "timed out"),
        ("truncated", Fault::truncated(), odd, Unknown, "incomplete"),
        ("not-json", Fault::not_json(), odd, Unknown, "not JSON"),
        (
            "wrong-shape",
            Fault::wrong_shape(),
            odd,
            Unknown,
            "JSON that is not an object",
        ),
        ("empty", Fault::empty(), odd, Unknown, "incomplete JSON"),
        ("huge", Fault::huge(5 << 20), odd, Unknown, "too large"),
    ]
}

/// The name of a row's settled object.
fn on(row: &Row) -> String {
    format!("on-{}", row.0)
}

/// The name of a row's object that needs a call.
fn off(row: &Row) -> String {
    format!("off-{}", row.0)
}

fn active(model: &str) -> Value {
    json!({"model": model, "state": "active"})
}

/// The spec of a row's object. Objects that meet a 401 have keys of their own, because it is about
/// the whole key.
fn active_in(row: &Row, model: &str) -> Value {
    let mut spec = active(model);
    if row.0 == "401" {
        spec["apiKeySecretRef"] = json!({"name": model});
    }
    spec
}

#[tokio::test]
async fn each_fault_has_its_reason_and_affects_no_other_object() {
    let world = World::new(Hub::builder().model(Model::custom("sound"))).await;
    for name in ["on-401", "off-401"] {
        let key = format!("key-of-{name}");
        world.hub.add_key(hub::ACCOUNT, &key);
        world.secret(name, "api-key", &key).await;
    }
    let rows = rows(&world.hub);
    for row in &rows {
        world.hub.add_model(Model::custom(on(row)).status("active"));
        world
            .hub
            .add_model(Model::custom(off(row)).status("inactive"));
        world.create(&on(row), active_in(row, &on(row))).await;
    }
    // A settled object is observed on request only, and its Ready is kept for 15 minutes.
    let rare = ("OXEN_SYNC_INTERVAL", "1h");
    let operator = world.operator_with(&[rare, ("OXEN_TIME_SCALE", "1")]);
    for row in &rows {
        world.until_reason(&on(row), "Active").await;
        for model in [on(row), off(row)] {
            world.hub.inject(row.1.clone().on_model(&model));
        }
        world.request_reconcile(&on(row), "1").await;
        world.create(&off(row), active_in(row, &off(row))).await;
    }
    for row in &rows {
        until_fault_is_shown(&world, row).await;
    }
    world.create("sound", active("sound")).await;
    world.until_reason("sound", "Active").await;
    assert_eq!(world.calls("sound"), ["activate"]);
    operator.kill();

    // The retries of the next operator come soon. Ready is kept for three seconds.
    let _operator = world.operator_with(&[rare, ("OXEN_TIME_SCALE", "300")]);
    for row in rows.iter().filter(|row| row.3 == Shown::Kept) {
        let shown = |object: &OxenModel| ready(object).unwrap().status == "Unknown";
        world.until(&on(row), "Unknown in the end", shown).await;
    }
    let observed_again = async || {
        for row in &rows {
            world.until_observed(&off(row), 1).await;
        }
        world.writes("status")
    };
    assert_eq!(observed_again().await, observed_again().await);
    assert_eq!(world.hub.journal().posts().len(), 1);
    assert_eq!(
        world.hub.journal().count_all(Endpoint::Other),
        0,
        "a redirect was followed"
    );

    world.hub.clear_faults();
    for row in &rows {
        world.until_reason(&off(row), "Active").await;
        assert_eq!(world.calls(&off(row)), ["activate"], "{}", row.0);
        world
            .until(&on(row), "in sync", |object| {
                condition(object, "Synced").unwrap().status == "True"
                    && ready(object).unwrap().status == "True"
                    && status(object).last_handled_reconcile_at.as_deref() == Some("1")
            })
            .await;
        assert_eq!(world.calls(&on(row)), [""; 0], "{}", row.0);
    }
}

/// Waits until both objects of a row show its fault.
async fn until_fault_is_shown(world: &World, row: &Row) {
    let (name, _, reason, shown, words) = row;
    let told = |object: &OxenModel| {
        condition(object, "Synced").is_some_and(|synced| {
            synced.status == "False" && synced.reason == *reason && synced.message.contains(words)
        })
    };
    let object = world.until(&on(row), words, told).await;
    let settled = ready(&object).unwrap();
    let expected = match shown {
        Shown::Kept => ("True", "Active", None),
        Shown::Unknown => ("Unknown", *reason, Some(("Reconciling", *reason))),
        Shown::Stalled => ("False", *reason, Some(("Stalled", *reason))),
    };
    let found = (
        settled.status.as_str(),
        settled.reason.as_str(),
        progress(&object),
    );
    assert_eq!(found, expected, "{name}");
    assert_eq!(status(&object).last_handled_reconcile_at, None, "{name}");

    let told = |object: &OxenModel| {
        ready(object).is_some_and(|it| it.reason == *reason && it.message.contains(words))
    };
    let object = world.until(&off(row), words, told).await;
    let (status, progress_) = match shown {
        Shown::Kept | Shown::Unknown => ("Unknown", "Reconciling"),
        Shown::Stalled => ("False", "Stalled"),
    };
    assert_eq!(ready(&object).unwrap().status, status, "{name}");
    assert_eq!(progress(&object), Some((progress_, *reason)), "{name}");
}

#[tokio::test]
async fn ready_is_not_kept_for_a_generation_that_was_never_observed() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    // Ready is kept for 15 minutes.
    let _operator = world.operator_with(&[("OXEN_SYNC_INTERVAL", "1h"), ("OXEN_TIME_SCALE", "1")]);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;

    world.hub.inject(Fault::status(500));
    world.edit("bot", json!({"state": "inactive"})).await;

    let object = world.until_reason("bot", "HubUnreachable").await;
    assert_eq!(ready(&object).unwrap().status, "Unknown");
    assert_eq!(status(&object).observed_generation, 2);
}

#[tokio::test]
async fn a_hub_that_is_down_makes_ready_unknown_after_a_while_and_recovers() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("on").status("active"))
            .model(Model::custom("off").status("inactive")),
    )
    .await;
    let _operator = world.operator();
    world.create("on", active("on")).await;
    world.until_reason("on", "Active").await;

    world.hub.stop().await.unwrap();
    world.create("off", active("off")).await;
    for name in ["on", "off"] {
        let object = world.until_reason(name, "HubUnreachable").await;
        assert_eq!(ready(&object).unwrap().status, "Unknown", "{name}");
        assert_eq!(progress(&object), Some(("Reconciling", "HubUnreachable")));
    }

    world.hub.restart().await.unwrap();
    world.until_reason("on", "Active").await;
    world.until_reason("off", "Active").await;
    assert_eq!(world.calls("on"), [""; 0]);
    assert_eq!(world.calls("off"), ["activate"]);
}

#[tokio::test]
async fn an_unknown_name_is_reported_with_similar_ones_from_one_search() {
    let world = World::new(
        Hub::builder()
            .model(Model::custom("support-bot-v2"))
            .model(Model::custom("support-bot-v1"))
            .model(Model::custom("unrelated"))
            .model(Model::custom("gone").status("active")),
    )
    .await;
    let _operator = world.operator();
    world.create("gone", active("gone")).await;
    world.until_reason("gone", "Active").await;
    world.hub.remove_model("gone").unwrap();
    // If Model not found were read as inactive, this object would be Ready.
    let typo = json!({"model": "support-bto-v2", "state": "inactive"});
    world.create("typo", typo).await;

    let object = world.until_reason("typo", "ModelNotFound").await;
    assert_eq!(ready(&object).unwrap().status, "False");
    assert_eq!(progress(&object), Some(("Stalled", "ModelNotFound")));
    let text = message(&object);
    assert!(
        text.contains("support-bot-v2") && text.contains("support-bot-v1"),
        "{text}"
    );
    assert!(!text.contains("unrelated"), "{text}");
    let object = world.until_reason("gone", "ModelNotFound").await;
    assert_eq!(progress(&object), Some(("Stalled", "ModelNotFound")));
    assert_eq!(
        status(&object).model.unwrap().id,
        "gone",
        "the identity is kept"
    );

    for model in ["support-bto-v2", "gone"] {
        world.until_observed(model, 3).await;
    }
    let journal = world.hub.journal();
    assert_eq!(journal.count_all(Endpoint::Search), 2, "one per object");
    assert_eq!(journal.posts().len(), 0);

    world.hub.add_model(Model::custom("gone").status("active"));
    world
        .hub
        .add_model(Model::custom("support-bto-v2").status("inactive"));
    world.until_reason("gone", "Active").await;
    world.until_reason("typo", "Inactive").await;
}

/// Creates a world with two settled objects of one key, and one of another key.
async fn two_keys() -> (World, Operator) {
    let hub = Hub::builder()
        .key(hub::ACCOUNT, hub::KEY)
        .key("other", "another-key")
        .model(Model::custom("one").status("active"))
        .model(Model::custom("two").status("active"))
        .model(Model::custom("theirs").owner("other").status("active"));
    let world = World::new(hub).await;
    world.secret("other", "api-key", "another-key").await;
    // A settled object is observed on request only, and a Retry-After of ten minutes is followed.
    let operator = world.operator_with(&[
        ("OXEN_SYNC_INTERVAL", "1h"),
        ("OXEN_TIME_SCALE", "1"),
        ("OXEN_SECRET_NAMES", "oxen-api-key,other"),
    ]);
    for name in ["one", "two"] {
        world.create(name, active(name)).await;
    }
    let theirs =
        json!({"model": "theirs", "state": "active", "apiKeySecretRef": {"name": "other"}});
    world.create("theirs", theirs).await;
    for name in ["one", "two", "theirs"] {
        world.until_reason(name, "Active").await;
    }
    (world, operator)
}

fn of_account(world: &World, account: &str) -> Vec<Entry> {
    let mut entries = world.hub.journal().entries;
    entries.retain(|entry| entry.account.as_deref() == Some(account));
    entries
}

async fn a_429_holds_for_every_object_of_its_key(limit: impl Fn(Duration) -> Fault) {
    let (world, _operator) = two_keys().await;
    let limit = |wait| limit(wait).on_account(hub::ACCOUNT).times(1);
    world.hub.inject(limit(Duration::from_secs(600)));
    world.hub.clear_journal();
    world.request_reconcile("one", "1").await;
    let object = world.until_fault("one", "RateLimited").await;
    assert_eq!(ready(&object).unwrap().status, "True", "Ready is kept");

    // Neither a requested reconcile nor a new generation shortens it. The other key is not
    // affected.
    world.request_reconcile("one", "2").await;
    world.request_reconcile("two", "2").await;
    world.until_fault("two", "RateLimited").await;
    world.edit("two", json!({"progressDeadline": "5m"})).await;
    world.until_reason("two", "RateLimited").await;
    world.request_reconcile("theirs", "2").await;
    world.until_handled("theirs", "2").await;
    assert_eq!(of_account(&world, hub::ACCOUNT).len(), 1);

    // It ends after the Retry-After.
    let (world, _operator) = two_keys().await;
    let wait = Duration::from_secs(3);
    world.hub.inject(limit(wait));
    world.hub.clear_journal();
    world.request_reconcile("one", "1").await;
    let limited = |journal: &hub::Journal| journal.entries.iter().any(Entry::is_over);
    world.hub.wait_for(DEADLINE, limited).await.unwrap();
    for name in ["one", "two"] {
        world.request_reconcile(name, "2").await;
    }
    for name in ["one", "two"] {
        world.until_handled(name, "2").await;
    }
    let requests = of_account(&world, hub::ACCOUNT);
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= wait, "after {waited:?}: {requests:#?}");
    assert_eq!(world.hub.journal().posts().len(), 0);
}

#[tokio::test]
async fn a_429_with_seconds_holds_for_every_object_of_its_key() {
    let limit = |wait| Fault::status(429).retry_after(wait);
    a_429_holds_for_every_object_of_its_key(limit).await;
}

#[tokio::test]
async fn a_429_with_a_date_holds_for_every_object_of_its_key() {
    // A date has whole seconds.
    let limit = |wait| {
        let date = SystemTime::now() + wait + Duration::from_secs(1);
        Fault::status(429).retry_after_date(date)
    };
    a_429_holds_for_every_object_of_its_key(limit).await;
}

#[tokio::test]
async fn a_429_without_retry_after_is_waited_for_longer_each_time() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("active"))).await;
    world.hub.inject(Fault::status(429).times(3));
    // The backoff starts with half a second.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "2")]);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;

    let times: Vec<Duration> = world.requests("bot").iter().map(|entry| entry.at).collect();
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (wait, least) in waits.iter().zip([500, 1000, 2000]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
}

#[tokio::test]
async fn a_rate_limited_call_uses_no_attempt_and_is_made_later() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let limit = Fault::status(429).retry_after(Duration::from_secs(1));
    world.hub.inject(limit.on(Endpoint::Activate).times(4));
    let _operator = world.operator();
    world.create("bot", active("bot")).await;
    // A generation may make three calls.
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"; 5]);
    for waited in waits(&world, "bot") {
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
    }
}

/// Returns the times between the calls for a model.
fn waits(world: &World, model: &str) -> Vec<Duration> {
    let journal = world.hub.journal();
    let posts = journal.posts_for(model);
    posts
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect()
}

/// Returns the number of refused calls in a row.
fn refusals(object: &OxenModel) -> u32 {
    let attempts = status(object).attempts.unwrap_or_default();
    attempts.refusals.unwrap_or_default()
}

/// Waits until the object is Stalled for this reason, because its calls are refused again and
/// again.
async fn until_refused_for_long(world: &World, name: &str, reason: &str) -> OxenModel {
    let refused = |object: &OxenModel| progress(object) == Some(("Stalled", reason));
    let object = world.until(name, "Stalled", refused).await;
    assert!(refusals(&object) >= REFUSALS, "{object:#?}");
    assert!(world.calls(name).len() >= REFUSALS as usize);
    let attempts = status(&object).attempts.unwrap();
    assert_eq!(attempts.calls, None, "a refused call is given back");
    assert_eq!(condition(&object, "Synced").unwrap().status, "True");
    object
}

/// Waits until the hub has refused this number of further calls.
async fn until_refused_again(world: &World, name: &str, more: usize) {
    let calls = world.calls(name).len();
    world.until_called(name, calls + more).await;
}

#[tokio::test]
async fn a_refused_call_is_retried_less_often_each_time() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    let fault = Fault::error(422, "no GPU is left").on(Endpoint::Activate);
    world.hub.inject(fault);
    // The wait after the first refusal is one second.
    let settings = [("OXEN_TIME_SCALE", "10"), ("OXEN_SYNC_INTERVAL", "30s")];
    let _operator = world.operator_with(&settings);
    world.create("bot", active("bot")).await;

    let first = world.until_reason("bot", "Rejected").await;
    assert_eq!(progress(&first), Some(("Reconciling", "Rejected")));
    let object = until_refused_for_long(&world, "bot", "Rejected").await;
    for object in [&first, &object] {
        let text = message(object);
        assert!(text.contains("no GPU is left (422)"), "{text}");
        assert_eq!(ready(object).unwrap().status, "False");
    }
    assert_eq!(status(&object).operation, None);
    let waits = waits(&world, "bot");
    for (wait, least) in waits.iter().zip([1, 2, 4, 8]) {
        // The status has whole seconds.
        assert!(*wait >= Duration::from_secs(least - 1), "{waits:?}");
    }

    // A requested reconcile tries at once, and a person isn't needed.
    world.hub.clear_faults();
    world.request_reconcile("bot", "1").await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot").len(), waits.len() + 2);
}

#[tokio::test]
async fn a_call_that_is_refused_for_a_known_cause_reports_that_cause() {
    let rows = [
        ("unauthenticated", 401, "Unauthenticated"),
        ("no credits left", 402, "PaymentRequired"),
        ("not your model", 403, "Forbidden"),
        ("Model not found: bot", 404, "ModelNotFound"),
        ("the last shutdown is not finished", 409, "Rejected"),
    ];
    let world = World::new(Hub::builder()).await;
    let _operator = world.operator();
    for (words, code, reason) in rows {
        let name = format!("bot-{code}");
        world.hub.add_model(Model::custom(&name));
        let fault = Fault::error(code, words)
            .on(Endpoint::Activate)
            .on_model(&name);
        let fault = world.hub.inject(fault);
        world.create(&name, active(&name)).await;
        until_refused_for_long(&world, &name, reason).await;
        until_refused_again(&world, &name, 2).await;
        let object = world.get(&name).await;
        assert_eq!(
            progress(&object),
            Some(("Stalled", reason)),
            "{}",
            message(&object)
        );

        // Nobody needs to request anything.
        world.hub.clear_fault(fault);
        world.until_reason(&name, "Active").await;
        let object = world.get(&name).await;
        assert_eq!(refusals(&object), 0);
    }
}

#[tokio::test]
async fn refusals_that_end_soon_need_no_person() {
    let world = World::new(Hub::builder()).await;
    let rows = [
        ("unpaid", Fault::error(402, "no credits left").times(3), 4),
        (
            "busy",
            Fault::error(409, "the last shutdown is not finished").times(7),
            8,
        ),
    ];
    for (name, fault, _) in &rows {
        world.hub.add_model(Model::custom(*name).status("active"));
        let fault = fault.clone().on(Endpoint::Deactivate).on_model(name);
        world.hub.inject(fault);
        let inactive = json!({"model": name, "state": "inactive"});
        world.create(name, inactive).await;
    }
    let _operator = world.operator();
    for (name, _, calls) in rows {
        world.until_reason(name, "Inactive").await;
        assert_eq!(world.calls(name), vec!["deactivate"; calls], "{name}");
    }
}

#[tokio::test]
async fn a_page_of_a_proxy_refuses_no_call() {
    let world = World::new(Hub::builder().model(Model::custom("bot"))).await;
    let page = Fault::html(403).on(Endpoint::Activate).times(3);
    world.hub.inject(page);
    // An operation without an effect stays open for 0.3 seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "400")]);
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"; 4]);
    world.until_event("bot", "OutcomeUnknown").await;
    let events = world.events("bot").await;
    assert!(!events.contains(&"Forbidden".to_owned()), "{events:?}");
}

#[tokio::test]
async fn a_quota_that_refuses_an_activation_stops_nothing_else_of_its_key() {
    let hub = Hub::builder()
        .model(Model::custom("bot"))
        .model(Model::custom("later"))
        .model(Model::custom("other").status("active"));
    let world = World::new(hub).await;
    let words = "the plan allows 3 active deployments";
    let quota = || Fault::typed_error(429, "insufficient_quota", words).on(Endpoint::Activate);
    // A Retry-After of 80 seconds is followed at this time scale.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "10")]);
    world.create("other", active("other")).await;
    world.until_reason("other", "Active").await;

    world.hub.inject(quota().on_model("bot"));
    let wait = Duration::from_secs(80);
    world
        .hub
        .inject(quota().on_model("later").retry_after(wait));
    world.create("bot", active("bot")).await;
    world.create("later", active("later")).await;
    world.until_reason("later", "Rejected").await;
    world.edit("other", json!({"state": "inactive"})).await;
    world.until_reason("other", "Inactive").await;
    let journal = world.hub.journal();
    let (refused, off) = (
        journal.posts_for("later")[0].at,
        journal.posts_for("other")[0].at,
    );
    assert!(off < refused + wait, "{journal:#?}");
    assert_eq!(world.calls("later"), ["activate"]);

    let object = until_refused_for_long(&world, "bot", "Rejected").await;
    let text = message(&object);
    assert!(text.contains(words), "{text}");
    let later = world.get("later").await;
    assert_eq!(progress(&later), Some(("Reconciling", "Rejected")));
    world.hub.clear_faults();
    world.until_reason("bot", "Active").await;
}

/// Responses to a call after which its outcome is not known.
fn unknown_outcomes() -> Vec<(&'static str, Fault)> {
    vec![
        ("cut", Fault::cut()),
        ("cut-in-body", Fault::cut_in_body()),
        ("500", Fault::status(500)),
        ("502", Fault::html(502)),
        (
            "503",
            Fault::status(503).retry_after(Duration::from_secs(1)),
        ),
        ("403-of-a-proxy", Fault::html(403)),
        ("404-of-a-proxy", Fault::html(404)),
        ("302", Fault::redirect("http://127.0.0.1:9/")),
        ("not-json", Fault::not_json()),
        ("empty", Fault::empty()),
        ("huge", Fault::huge(5 << 20)),
        ("hang", Fault::hang()),
    ]
}

/// How long an operation without an effect stays open, at a time scale of 60.
const PATIENCE: Duration = Duration::from_secs(2);

/// Creates a world with one model per outcome. The first call for each model meets its fault.
async fn with_unknown_outcomes(change: impl Fn(Fault) -> Fault) -> World {
    let world = World::new(Hub::builder().model(Model::custom("sound"))).await;
    for (name, fault) in unknown_outcomes() {
        let delay = Duration::from_millis(300);
        world
            .hub
            .add_model(Model::custom(name).activate_delay(delay));
        let fault = fault.on(Endpoint::Activate).on_model(name).times(1);
        world.hub.inject(change(fault));
        world.create(name, active(name)).await;
    }
    world
}

/// Starts the operator, and waits until it has activated a model without faults.
async fn served(world: &World) -> Operator {
    let operator = world.operator_with(&[("OXEN_TIME_SCALE", "60")]);
    world.create("sound", active("sound")).await;
    world.until_reason("sound", "Active").await;
    assert_eq!(world.calls("sound"), ["activate"]);
    operator
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_after_its_effect_is_never_repeated() {
    let world = with_unknown_outcomes(Fault::after_effect).await;
    let _operator = served(&world).await;
    for (name, _) in unknown_outcomes() {
        world.until_reason(name, "Active").await;
        world.until_observed(name, 3).await;
        assert_eq!(world.calls(name), ["activate"], "{name}");
        world.until_event(name, "OutcomeUnknown").await;
    }
}

#[tokio::test]
async fn a_call_without_effect_is_repeated_only_after_two_late_live_gets() {
    let world = with_unknown_outcomes(|fault| fault).await;
    let is_open = |object: &OxenModel| {
        let shown = ready(object);
        shown.is_some_and(|ready| ready.reason == "OutcomeUnknown")
            && status(object).operation.is_some()
    };
    let names = unknown_outcomes().into_iter().map(|(name, _)| name);
    // An operation is open for some seconds only, so all objects are watched from the start.
    let open = names.map(|name| world.until(name, "open", is_open));
    let (open, _operator) = tokio::join!(join_all(open), served(&world));
    for ((name, _), object) in unknown_outcomes().into_iter().zip(open) {
        assert_eq!(ready(&object).unwrap().status, "Unknown", "{name}");
        assert_eq!(status(&object).operation.unwrap().accepted, None, "{name}");
    }
    for (name, _) in unknown_outcomes() {
        world.until_reason(name, "Active").await;
        assert_eq!(world.calls(name), ["activate"; 2], "{name}");
        let requests = world.requests(name);
        let posts: Vec<usize> = (0..requests.len())
            .filter(|n| requests[*n].is_post())
            .collect();
        let between = &requests[posts[0] + 1..posts[1]];
        let old = requests[posts[0]].at + PATIENCE;
        let late = between
            .iter()
            .filter(|get| get.is_live() && get.at >= old)
            .count();
        assert!(late >= 2, "{name}: {between:#?}");
        assert_eq!(status(&world.get(name).await).operation, None);
    }
}

#[tokio::test]
async fn a_call_whose_effect_shows_late_is_made_once() {
    let late = Model::custom("bot").late_effect(Duration::from_secs(3600));
    let world = World::new(Hub::builder().model(late)).await;
    // The operation may stay open for 30 seconds.
    let _operator = world.operator_with(&[("OXEN_TIME_SCALE", "4")]);
    world.create("bot", active("bot")).await;
    let object = world
        .until("bot", "accepted", |object| {
            status(object)
                .operation
                .is_some_and(|open| open.accepted == Some(true))
        })
        .await;
    assert_eq!(progress(&object), Some(("Reconciling", "Activating")));
    // Not even a new generation leads to a second call before the first one shows its effect.
    world.edit("bot", json!({"state": "inactive"})).await;
    world.until_observed("bot", 2).await;
    world.edit("bot", json!({"state": "active"})).await;
    world.request_reconcile("bot", "1").await;
    world.until_handled("bot", "1").await;
    assert_eq!(world.calls("bot"), ["activate"]);
    world.hub.set_status("bot", "active").unwrap();
    world.until_reason("bot", "Active").await;
    assert_eq!(world.calls("bot"), ["activate"]);
}

#[tokio::test]
async fn a_retry_after_in_the_response_to_a_call_holds_for_its_object() {
    let world = World::new(Hub::builder().model(Model::custom("bot").status("inactive"))).await;
    // A Retry-After of 20 seconds is followed at this time scale.
    let operator = world.operator_with(&[("OXEN_TIME_SCALE", "10")]);
    let wait = Duration::from_secs(20);
    let busy = Fault::status(503).retry_after(wait).on(Endpoint::Activate);
    world.hub.inject(busy.times(1).after_effect());
    world.create("bot", active("bot")).await;
    world.until_reason("bot", "OutcomeUnknown").await;
    // It holds for a requested reconcile too.
    world.request_reconcile("bot", "at once").await;
    world.until_fault("bot", "RateLimited").await;
    world.until_reason("bot", "Active").await;
    drop(operator);

    let requests = world.requests("bot");
    let call = requests.iter().position(hub::Entry::is_post).unwrap();
    let pause = requests[call + 1].at - requests[call].at;
    assert!(pause >= wait, "{pause:?}: {requests:#?}");
    assert_eq!(world.calls("bot"), ["activate"]);
}
