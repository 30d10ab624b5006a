//! The decision: a pure function from what was observed to what to do next.
//!
//! It has no async code, clock, client or logging: the same observation always gives the same plan.
//! A call is planned only where the live GET of the same reconcile showed a status that requires
//! it, and the plan holds the operation's record, which is written before the call goes out.
//!
//! # Flow
//!
//! [`unobserved`] decides what needs nothing from the hub. [`answer_override`] accepts or refuses a
//! requested override before the live GET. After the live GET, [`decide`] makes the plan. After a
//! call, [`after_call`] makes the plan of its outcome.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | what a decision may know | `observation.rs`, `remote.rs` |
//! | what a process remembers of earlier observations | `history.rs` |
//! | what a process knows of its last operation | `tracked.rs` |
//! | the operator's defaults, waits and limits | `rules.rs` |
//! | the desired state | `desired.rs` |
//! | the wall clock, and whether the hub's clock agrees | `clock.rs` |
//! | when a schedule wants its model active | `schedule.rs` |
//! | overrides: accepted, refused and ended | `overrides.rs` |
//! | how long before a window a model is turned on | `warm_up.rs` |
//! | live status x desired state -> the next step | `table.rs` |
//! | from a step to a call | `calls.rs` |
//! | how many calls, retries and corrections a generation may make | `attempts.rs` |
//! | whether the budgets of the namespace allow an activate call | `budget.rs`, `refusal.rs` |
//! | an open operation, and what became of its call | `operation.rs`, `outcome.rs`, `effect.rs` |
//! | findings on the way to the desired state, and the progress deadline | `progress.rs` |
//! | when the finalizer is added and removed | `finalizer.rs` |
//! | another model than before | `identity.rs` |
//! | two objects of one model | `ownership.rs` |
//! | an object that is being deleted | `deletion.rs` |
//! | why an observation has no model, and what to do about it | `fault.rs`, `diagnosis.rs` |
//! | what each verdict means and shows | `verdict.rs` |
//! | the conditions | `conditions.rs` |
//! | when to reconcile next | `requeue.rs` |
//! | how long a model was on, and what that cost | `usage.rs`, `price.rs`, `decimal.rs` |
//! | models that no OxenModel manages | `unmanaged.rs` |
//! | whether somebody waits for the next observation | `urgency.rs` |
//! | what a decision leads to | `plan.rs` |
//! | how the hub's words are quoted and compared | `words.rs` |

#![warn(clippy::wildcard_enum_match_arm)]

mod attempts;
mod budget;
mod calls;
mod clock;
mod conditions;
mod decimal;
mod deletion;
mod desired;
mod diagnosis;
mod effect;
mod fault;
mod finalizer;
mod history;
mod identity;
mod observation;
mod operation;
mod outcome;
mod overrides;
mod ownership;
mod plan;
mod price;
mod progress;
mod refusal;
mod remote;
mod requeue;
mod rules;
mod schedule;
mod table;
mod tracked;
mod unmanaged;
mod urgency;
mod usage;
mod verdict;
mod warm_up;
mod words;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use attempts::{CALLS, CORRECTIONS, REFUSALS};
pub use budget::{Activity, Limit, Others, Price, Refusal, Total, activity, judge};
pub use clock::{Agreement, Clock};
pub use conditions::{
    DELETION_BLOCKED, READY, RECONCILING, STALLED, SYNCED, condition, headline, is_true,
    undecodable,
};
pub use deletion::blocked_message;
pub use desired::{boundary_delay, desired, next_change};
pub use fault::{CredentialFault, Fault, HubFault, Remedy};
pub use history::{History, KeyUsed, OperationWatch, Surprise, SurpriseKind, is_other};
pub use observation::{Observation, Subject};
pub use outcome::CallOutcome;
pub use overrides::{
    Judged, OverrideEvent, annotation as override_annotation, judge as judge_override,
    override_events, requests_override,
};
pub use ownership::{Claimant, Influence, Owner, Ownership, Pending};
pub use plan::{Action, Plan};
pub use price::price;
pub use remote::{OtherDeployments, Remote};
pub use requeue::{Jitter, Requeue};
pub use rules::Rules;
pub use schedule::{Stretch, instant, stretches};
pub use tracked::Tracked;
pub use unmanaged::{Managed, may_bill, unmanaged};
pub use urgency::is_urgent;
pub use usage::{counted, used_by};
pub use verdict::{EventType, Presentation, Progress, Ready, RequeuePolicy, Verdict};
pub use warm_up::declared_warm_up;
pub(crate) use words::{quote, without_digits};

