//! States, hours and costs in words.

use oxen_operator::{
    api::{Declared, OxenModel, State, WarmUp},
    decide::{desired, next_change},
};

use super::{Days, accepted};
use crate::{age, amount::Amount, item::Item, screen::schedule, when::Now};

/// What the object declares, and what it wants now.
pub(super) fn titles(item: &Item, object: &OxenModel, now: &Now) -> Vec<String> {
    let name = item.full_name();
    let first = match (object.spec.state, schedule(object)) {
        (Declared::Scheduled, Some(schedule)) => schedule,
        (state, Some(schedule)) => format!("{state}; {schedule}"),
        (state, None) => format!("{state}, without a schedule"),
    };
    let mut titles = vec![format!("{name}: {first}"), state_now(object, now)];
    let learned = object.status.as_ref().and_then(|status| status.warm_up);
    let warm_up = object.spec.schedule.as_ref().and_then(|it| it.warm_up);
    titles.extend(match (warm_up, learned) {
        (Some(WarmUp::Fixed(span)), _) => Some(format!("Turned on {span} before each window.")),
        (Some(WarmUp::Auto), Some(span)) => {
            Some(format!("Turned on {span} before each window, as learned."))
        }
        _ => None,
    });
    if item.suspended() {
        titles.push("Suspended: the operator makes no call.".into());
    }
    titles
}

/// The desired state now, and until when, by the operator's own functions.
fn state_now(object: &OxenModel, now: &Now) -> String {
    let object = accepted(object);
    let state = match desired(&object, now.time) {
        State::Active => "Active",
        State::Inactive => "Inactive",
    };
    let status = object.status.as_ref();
    let over = status.and_then(|status| status.override_in_force.as_ref());
    let by = match over.filter(|it| it.until.0 > now.time) {
        _ if object.metadata.deletion_timestamp.is_some() => " because it is being deleted",
        Some(_) => " by an override",
        None => "",
    };
    match next_change(&object, now.time) {
        Some(at) => {
            let (until, away) = (now.day_and_time(at), age::between(now.time, at));
            format!("{state} now{by}, until {until} (in {away}).")
        }
        None => format!("{state} now{by}; no change is coming."),
    }
}

/// The hours and the cost of a range of days.
pub(super) fn totals(
    days: &Days,
    active: i64,
    all: i64,
    costs: Option<(Amount, Amount)>,
) -> String {
    let percent = (100 * active + all / 2)
        .checked_div(all)
        .unwrap_or_default();
    let first = days.days.first().map(|day| day.date.strftime("%a %-d %b"));
    let first = first.map(|first| first.to_string()).unwrap_or_default();
    let number = match days.days.len() {
        1 => "1 day".to_owned(),
        count => format!("{count} days"),
    };
    let costs = costs.map_or_else(String::new, |(cost, always)| {
        format!(
            ", about {}; always on: {}",
            cost.rounded(),
            always.rounded()
        )
    });
    format!(
        "{number} from {first}: {}h of {}h ({percent}%){costs}.",
        hours(active),
        hours(all)
    )
}

/// Seconds in hours, with at most one decimal.
pub(super) fn hours(seconds: i64) -> String {
    let tenths = (seconds + 180) / 360;
    match (tenths / 10, tenths % 10) {
        (hours, 0) => hours.to_string(),
        (hours, tenth) => format!("{hours}.{tenth}"),
    }
}
