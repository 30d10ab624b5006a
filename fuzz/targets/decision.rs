//! Reconciles of one object with arbitrary responses of the hub. A call goes out only if the JSON
//! of the live GET, which is read here a second time and in another way, shows a status that
//! requires the call.
#![no_main]

use arbitrary::Arbitrary;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use oxen_operator::{
    api::{Declared, Operation, OperationKind, State},
    hub::{ApiKey, Limits, Response, fold},
};
use serde_json::{Value, json};
use testkit::simulation::{Simulation, secs};
use url::Url;

const ASKED: &str = "bot";

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    active: bool,
    reconciles: Vec<Reconcile<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Reconcile<'a> {
    code: Code,
    body: Body<'a>,
    /// The response to the call, if one is made.
    call: (Code, Body<'a>),
    before: Before,
    seconds: u16,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Code {
    Success,
    Other(u16),
}

#[derive(Arbitrary, Debug)]
enum Body<'a> {
    Raw(&'a [u8]),
    /// A model object, or almost one.
    Model {
        asked: bool,
        owner: Option<&'a str>,
        type_: Option<Type<'a>>,
        deployments: Option<Vec<Option<Status<'a>>>>,
    },
}

#[derive(Arbitrary, Debug)]
enum Type<'a> {
    Base,
    Custom,
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Status<'a> {
    Active,
    Inactive,
    Deploying,
    Deactivating,
    Error,
    Other(&'a str),
}

/// What a person does before the reconcile.
#[derive(Arbitrary, Debug)]
enum Before {
    Nothing,
    ToggleState,
    Suspend(bool),
    Delete,
}

impl Body<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (asked, owner, type_, deployments) = match self {
            Body::Raw(bytes) => return bytes.to_vec(),
            Body::Model {
                asked,
                owner,
                type_,
                deployments,
            } => (asked, owner, type_, deployments),
        };
        let status = |one: &Option<Status<'_>>| {
            let word = match one.as_ref()? {
                Status::Active => "active",
                Status::Inactive => "inactive",
                Status::Deploying => "deploying",
                Status::Deactivating => "deactivating",
                Status::Error => "error",
                Status::Other(word) => word,
            };
            Some(json!({"status": word}))
        };
        let type_ = type_.as_ref().map(|type_| match type_ {
            Type::Base => "base",
            Type::Custom => "custom",
            Type::Other(word) => word,
        });
        let deployments = deployments.as_ref();
        let deployments: Option<Vec<_>> = deployments.map(|all| all.iter().map(status).collect());
        let model = json!({
            "id": if *asked { ASKED } else { "another" },
            "object": "model",
            "created": 1,
            "owned_by": owner.unwrap_or("acme"),
            "model_type": type_,
            "deployments": deployments,
        });
        model.to_string().into_bytes()
    }
}

fn response(code: Code, body: Vec<u8>) -> Response {
    let code = match code {
        Code::Success => StatusCode::OK,
        Code::Other(code) => StatusCode::from_u16(100 + code % 500).unwrap_or(StatusCode::OK),
    };
    let headers = HeaderMap::new();
    Response {
        code,
        headers,
        body,
    }
}

fuzz_target!(|case: Case<'_>| {
    let key = ApiKey::new(b"key").expect("the key is valid");
    let limits = Limits::default();
    let base = Url::parse("https://hub.oxen.ai/api/ai").expect("the URL is valid");
    let mut simulation = Simulation::new(if case.active {
        State::Active
    } else {
        State::Inactive
    });
    for reconcile in case.reconciles.iter().take(12) {
        simulation.advance(secs(reconcile.seconds.into()));
        match reconcile.before {
            Before::Nothing => {}
            Before::ToggleState => simulation.edit(|object| {
                object.spec.state = match object.spec.state {
                    Declared::Active => Declared::Inactive,
                    Declared::Inactive | Declared::Scheduled => Declared::Active,
                };
            }),
            Before::Suspend(suspend) => {
                simulation.edit(|object| object.spec.suspend = Some(suspend));
            }
            Before::Delete => simulation.delete(),
        }
        let body = reconcile.body.bytes();
        let model = response(reconcile.code, body.clone()).read(ASKED, &key, &limits);
        let retrieved = match model.and_then(|model| fold(ASKED, &model, &base)) {
            Ok(remote) => Ok(Box::new(remote)),
            Err(fault) => Err(fault.into()),
        };
        let (code, call_body) = &reconcile.call;
        simulation.outcome = response(*code, call_body.bytes()).outcome(&key, &limits);
        let open = simulation.status().operation;
        if let Some(kind) = simulation.reconcile(retrieved).call() {
            assert_ne!(simulation.object.spec.suspend, Some(true));
            assert_eq!(kind, desired_kind(&simulation));
            // The client skips unparsed what it doesn't need, so that it reads more than this.
            let Ok(json) = serde_json::from_slice::<Value>(&body) else {
                continue;
            };
            let statuses = statuses(&json);
            assert!(requires(kind, &statuses), "{kind} on {json}");
            assert!(
                open.is_none_or(|open| may_be_closed(&open, &statuses, simulation.now)),
                "{json}"
            );
        }
        if !simulation.object.has_finalizer() {
            break;
        }
    }
});

fn desired_kind(simulation: &Simulation) -> OperationKind {
    let object = &simulation.object;
    match object.spec.state {
        Declared::Active if object.metadata.deletion_timestamp.is_none() => OperationKind::Activate,
        Declared::Active | Declared::Inactive | Declared::Scheduled => OperationKind::Deactivate,
    }
}

/// The statuses of the deployments. There are none for a base model, and a missing status is an
/// empty word.
fn statuses(json: &Value) -> Vec<&str> {
    let type_ = json.get("model_type").and_then(Value::as_str);
    let owner = json.get("owned_by").and_then(Value::as_str);
    if type_ == Some("base") || (type_.is_none() && owner == Some("oxen")) {
        return Vec::new();
    }
    let deployments = json.get("deployments").and_then(Value::as_array);
    deployments.map_or_else(Vec::new, |all| all.iter().map(status).collect())
}

fn status(deployment: &Value) -> &str {
    let status = deployment.get("status").and_then(Value::as_str);
    status.unwrap_or_default()
}

/// Returns true when these statuses can require the call, before or after the progress deadline.
fn requires(kind: OperationKind, statuses: &[&str]) -> bool {
    let known = ["active", "inactive", "deploying", "deactivating", "error"];
    let any = |word: &str| statuses.contains(&word);
    let all_known = statuses.iter().all(|one| known.contains(one));
    match kind {
        OperationKind::Activate => {
            all_known
                && !any("active")
                && !any("deploying")
                && !any("deactivating")
                && !statuses.is_empty()
        }
        OperationKind::Deactivate => {
            any("deploying")
                || (all_known && !any("deactivating") && (any("active") || any("error")))
        }
    }
}

/// Returns true when the statuses show the effect of the open operation's call, or its patience
/// has ended.
fn may_be_closed(open: &Operation, statuses: &[&str], now: Timestamp) -> bool {
    let effects = match open.kind {
        OperationKind::Activate => ["active", "deploying", "error"],
        OperationKind::Deactivate => ["inactive", "deactivating", "error"],
    };
    let effective = statuses.iter().any(|one| effects.contains(one));
    effective || now.duration_since(open.started.0) >= SignedDuration::from_secs(120)
}
