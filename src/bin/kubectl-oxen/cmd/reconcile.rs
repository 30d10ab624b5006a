//! `reconcile`: the operator reconciles at once, with new attempts.

use jiff::Timestamp;
use oxen_operator::api::RECONCILE_ANNOTATION;

use crate::{
    cli::{Global, SteerArgs},
    console::Console,
    outcome::{Failure, Outcome},
    refuse::Change,
    steer::{self, MANAGER, Plan},
    wait::Request,
};

/// Requests a reconcile of each object. The token is this run's own, so that another person's
/// request ends no wait.
pub async fn run(flags: &Global, args: &SteerArgs, console: &Console) -> Result<Outcome, Failure> {
    let token = Timestamp::now().to_string();
    let plan = Plan {
        change: Change::Reconcile,
        patch: steer::annotate(RECONCILE_ANNOTATION, &token),
        manager: MANAGER,
        follows: steer::nothing(),
        then: steer::nothing(),
        means: Box::new(|item| format!("{}: a reconcile is requested.", item.full_name())),
        request: Box::new(move |_| Request::Reconcile(token.clone())),
        stays: "The request stays in force.".into(),
        timed: false,
    };
    steer::run(flags, args, console, &plan).await
}