use crate::api::{Declared, LiveStatus, OxenModelStatus};
use plan::Finding;

/// The sentence that is added to the message of an object with a schedule or an override while the
/// operator's clock and the hub's differ.
const CLOCK_DIFFERS: &str = " The operator's clock and the hub's differ by more than 5 minutes, so \
                             no schedule or override changes the desired state. Correct the clock.";

/// The plan for an object that needs nothing from the hub, or `None` where the hub has to be
/// observed first.
#[must_use]
pub fn unobserved(subject: &Subject<'_>) -> Option<Plan> {
    let finding = if subject.deleting() {
        deletion::unobserved(subject)
    } else {
        let problem = subject.object.spec.check().err();
        problem.map(|problem| Finding::new(Verdict::InvalidSpec, problem))
    }?;
    let requeue = requeue::unobserved(subject);
    let status = next_status(subject, false);
    Some(conclude(subject, None, status, finding, requeue))
}

/// Returns the plan that accepts or refuses a requested override before the live GET, or `None` if
/// the status needs no such answer. If the override changes the desired state, or is accepted, the
/// plan sets Ready to False, because nothing has been observed since.
#[must_use]
pub fn answer_override(subject: &Subject<'_>) -> Option<Plan> {
    if !overrides::requests_override(subject.object, subject.clock()) {
        return None;
    }
    let stored = subject.status();
    let next = next_status(subject, false);
    let turns = subject.desired_changed() || overrides::is_accepted(&stored, &next);
    let observed = stored.observed_generation == subject.generation();
    let finding = progress::after_override(subject);
    let mut plan = conclude(subject, None, next, finding, requeue::unobserved(subject));
    if observed && turns {
        // The hub was not asked.
        let before = condition(&stored.conditions, SYNCED).cloned();
        plan.status.conditions.retain(|it| it.type_ != SYNCED);
        plan.status.conditions.extend(before);
        plan.transition &= subject.desired_changed();
    } else {
        // The conditions still describe the last observation. So does the desired state, whose end
        // is a new one only if this generation was observed.
        let until = if observed {
            plan.status.until
        } else {
            stored.until.clone()
        };
        plan.status = OxenModelStatus {
            until,
            override_in_force: plan.status.override_in_force,
            refused_override: plan.status.refused_override,
            handled_override: plan.status.handled_override,
            ..stored
        };
        plan.transition = false;
    }
    Some(plan)
}

/// The plan that follows from an observation, whether or not its live GET showed the model.
#[must_use]
pub fn decide(seen: &Observation<'_>) -> Plan {
    if let Some(plan) = unobserved(&seen.subject) {
        return plan;
    }
    let mut status = next_status(&seen.subject, seen.is_live());
    let finding = match &seen.retrieved {
        Err(fault) if seen.subject.deleting() => deletion::faulty(seen, &mut status, fault),
        Err(fault) => diagnosis::fault(seen, fault),
        Ok(remote) => live(seen, &mut status, remote),
    };
    conclude_observed(seen, status, finding)
}

/// The plan that follows from the outcome of a plan's call.
#[must_use]
pub fn after_call(seen: &Observation<'_>, plan: Plan, outcome: &CallOutcome) -> Plan {
    let mut status = plan.status.clone();
    let recorded = plan.transition;
    let finding = operation::after_call(seen, &mut status, plan, outcome);
    let mut plan = conclude_observed(seen, status, finding);
    // The reason may have been shown already, while the call was due and could not be sent. Every
    // call that may cost money has an event.
    let sent = match outcome {
        CallOutcome::Accepted | CallOutcome::Unknown { .. } => true,
        CallOutcome::Refused { .. } | CallOutcome::NotSent(_) => false,
    };
    plan.transition |= sent && !recorded;
    plan
}

