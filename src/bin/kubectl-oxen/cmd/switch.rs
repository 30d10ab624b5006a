//! `on` and `off`: an override, or with `--spec` what the spec declares.

use jiff::{SignedDuration, Timestamp};
use oxen_operator::api::{Declared, OVERRIDE_ANNOTATION, State};
use serde_json::json;

use crate::{
    cli::{Global, SwitchArgs},
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    price,
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
            "an end is required: pass --until 18:00 or --for 2h, or change the spec with --spec"
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
        change: Change::Override(state),
        patch: steer::annotate(OVERRIDE_ANNOTATION, &value),
        manager: OVERRIDE_MANAGER,
        follows: steer::nothing(),
        then: Box::new(move |item| {
            let now = Now::here();
            let cost = cost(item, state, end, &now);
            cost.map_or_else(String::new, |cost| {
                format!(": about {cost} until {}", now.day_and_time(end))
            })
        }),
        means: Box::new(move |item| {
            format!(
                "{}: {state} until {}{}. To end it sooner: kubectl oxen auto {} -n {}",
                item.full_name(),
                now.coming(end),
                cost(item, state, end, &now).map_or_else(String::new, |it| format!(", about {it}")),
                item.name(),
                item.namespace()
            )
        }),
        request: Box::new(move |_| Request::Override(value.clone(), state)),
        stays,
        timed: true,
    }
}

/// What the model costs until the override ends, where it is turned on and has a price by time.
fn cost(item: &Item, state: State, end: Timestamp, now: &Now) -> Option<String> {
    let seconds = end.duration_since(now.time).as_secs();
    let status = item.status();
    let price = price::per_second(status.pricing.as_ref()).filter(|_| state == State::Active)?;
    Some(price.times(seconds.unsigned_abs()).rounded())
}

/// The change of the declared state.
pub fn declare(declared: Declared) -> Plan {
    Plan {
        change: Change::Spec(declared),
        patch: json!({"spec": {"state": declared}}),
        manager: MANAGER,
        follows: steer::nothing(),
        then: steer::nothing(),
        means: Box::new(move |item| {
            let means = format!("{}: the spec declares {declared}.", item.full_name());
            let warning = manager(item).map(|manager| reverted(&manager, declared, item));
            let parts = [Some(means), overridden(item, declared), warning];
            parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
        }),
        request: Box::new(move |patched| Request::Spec(steer::generation(patched), declared)),
        stays: format!("The spec declares {declared}."),
        timed: false,
    }
}

/// That an override for another state decides until its end.
fn overridden(item: &Item, declared: Declared) -> Option<String> {
    let (now, status) = (Now::here(), item.status());
    let in_force = status.override_in_force?;
    if Declared::from(in_force.state) == declared || in_force.until.0 <= now.time {
        return None;
    }
    Some(format!(
        "warning: an override decides that it is {} until {}. To end the override: kubectl oxen \
         auto {} -n {}",
        in_force.state,
        now.coming(in_force.until.0),
        item.name(),
        item.namespace()
    ))
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
