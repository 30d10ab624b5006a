//! `suspend` and `resume`: whether the operator acts on the model.

use oxen_operator::decide::{READY, condition};
use serde_json::{Value, json};

use crate::{
    amount::Amount,
    cli::{Global, SteerArgs},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    price,
    refuse::Change,
    steer::{self, MANAGER, Plan},
    wait::Request,
};

/// Suspends objects, or resumes them.
pub async fn run(
    flags: &Global,
    suspend: bool,
    args: &SteerArgs,
    console: &Console,
) -> Result<Outcome, Failure> {
    // A merge patch with null takes the field away, as it was before `suspend`.
    let value = if suspend { json!(true) } else { Value::Null };
    let plan = Plan {
        change: Change::Suspend,
        patch: json!({"spec": {"suspend": value}}),
        manager: MANAGER,
        follows: Box::new(move |item| {
            let follows = follows(item).filter(|_| !suspend);
            follows.unwrap_or_default()
        }),
        then: steer::nothing(),
        means: Box::new(move |item| means(item, suspend)),
        request: Box::new(move |patched| {
            let generation = steer::generation(patched);
            if suspend {
                Request::Suspend(generation)
            } else {
                Request::Resume(generation)
            }
        }),
        stays: if suspend {
            "It stays suspended.".into()
        } else {
            "It stays resumed.".into()
        },
        timed: false,
    };
    steer::run(flags, args, console, &plan).await
}

fn means(item: &Item, suspend: bool) -> String {
    let full = item.full_name();
    if suspend {
        format!("{full}: suspended. The model stays as it is, and is still observed.")
    } else {
        format!("{full}: resumed.")
    }
}

/// What the operator does once the object is resumed.
fn follows(item: &Item) -> Option<String> {
    let conditions = item.conditions();
    let reason = condition(&conditions, READY).map(|ready| ready.reason.as_str());
    let price = price::per_hour(item.status().pricing.as_ref()).map(Amount::rounded);
    let what = match (reason?, price) {
        ("WouldActivate", Some(price)) => {
            format!("activates the model, which costs {price} an hour")
        }
        ("WouldActivate", None) => "activates the model".into(),
        ("WouldDeactivate", _) => "deactivates the model".into(),
        _ => return None,
    };
    Some(format!(
        "{}: once it is resumed, the operator {what}.",
        item.full_name()
    ))
}