/// The plan for an object whose operation the API server did not store as it was sent, so that no
/// call is made. `plan` is the plan with the call, and `seen` is the observation that it follows
/// from.
#[must_use]
pub fn not_recorded(seen: &Observation<'_>, plan: Plan) -> Plan {
    let plan = unrecorded(seen, plan);
    let mut status = plan.status;
    if let Action::Call {
        unspent, replaced, ..
    } = plan.action
    {
        status.attempts = Some(unspent);
        status.operation = replaced;
    }
    let finding = Finding::new(
        Verdict::CrdOutdated,
        "The API server doesn't store the status as the operator writes it, so no call can be \
         recorded and none is made. Upgrade the CustomResourceDefinition: `oxen-operator crd | \
         kubectl apply --server-side -f -`.",
    );
    conclude_observed(seen, status, finding)
}

/// The plan that follows if this process may not make the plan's call now, for the reason `why`.
/// The operation was not recorded.
#[must_use]
pub fn not_permitted(seen: &Observation<'_>, plan: Plan, why: &'static str) -> Plan {
    after_call(seen, unrecorded(seen, plan), &CallOutcome::NotSent(why))
}

/// The plan as it was not written, with the stored conditions: the next conditions are compared
/// with these.
fn unrecorded(seen: &Observation<'_>, mut plan: Plan) -> Plan {
    plan.status.conditions = seen.subject.status().conditions;
    plan
}

/// The finding for a model that the live GET showed.
fn live(seen: &Observation<'_>, status: &mut OxenModelStatus, remote: &Remote) -> Finding {
    let subject = &seen.subject;
    if let Some(finding) = identity::changed(seen, status, remote) {
        return finding;
    }
    let before = status.live;
    let unconfirmed = seen
        .history
        .is_unconfirmed(SurpriseKind::NoDeployments, subject.rules);
    let remote = &Remote {
        live: if unconfirmed {
            LiveStatus::Unknown
        } else {
            remote.live
        },
        ..remote.clone()
    };
    usage::observe(seen, status, remote);
    if before != Some(remote.live) {
        status.live = Some(remote.live);
        status.since = Some(Time(subject.now));
    }
    status.model = Some(remote.model.clone());
    status.pricing.clone_from(&remote.pricing);
    if let Some(finding) = operation::follow(seen, status, remote, before) {
        return finding;
    }
    let lost = matches!(subject.ownership, Ownership::Lost(_));
    if let Some(finding) = rival(seen).filter(|_| !remote.base && !lost) {
        return finding;
    }
    if subject.deleting() {
        return deletion::observed(seen, status, remote);
    }
    if let (Ownership::Lost(owner), false) = (&subject.ownership, remote.base) {
        return conflict(owner.name.as_deref());
    }
    let step = table::step(remote, subject.desired());
    calls::take(seen, status, remote, step)
}

/// The finding of an owner that waits for another object of the same model, or `None` if it doesn't
/// wait. It waits for the other object's operation no longer than for an operation of its own.
fn rival(seen: &Observation<'_>) -> Option<Finding> {
    let subject = &seen.subject;
    match &subject.ownership {
        Ownership::Owned | Ownership::Lost(_) => return None,
        Ownership::Pending(pending) => {
            let expired = |id: &String| {
                let mut watches = seen.history.rivals.iter();
                watches.any(|watch| watch.id == *id && watch.is_expired(subject.rules))
            };
            if !pending.unobserved && pending.operations.iter().all(expired) {
                return None;
            }
        }
    }
    Some(Finding::new(
        Verdict::OperationInProgress,
        "Another OxenModel of the same model has an open operation or has not been observed yet. \
         The operator waits for it.",
    ))
}

fn conflict(owner: Option<&str>) -> Finding {
    let owner = owner.map_or_else(
        || "in another namespace".to_owned(),
        |name| format!("{name:?}"),
    );
    Finding::new(
        Verdict::Conflict,
        format!("The older OxenModel {owner} controls this model. Delete one of the two."),
    )
}

