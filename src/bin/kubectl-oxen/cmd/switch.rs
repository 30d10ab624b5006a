//! `on` and `off`: an override, or with `--spec` what the spec declares.

use jiff::{SignedDuration, Timestamp};
use oxen_operator::api::{Declared, OVERRIDE_ANNOTATION, State};
use serde_json::json;

use crate::{
    amount,
    cli::{Global, SwitchArgs},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    refuse::{Change, manager},
    steer::{self, MANAGER, OVERRIDE_MANAGER, Plan},
    wait::Request,
    when::Now,
};

/// How long `off` lasts without an end. A forgotten `off` costs nothing. The operator accepts 31
/// days, by a clock that may differ from this one.
const LONG: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which way a model is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    fn state(self) -> State {
        match self {
            Switch::On => State::Active,
            Switch::Off => State::Inactive,
        }
    }
}

/// Switches models.
pub async fn run(
    flags: &Global,
    switch: Switch,
    args: &SwitchArgs,
    console: &Console,
) -> Result<Outcome, Failure> {
    let state = switch.state();
    if args.spec {
        return steer::run(flags, &args.steer, console, &declare(state.into())).await;
    }
    let now = Now::here();
    let end = end(switch, args, &now)?;
    steer::run(flags, &args.steer, console, &override_(state, end, now)).await
}

/// When the override ends.
fn end(switch: Switch, args: &SwitchArgs, now: &Now) -> Result<Timestamp, String> {
    match (&args.until, args.for_, switch) {
        (Some(until), _, _) => now.until(until),
        (None, Some(span), _) => now.after(span),
        (None, None, Switch::Off) => {
            let end = now.time.checked_add(LONG).unwrap_or(Timestamp::MAX);
            Ok(Timestamp::from_second(end.as_second()).unwrap_or(end))
        }
        (None, None, Switch::On) => Err(
            "say until when: --until 18:00 or --for 2h; or change the declared state with --spec"
                .into(),
        ),
    }
}

fn override_(state: State, end: Timestamp, now: Now) -> Plan {
    let value = format!("{state} until {}", now.annotated(end));
    let stays = format!(
        "The override stays in force until {}.",
        now.day_and_time(end)
    );
    Plan {
        change: Change::Override,
        patch: steer::annotate(OVERRIDE_ANNOTATION, &value),
        manager: OVERRIDE_MANAGER,
        means: Box::new(move |item| {
            format!(
                "{}: {state} until {}{}. To end it sooner: kubectl oxen auto {} -n {}",
                item.full_name(),
                now.coming(end),
                cost(item, state, end, &now),
                item.name(),
                item.namespace()
            )
        }),
        request: Box::new(move |_| Request::Override(value.clone(), state)),
        stays,
        timed: true,
    }
}

/// What the model costs until the override ends, where it is turned on.
fn cost(item: &Item, state: State, end: Timestamp, now: &Now) -> String {
    let seconds = end.duration_since(now.time).as_secs();
    let price = amount::per_second(&item.status()).filter(|_| state == State::Active);
    price.map_or_else(String::new, |price| {
        format!(", about {}", price.times(seconds.unsigned_abs()).rounded())
    })
}

/// The change of the declared state.
pub fn declare(declared: Declared) -> Plan {
    let state = match declared {
        Declared::Active => Some(State::Active),
        Declared::Inactive => Some(State::Inactive),
        Declared::Scheduled => None,
    };
    Plan {
        change: Change::Spec(declared),
        patch: json!({"spec": {"state": declared}}),
        manager: MANAGER,
        means: Box::new(move |item| {
            let means = format!("{}: the spec declares {declared}.", item.full_name());
            match manager(item) {
                Some(manager) => format!("{means}\n{}", reverted(&manager, declared, item)),
                None => means,
            }
        }),
        request: Box::new(move |patched| Request::Spec(steer::generation(patched), state)),
        stays: format!("The spec declares {declared}."),
        timed: false,
    }
}

/// The warning that another tool sets the spec back.
fn reverted(manager: &str, declared: Declared, item: &Item) -> String {
    let word = match declared {
        Declared::Active => Some("on"),
        Declared::Inactive => Some("off"),
        Declared::Scheduled => None,
    };
    let instead = word.map(|word| {
        let (name, namespace) = (item.name(), item.namespace());
        format!(
            " To keep it {word} for a while: kubectl oxen {word} {name} -n {namespace} --for 8h"
        )
    });
    format!(
        "warning: {manager} manages this object and sets spec.state back within its interval.{}",
        instead.unwrap_or_default()
    )
}
