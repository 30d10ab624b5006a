//! The model object as the hub sends it.

use oxen_operator::{
    api::LiveStatus,
    decide::HubFault,
    hub::{Model, Pricing, fold},
};
use serde_json::{Value, json};
use testkit::raw::{RawServer, client, key};

const REQUIRED: [&str; 2] = ["id", "owned_by"];

/// The contents of a file in `tests/fixtures`.
pub fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The model object of a file in `tests/fixtures`.
pub fn model(name: &str) -> Model {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// What a client reads from a response with this body.
async fn read(body: &str) -> Result<Model, HubFault> {
    let server = RawServer::start().await;
    server.respond(200, "", body.as_bytes());
    client(server.url.as_str())
        .retrieve(&key(), "support-bot-v2", true)
        .await
}

#[test]
fn every_field_of_a_full_model_object_is_typed_and_kept() {
    let written: Value = serde_json::from_str(&fixture("model-full")).unwrap();
    assert_eq!(serde_json::to_value(model("model-full")).unwrap(), written);
}

#[tokio::test]
async fn only_the_identity_is_required() {
    let minimal = read(&fixture("model-minimal")).await.unwrap();
    assert_eq!(minimal, read(&fixture("model-nulls")).await.unwrap());
    assert!(read(r#"{"id":"bot","owned_by":"acme"}"#).await.is_ok());
    for field in REQUIRED {
        let mut incomplete: Value = serde_json::from_str(&fixture("model-full")).unwrap();
        incomplete.as_object_mut().unwrap().remove(field);
        let fault = read(&incomplete.to_string()).await.unwrap_err();
        assert_eq!(
            fault,
            HubFault::Unexpected(format!(
                "JSON that is not a model object: the field {field} is missing"
            )),
            "{field}"
        );
    }
}

#[tokio::test]
async fn nulls_new_fields_new_words_and_other_numbers_are_no_error() {
    for name in ["model-nulls", "model-nulls-inside", "model-from-the-future"] {
        assert_eq!(
            read(&fixture(name)).await.unwrap().id,
            "support-bot-v2",
            "{name}"
        );
    }
    let future = model("model-from-the-future");
    assert_eq!(future.created.unwrap().to_string(), "1760000000.75");
    assert_eq!(future.model_type.unwrap().as_str(), "hybrid");
    assert_eq!(
        future.pricing.unwrap().method.unwrap().as_str(),
        "per_smell"
    );
}

#[tokio::test]
async fn every_optional_field_may_be_absent_or_null() {
    let full: Value = serde_json::from_str(&fixture("model-full")).unwrap();
    let fields = full.as_object().unwrap().keys();
    for field in fields.filter(|name| !REQUIRED.contains(&name.as_str())) {
        let mut absent = full.clone();
        absent.as_object_mut().unwrap().remove(field);
        let mut null = full.clone();
        null[field] = Value::Null;
        assert_eq!(
            serde_json::from_value::<Model>(absent).unwrap(),
            serde_json::from_value::<Model>(null).unwrap(),
            "{field}"
        );
    }
}

#[tokio::test]
async fn a_list_is_read_as_the_reference_shows_it() {
    let server = RawServer::start().await;
    server.respond(200, "", fixture("list").as_bytes());
    let client = client(server.url.as_str());
    for models in [
        client.list(&key(), None, None).await,
        client.search(&key(), "bot").await,
    ] {
        let models = models.unwrap();
        let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["claude-sonnet-4-6", "support-bot-v2"]);
    }
}

#[test]
fn prices_are_plain_decimals_in_every_notation() {
    for (number, decimal) in [
        ("3e-6", "0.000003"),
        ("1.5e-5", "0.000015"),
        ("0.00125", "0.00125"),
        ("2.5E2", "250"),
        ("1e-10", "0.0000000001"),
        ("1e21", "1000000000000000000000"),
        ("0.1", "0.1"),
        ("0", "0"),
        ("0.0", "0"),
        ("1", "1"),
        ("1.0", "1"),
        ("18446744073709551615", "18446744073709551615"),
        ("-1", "-1"),
    ] {
        let json = format!(r#"{{"cost_per_image":{number}}}"#);
        let pricing: Pricing = serde_json::from_str(&json).unwrap();
        assert_eq!(
            pricing.cost_per_image.unwrap().to_string(),
            decimal,
            "{number}"
        );
    }
}

/// The full model object with this field instead.
fn full_with(field: &str, value: &Value) -> String {
    let mut full: Value = serde_json::from_str(&fixture("model-full")).unwrap();
    full[field] = value.clone();
    full.to_string()
}

#[tokio::test]
async fn an_identity_or_a_type_that_cannot_be_read_is_unexpected() {
    for (field, value) in [
        ("id", json!(7)),
        ("id", json!("")),
        ("id", json!("m".repeat(513))),
        ("owned_by", json!(["acme"])),
        ("owned_by", json!("a".repeat(513))),
        ("model_type", json!(true)),
    ] {
        let fault = read(&full_with(field, &value)).await.unwrap_err();
        let HubFault::Unexpected(words) = fault else {
            panic!("{field}: {value}: {fault:?}")
        };
        assert!(words.contains(&format!("the field {field} ")), "{words}");
    }
}

#[tokio::test]
async fn deployments_that_cannot_be_read_are_an_unknown_status() {
    for value in [
        json!({}),
        json!("active"),
        json!([{"status": 1}]),
        json!(["active"]),
        json!([{"status": "inactive"}, 7]),
    ] {
        let model = read(&full_with("deployments", &value)).await.unwrap();
        let remote = fold(
            "support-bot-v2",
            &model,
            &"https://hub.oxen.ai/api/ai".parse().unwrap(),
        );
        assert_eq!(remote.unwrap().live, LiveStatus::Unknown, "{value}");
    }
}

#[tokio::test]
async fn no_other_field_decides_whether_a_model_can_be_read() {
    let fields: Value = serde_json::from_str(&fixture("model-full")).unwrap();
    let fields = fields.as_object().unwrap().keys();
    let deciding = ["id", "owned_by", "model_type", "deployments"];
    for field in fields.filter(|name| !deciding.contains(&name.as_str())) {
        for odd in [
            json!(7),
            json!("x"),
            json!(true),
            json!([null]),
            json!({"a": 1}),
        ] {
            let model = read(&full_with(field, &odd)).await;
            assert_eq!(model.unwrap().id, "support-bot-v2", "{field}: {odd}");
        }
    }
    let pricing = json!({"method": "time", "cost_per_second": "0.00125"});
    let model = read(&full_with("pricing", &pricing)).await.unwrap();
    let cost = model.pricing.unwrap().cost_per_second.unwrap();
    assert_eq!(cost.to_string(), "0.00125");
    let created = json!("2025-06-19T00:00:00Z");
    assert_eq!(
        read(&full_with("created", &created)).await.unwrap().created,
        None
    );
}
