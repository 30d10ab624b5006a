//! Whatever comes back from the socket: no panic, and no look but from a 200 that can be read.

use std::{sync::LazyLock, time::Duration};

use oxen_operator::{
    api::Direction,
    decide::{Answer, Fault},
    oxen::{Client, Model, fold},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::{
    cases,
    raw::{KEY, Raw, client, key},
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A server and a client of it, for one property: they run side by side.
fn hub() -> (Raw, Client) {
    let raw = RUNTIME.block_on(Raw::start());
    let client = client(raw.url.as_str());
    (raw, client)
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

/// Words that mean something, and some that don't.
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

/// A model object with a few of its fields replaced, alone or in a list.
fn nearly_a_model() -> impl Strategy<Value = Value> {
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
        nearly_a_model().prop_map(|value| value.to_string().into_bytes()),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        (nearly_a_model(), 0_usize..200).prop_map(|(value, cut)| {
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

/// A look, a list and a call, answered with what the server has been told to say.
fn ask(client: &Client) -> (Result<Model, Fault>, Result<Vec<Model>, Fault>, Answer) {
    RUNTIME.block_on(async {
        (
            client.retrieve(&key(), "bot", true).await,
            client.list(&key(), None, None).await,
            client
                .call(&key(), "bot", Direction::Activate, "a-call")
                .await,
        )
    })
}

/// What a fault holds is short, without the key, and within the bounds.
fn is_fit_to_print(fault: &Fault) -> bool {
    let shown = format!("{fault:?}");
    let in_bounds = match fault {
        Fault::RateLimited { wait, .. } => wait
            .is_none_or(|wait| (Duration::from_secs(1)..=Duration::from_secs(900)).contains(&wait)),
        _ => true,
    };
    shown.len() < 3000 && !shown.contains(KEY) && in_bounds
}

fn hold(client: &Client, code: Option<u16>) -> Result<(), TestCaseError> {
    let (look, list, answer) = ask(client);
    if code != Some(200) {
        prop_assert!(look.is_err() && list.is_err(), "{code:?}: {look:?}");
    }
    if !code.is_some_and(|code| (200..300).contains(&code)) {
        prop_assert_ne!(&answer, &Answer::Accepted);
    }
    if let Answer::Refused(fault) = &answer {
        prop_assert!(is_fit_to_print(fault), "{fault:?}");
        prop_assert!(
            code.is_some_and(|code| (400..500).contains(&code)),
            "{answer:?}"
        );
    }
    for fault in [look.as_ref().err(), list.as_ref().err()]
        .into_iter()
        .flatten()
    {
        prop_assert!(is_fit_to_print(fault), "{fault:?}");
    }
    for model in look.iter().chain(list.iter().flatten()) {
        let base = "https://hub.oxen.ai/api/ai".parse().unwrap();
        match fold("bot", model, &base) {
            Ok(remote) => {
                let price = remote.pricing.and_then(|pricing| pricing.cost_per_second);
                prop_assert!(!price.unwrap_or_default().contains(['e', 'E']));
            }
            Err(fault) => prop_assert!(is_fit_to_print(&fault), "{fault:?}"),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn only_a_200_that_is_a_model_is_a_look(code in code(), headers in headers(), body in body()) {
        static HUB: LazyLock<(Raw, Client)> = LazyLock::new(hub);
        HUB.0.answers(code, &headers, &body);
        hold(&HUB.1, Some(code))?;
    }

    #[test]
    fn bytes_that_are_no_answer_are_no_look(bytes in vec(any::<u8>(), 0..300)) {
        static HUB: LazyLock<(Raw, Client)> = LazyLock::new(hub);
        HUB.0.replies(bytes);
        hold(&HUB.1, None)?;
    }
}
