//! Responses of any bytes: the client never panics, and only a 200 with a model is an observation.

use std::{sync::LazyLock, time::Duration};

use oxen_operator::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
    hub::{Client, Model, fold},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use testkit::raw::{KEY, RawServer, client, key};
use tokio::runtime::Runtime;

use crate::cases;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A server and a client of it. Each property has its own, because the properties run in parallel.
fn server_and_client() -> (RawServer, Client) {
    let server = RUNTIME.block_on(RawServer::start());
    let client = client(server.url.as_str());
    (server, client)
}

const FIELDS: [&str; 20] = [
    "id",
    "object",
    "created",
    "owned_by",
    "display_name",
    "model_type",
    "endpoint",
    "capabilities",
    "pricing",
    "fine_tuning",
    "deployments",
    "developer",
    "source_model",
    "request_schema",
    "data",
    "error",
    "status",
    "status_message",
    "title",
    "cost_per_second",
];

/// Words that the client knows, and any others.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "active",
        "inactive",
        "deploying",
        "error",
        "base",
        "custom",
        "bot",
        "Model not found: bot",
        KEY,
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((prop::sample::select(FIELDS.to_vec()), inner), 0..6).prop_map(|pairs| {
                let pairs = pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(Map::from_iter(pairs))
            }),
        ]
    })
}

/// A model object with some of its fields replaced, by itself or in a list.
fn almost_a_model() -> impl Strategy<Value = Value> {
    let changes = vec((prop::sample::select(FIELDS.to_vec()), any_json()), 0..4);
    (changes, any::<bool>()).prop_map(|(changes, listed)| {
        let mut model = json!({
            "id": "bot", "object": "model", "created": 1, "owned_by": "acme",
            "deployments": [{"status": "active"}], "pricing": {"cost_per_second": 3e-6},
        });
        for (field, value) in changes {
            model[field] = value;
        }
        if listed {
            json!({"data": [model]})
        } else {
            model
        }
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        almost_a_model().prop_map(|value| value.to_string().into_bytes()),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        (almost_a_model(), 0_usize..200).prop_map(|(value, cut)| {
            let mut bytes = value.to_string().into_bytes();
            bytes.truncate(cut);
            bytes
        }),
        vec(any::<u8>(), 0..200),
    ]
}

fn code() -> impl Strategy<Value = u16> {
    let likely = [
        200, 201, 204, 302, 400, 401, 402, 403, 404, 422, 429, 500, 503,
    ];
    prop_oneof![prop::sample::select(likely.to_vec()), 200_u16..1000]
}

fn headers() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("retry-after".to_owned()), "[a-z]{1,8}-[a-z]{1,8}"];
    let value = prop_oneof![any::<u64>().prop_map(|n| n.to_string()), "[ -~]{0,40}"];
    let lines = vec((name, value), 0..4);
    lines.prop_map(|lines| {
        let lines = lines
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        lines.collect()
    })
}

/// What the client makes of the server's responses to a live GET, a list and a call.
struct Results {
    retrieved: Result<Model, HubFault>,
    list: Result<Vec<Model>, HubFault>,
    outcome: CallOutcome,
}

impl Results {
    fn of(client: &Client) -> Self {
        RUNTIME.block_on(async {
            Self {
                retrieved: client.retrieve(&key(), "bot", true).await,
                list: client.list(&key(), None, None).await,
                outcome: client
                    .call(&key(), "bot", OperationKind::Activate, "an-id")
                    .await,
            }
        })
    }
}

/// Returns true when a fault's words are short and don't contain the key, and its wait is within
/// the limits.
fn is_presentable(fault: &HubFault) -> bool {
    let printed = format!("{fault:?}");
    let within_limits = match fault {
        HubFault::RateLimited { wait, .. } => wait
            .is_none_or(|wait| (Duration::from_secs(1)..=Duration::from_secs(900)).contains(&wait)),
        _ => true,
    };
    printed.len() < 3000 && !printed.contains(KEY) && within_limits
}

/// Checks what the client makes of responses with this code, or of bytes that are not HTTP.
fn check(client: &Client, code: Option<u16>) -> Result<(), TestCaseError> {
    let Results {
        retrieved,
        list,
        outcome,
    } = Results::of(client);
    if code != Some(200) {
        prop_assert!(
            retrieved.is_err() && list.is_err(),
            "{code:?}: {retrieved:?}"
        );
    }
    if !code.is_some_and(|code| (200..300).contains(&code)) {
        prop_assert_ne!(&outcome, &CallOutcome::Accepted);
    }
    if let CallOutcome::Refused { fault, .. } = &outcome {
        prop_assert!(is_presentable(fault), "{fault:?}");
        prop_assert!(
            code.is_some_and(|code| (400..500).contains(&code)),
            "{outcome:?}"
        );
    }
    for fault in [retrieved.as_ref().err(), list.as_ref().err()]
        .into_iter()
        .flatten()
    {
        prop_assert!(is_presentable(fault), "{fault:?}");
    }
    for model in retrieved.iter().chain(list.iter().flatten()) {
        let base = "https://hub.oxen.ai/api/ai".parse().unwrap();
        match fold("bot", model, &base) {
            Ok(remote) => {
                let price = remote.pricing.and_then(|pricing| pricing.cost_per_second);
                prop_assert!(!price.unwrap_or_default().contains(['e', 'E']));
            }
            Err(fault) => prop_assert!(is_presentable(&fault), "{fault:?}"),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn only_a_200_with_a_model_is_an_observation(
        code in code(),
        headers in headers(),
        body in body(),
    ) {
        static HUB: LazyLock<(RawServer, Client)> = LazyLock::new(server_and_client);
        HUB.0.respond(code, &headers, &body);
        check(&HUB.1, Some(code))?;
    }

    #[test]
    fn bytes_that_are_not_http_are_no_observation(bytes in vec(any::<u8>(), 0..300)) {
        static HUB: LazyLock<(RawServer, Client)> = LazyLock::new(server_and_client);
        HUB.0.respond_with_bytes(bytes);
        check(&HUB.1, None)?;
    }
}