/// The status that a decision starts from: the stored one, prepared for this generation. Times in
/// the future are replaced, and a correction in the future is dropped.
fn next_status(subject: &Subject<'_>, answered: bool) -> OxenModelStatus {
    let mut status = subject.status();
    let now = Time(subject.now);
    let past = |time: &mut Time| *time = time.clone().min(now.clone());
    status.since.iter_mut().for_each(past);
    status.progressing_since.iter_mut().for_each(past);
    if let Some(operation) = &mut status.operation {
        past(&mut operation.started);
    }
    if let Some(spent) = &mut status.attempts {
        spent.last_call.iter_mut().for_each(past);
        if let Some(corrections) = &mut spent.corrections {
            corrections.retain(|then| *then <= now);
        }
    }
    if status.observed_generation != subject.generation() || subject.desired_changed() {
        status.progressing_since = None;
    }
    status.observed_generation = subject.generation();
    status.desired = Some(subject.desired());
    if !subject.deleting() {
        let judged = overrides::judge(subject.object, subject.clock());
        status.override_in_force = judged.in_force;
        status.refused_override = judged.refused;
        status.handled_override = judged.handled;
    }
    attempts::renew(subject, &mut status, answered);
    warm_up::renew(subject, &mut status);
    let kept = desired::kept(subject.object, subject.clock()).is_some();
    status.until = match subject.agreement {
        Agreement::Differs => None,
        Agreement::Unknown if kept => status.until,
        Agreement::Agrees | Agreement::Unknown => next_change_of(subject, &status).map(Time),
    };
    status
}

fn conclude_observed(seen: &Observation<'_>, status: OxenModelStatus, finding: Finding) -> Plan {
    let finding = progress::limit(seen, &status, finding);
    let finding = if seen.subject.deleting() {
        deletion::block_unless_progressing(finding)
    } else {
        finding
    };
    let mut status = status;
    progress::track(seen, &mut status, &finding);
    let requeue = requeue::after(seen, &status, finding.verdict, finding.wait);
    conclude(&seen.subject, Some(seen), status, finding, requeue)
}

/// Writes the finding into the status, and makes it a plan.
fn conclude(
    subject: &Subject<'_>,
    seen: Option<&Observation<'_>>,
    mut status: OxenModelStatus,
    finding: Finding,
    requeue: Requeue,
) -> Plan {
    let before = std::mem::take(&mut status.conditions);
    let timed = may_change_by_time(subject, &status);
    let differs = timed && subject.agreement == Agreement::Differs;
    // A message that quotes somebody is kept, so the sentence about the clocks would be kept too.
    let note = if differs && !finding.presentation().quotes {
        CLOCK_DIFFERS
    } else {
        ""
    };
    let message = finding.message.replace(CLOCK_DIFFERS, "") + note;
    let mut message = words::with_notes(&message, notes(seen, finding.presentation()));
    if finding.verdict == Verdict::Released {
        message += &usage::summary(subject, seen, &status);
    }
    let judgement = conditions::Judgement {
        presentation: finding.presentation(),
        message: &message,
        blocked: finding.blocked,
        generation: subject.generation(),
        desired_changed: subject.desired_changed() && before == subject.status().conditions,
        now: subject.now,
        deleting: subject.deleting(),
        refresh: subject.requested().is_some() && seen.is_some_and(Observation::is_live),
    };
    status.conditions = judgement.conditions(&before);
    let transition = conditions::is_transition(&before, &status.conditions);
    let action = if finding.action == Action::Nothing && !subject.deleting() {
        finalizer::due(subject, seen.and_then(Observation::remote))
    } else {
        finding.action
    };
    let change = next_change_of(subject, &status);
    Plan {
        verdict: finding.verdict,
        message,
        status,
        action,
        requeue: if differs {
            requeue.at_most(subject.rules.overdue_poll)
        } else {
            requeue
        },
        change,
        transition,
        blocked: finding.blocked,
    }
}

/// The hub's words about the model's deployments. A message quotes them while the object is not
/// Ready.
fn notes<'a>(seen: Option<&'a Observation<'_>>, shown: Presentation) -> &'a [String] {
    let remote = seen.and_then(Observation::remote);
    let remote = remote.filter(|_| shown.synced && shown.ready != Ready::True);
    remote.map_or(&[], |remote| &remote.notes)
}

/// Returns true when the object has a schedule or an override, so that its desired state can change
/// by itself.
fn may_change_by_time(subject: &Subject<'_>, status: &OxenModelStatus) -> bool {
    let scheduled = subject.object.spec.state == Declared::Scheduled;
    !subject.deleting() && (scheduled || status.override_in_force.is_some())
}

/// When the desired state changes by itself, if the object has this status.
fn next_change_of(subject: &Subject<'_>, status: &OxenModelStatus) -> Option<Timestamp> {
    let in_force = status.override_in_force.as_ref();
    let warm_up = warm_up::warm_up_by(subject.object, Some(status));
    desired::next_change_from(subject.object, in_force, warm_up, subject.now)
}
