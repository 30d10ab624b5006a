//! One object, and pass after pass over whatever the hub answers: a call goes out only where the JSON of that very
//! look, read here once more and by itself, shows a status that asks for it.
#![no_main]

// As the library's own tests name them: the bench is theirs.
use oxen_operator::{api, decide};

#[path = "../../src/decide/tests/bench.rs"]
mod bench;

use api::{Direction, Operation, State};
use arbitrary::Arbitrary;
use bench::{Bench, secs};
use decide::Look;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use libfuzzer_sys::fuzz_target;
use oxen_operator::oxen::{ApiKey, Limits, Model, Reply, fold};
use serde_json::{Value, json};
use url::Url;

const ASKED: &str = "bot";

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    active: bool,
    passes: Vec<Pass<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Pass<'a> {
    code: Code,
    body: Body<'a>,
    /// What the call is answered with, should there be one.
    answer: (Code, Body<'a>),
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
    /// A model object, or nearly one.
    Model {
        named: bool,
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

impl Body<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (named, owner, type_, deployments) = match self {
            Body::Raw(bytes) => return bytes.to_vec(),
            Body::Model {
                named,
                owner,
                type_,
                deployments,
            } => (named, owner, type_, deployments),
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
            "id": if *named { ASKED } else { "another" },
            "object": "model",
            "created": 1,
            "owned_by": owner.unwrap_or("acme"),
            "model_type": type_,
            "deployments": deployments,
        });
        model.to_string().into_bytes()
    }
}

/// What happens first.
#[derive(Arbitrary, Debug)]
enum Before {
    Nothing,
    Flip,
    Suspend(bool),
    Delete,
}

fn reply(code: Code, body: Vec<u8>) -> Reply {
    let code = match code {
        Code::Success => StatusCode::OK,
        Code::Other(code) => StatusCode::from_u16(100 + code % 500).unwrap_or(StatusCode::OK),
    };
    let headers = HeaderMap::new();
    Reply {
        code,
        headers,
        body,
    }
}

fuzz_target!(|case: Case<'_>| {
    let key = ApiKey::new(b"key").expect("it is one");
    let limits = Limits::default();
    let base = Url::parse("https://hub.oxen.ai/api/ai").expect("it is one");
    let mut bench = Bench::wanting(if case.active {
        State::Active
    } else {
        State::Inactive
    });
    for pass in case.passes.iter().take(12) {
        bench.later(secs(pass.seconds.into()));
        match pass.before {
            Before::Nothing => {}
            Before::Flip => bench.edit(|object| {
                object.spec.state = match object.spec.state {
                    State::Active => State::Inactive,
                    State::Inactive => State::Active,
                };
            }),
            Before::Suspend(on) => bench.edit(|object| object.spec.suspend = Some(on)),
            Before::Delete => {
                let now = Some(Time(bench.now));
                bench.edit(|object| object.metadata.deletion_timestamp = now);
            }
        }
        let body = pass.body.bytes();
        let seen = reply(pass.code, body.clone()).read::<Model>(&key, &limits);
        let look = match seen.and_then(|model| fold(ASKED, &model, &base)) {
            Ok(remote) => Look::Seen(Box::new(remote)),
            Err(fault) => Look::Failed(fault),
        };
        bench.answer = reply(pass.answer.0, pass.answer.1.bytes()).answer(&key, &limits);
        let open = bench.status().operation;
        let call = bench.pass(look).call();
        if let Some(direction) = call {
            assert_ne!(bench.object.spec.suspend, Some(true));
            let json: Value = serde_json::from_slice(&body).expect("a look that was read is JSON");
            let statuses = statuses(&json);
            assert_eq!(direction, wanted(&bench), "{json}");
            assert!(asks_for(direction, &statuses), "{direction} on {json}");
            assert!(
                open.is_none_or(|open| over(&open, &statuses, bench.now)),
                "{json}"
            );
        }
        if !bench.is_held() {
            break;
        }
    }
});

fn wanted(bench: &Bench) -> Direction {
    match bench.object.spec.state {
        State::Active if bench.object.metadata.deletion_timestamp.is_none() => Direction::Activate,
        State::Active | State::Inactive => Direction::Deactivate,
    }
}

/// The deployments' statuses; nothing for a base model, and an empty word for one that isn't there.
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

/// Whether these can be what a call is made for, past a deadline or not.
fn asks_for(direction: Direction, statuses: &[&str]) -> bool {
    let known = ["active", "inactive", "deploying", "deactivating", "error"];
    let any = |word: &str| statuses.contains(&word);
    let all_known = statuses.iter().all(|one| known.contains(one));
    match direction {
        Direction::Activate => {
            all_known
                && !any("active")
                && !any("deploying")
                && !any("deactivating")
                && !statuses.is_empty()
        }
        Direction::Deactivate => {
            any("deploying")
                || (all_known && !any("deactivating") && (any("active") || any("error")))
        }
    }
}

/// Whether an open call is known to be over, or was left alone for long enough.
fn over(open: &Operation, statuses: &[&str], now: Timestamp) -> bool {
    let shows = match open.direction {
        Direction::Activate => ["active", "deploying", "error"],
        Direction::Deactivate => ["inactive", "deactivating", "error"],
    };
    let moved = statuses.iter().any(|one| shows.contains(one));
    moved || now.duration_since(open.started.0) >= SignedDuration::from_secs(120)
}
