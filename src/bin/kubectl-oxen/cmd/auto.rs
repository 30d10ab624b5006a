//! `auto`: the end of overrides, or with `--spec` the state `scheduled`.

use oxen_operator::api::{Declared, OVERRIDE_ANNOTATION};

use super::switch;
use crate::{
    cli::{AutoArgs, Global},
    console::Console,
    outcome::{Failure, Outcome},
    refuse::Change,
    steer::{self, OVERRIDE_MANAGER, Plan},
    wait::{NONE, Request},
};

/// Lets the specs decide again.
pub async fn run(flags: &Global, args: &AutoArgs, console: &Console) -> Result<Outcome, Failure> {
    let plan = if args.spec {
        switch::declare(Declared::Scheduled)
    } else {
        Plan {
            change: Change::Auto,
            patch: steer::annotate(OVERRIDE_ANNOTATION, NONE),
            manager: OVERRIDE_MANAGER,
            follows: steer::nothing(),
            then: steer::nothing(),
            means: Box::new(|item| {
                let declared = item.text("/spec/state").unwrap_or("its state");
                format!(
                    "{}: no override; the spec declares {declared}.",
                    item.full_name()
                )
            }),
            request: Box::new(|_| Request::Auto),
            stays: "The spec decides again.".into(),
            timed: false,
        }
    };
    steer::run(flags, &args.steer, console, &plan).await
}
