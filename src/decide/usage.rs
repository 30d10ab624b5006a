//! The usage: for how long an object's model has been on while the object controlled it, and what
//! that has cost.
//!
//! The status has the periods that have ended, and when the open one began. So a settled object
//! needs no write, and what it has used by any time follows from the status alone.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    conditions::{SYNCED, is_false},
    decimal,
    observation::{Observation, Subject},
    ownership::Ownership,
    price::{PRICE_SCALE, parse_price, price},
    remote::Remote,
};
use crate::api::{Counted, LiveStatus, OpenPeriod, OxenModelStatus, Usage};

/// The fraction digits of a cost.
const COST_SCALE: u32 = 9;

/// The digits of a cost before its point. The longest period at the highest price has fewer.
const COST_DIGITS: usize = 21;

/// The shortest time between two observations that can count as unseen. It is shorter than what the
/// shortest sync interval leads to, so it matters only in tests that divide the waits.
const SHORTEST_GAP: Duration = Duration::from_secs(30);

/// Takes into account that the live GET showed the object's own model with this live status and
/// price. `status` still has the live status of the observation before.
///
/// A second counts from the observation that first showed a status and a price to the observation
/// that first showed another one.
pub(super) fn observe(seen: &Observation<'_>, status: &mut OxenModelStatus, remote: &Remote) {
    let subject = &seen.subject;
    let counts = !remote.base && !matches!(subject.ownership, Ownership::Lost(_));
    let before = match &status.usage {
        Some(usage) => believed(usage, subject.now),
        None if counts => Usage {
            began: Some(Time(subject.now)),
            ..Usage::default()
        },
        None => return,
    };
    let unknown = |live| live == LiveStatus::Unknown;
    // These seconds are added once, when the hub shows a known status again.
    let unknown = status.live.is_some_and(unknown) && unknown(remote.live);
    let mut usage = if counts && !unknown {
        let unseen = unseen(subject, seen.history.watched, status, &before);
        Usage {
            unseen_seconds: before.unseen_seconds.saturating_add(unseen),
            ..before
        }
    } else {
        before
    };
    let next = counts.then(|| period(remote, subject.now)).flatten();
    let same = |open: &&OpenPeriod| {
        let next = next.as_ref();
        next.is_some_and(|it| it.is == open.is && it.cost_per_second == open.cost_per_second)
    };
    if usage.open.as_ref().filter(same).is_none() {
        usage = Usage {
            open: next,
            ..used_by(&usage, subject.now)
        };
    }
    status.usage = Some(usage);
}

/// What has been used by this time, the open period included. No period is open in the result.
#[must_use]
pub fn used_by(usage: &Usage, now: Timestamp) -> Usage {
    let mut used = believed(usage, now);
    let Some(open) = used.open.take() else {
        return used;
    };
    let seconds = seconds(open.since.0, now);
    let add = |total: &mut i64| *total = total.saturating_add(seconds);
    match open.is {
        Counted::Active => {
            add(&mut used.active_seconds);
            match open.cost_per_second.as_deref().and_then(parse_price) {
                Some(price) => {
                    let cost = used.cost.as_deref().and_then(parse_cost);
                    let cost = cost
                        .unwrap_or_default()
                        .saturating_add(cost_of(price, seconds));
                    used.cost = Some(format_cost(cost));
                }
                None => add(&mut used.unpriced_seconds),
            }
        }
        Counted::Deploying => add(&mut used.deploying_seconds),
        Counted::Error => add(&mut used.error_seconds),
    }
    used
}

/// The live status as its seconds are counted, or `None` if they are not counted.
#[must_use]
pub fn counted(live: LiveStatus) -> Option<Counted> {
    match live {
        LiveStatus::Active => Some(Counted::Active),
        LiveStatus::Deploying => Some(Counted::Deploying),
        LiveStatus::Error => Some(Counted::Error),
        LiveStatus::Inactive
        | LiveStatus::Deactivating
        | LiveStatus::Unknown
        | LiveStatus::None => None,
    }
}

/// The usage of an object that is released, in words, or an empty text where nothing was counted.
/// `status` is the object's last status.
pub(super) fn summary(
    subject: &Subject<'_>,
    seen: Option<&Observation<'_>>,
    status: &OxenModelStatus,
) -> String {
    let now = subject.now;
    let Some(mut usage) = status.usage.as_ref().map(|usage| used_by(usage, now)) else {
        return String::new();
    };
    // The seconds before an observation that showed the model are in the usage already.
    let shown = seen.is_some_and(Observation::is_live) && status.live != Some(LiveStatus::Unknown);
    if !shown && !matches!(subject.ownership, Ownership::Lost(_)) {
        let watched = seen.and_then(|seen| seen.history.watched);
        let unseen = unseen(subject, watched, status, &usage);
        usage.unseen_seconds = usage.unseen_seconds.saturating_add(unseen);
    }
    let began = usage.began.as_ref().map_or(now, |began| began.0);
    let counted = [
        (usage.active_seconds, "active"),
        (usage.deploying_seconds, "deploying"),
        (usage.error_seconds, "in error"),
        (usage.unseen_seconds, "unseen"),
        (usage.unpriced_seconds, "active without a known price"),
    ];
    let mut words: Vec<String> = counted
        .into_iter()
        .filter(|(seconds, _)| *seconds > 0)
        .map(|(seconds, what)| format!("{seconds} s {what}"))
        .collect();
    words.extend(usage.cost.map(|cost| format!("cost {cost}")));
    if words.is_empty() {
        return String::new();
    }
    format!(" Usage since {began}: {}.", words.join(", "))
}

/// The period that begins with this observation, if one does.
fn period(remote: &Remote, now: Timestamp) -> Option<OpenPeriod> {
    let is = counted(remote.live)?;
    Some(OpenPeriod {
        is,
        since: Time(now),
        cost_per_second: match is {
            Counted::Active => price(remote.pricing.as_ref()),
            Counted::Deploying | Counted::Error => None,
        },
    })
}

/// The seconds up to now in which it is not known what the model did, and which are not in the
/// usage yet. `watched` is the time since the last recorded observation that showed the model, if
/// that is known.
fn unseen(
    subject: &Subject<'_>,
    watched: Option<Duration>,
    status: &OxenModelStatus,
    usage: &Usage,
) -> i64 {
    // An observation has shown the model at both of these times.
    let shown = usage.began.as_ref().max(status.since.as_ref());
    let longest = shown.map_or(Duration::ZERO, |shown| subject.since(shown.0));
    let unseen = match status.live {
        Some(LiveStatus::Unknown) => longest,
        // There is no live status after the identity of another model was accepted.
        Some(_) | None => {
            let gap = gap(subject, watched).map(|gap| gap.min(longest));
            gap.filter(|gap| *gap > longest_wait(subject))
                .unwrap_or_default()
        }
    };
    i64::try_from(unseen.as_secs()).unwrap_or(i64::MAX)
}

/// The time since an observation last showed the model, or `None` if it is not known. If the last
/// observation failed, the status also says since when, and no process has observed the model since
/// then.
fn gap(subject: &Subject<'_>, watched: Option<Duration>) -> Option<Duration> {
    let status = subject.object.status.as_ref();
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    let failed = conditions
        .iter()
        .find(|one| one.type_ == SYNCED && is_false(conditions, SYNCED));
    let failing = failed.map(|one| subject.since(one.last_transition_time.0));
    watched.max(failing)
}

/// The longest time between two observations that is not a gap: the sync interval with its jitter,
/// and the time for which Ready is kept without an answer of the hub.
fn longest_wait(subject: &Subject<'_>) -> Duration {
    let interval = subject.sync_interval();
    let jitter = interval / 10;
    let wait = interval.saturating_add(jitter);
    wait.saturating_add(subject.grace()).max(SHORTEST_GAP)
}

/// The usage without what can't be true, such as after an edit by hand. Times in the future are
/// replaced by now. If the cost can't be read, it starts again, and the seconds so far have no
/// known price.
fn believed(usage: &Usage, now: Timestamp) -> Usage {
    let mut usage = usage.clone();
    let past = |time: &mut Time| time.0 = time.0.min(now);
    past(usage.began.get_or_insert(Time(now)));
    for seconds in [
        &mut usage.active_seconds,
        &mut usage.deploying_seconds,
        &mut usage.error_seconds,
        &mut usage.unseen_seconds,
        &mut usage.unpriced_seconds,
    ] {
        *seconds = (*seconds).max(0);
    }
    let unreadable = |cost: &String| parse_cost(cost).is_none();
    if usage.cost.as_ref().is_some_and(unreadable) {
        usage.cost = None;
        usage.unpriced_seconds = usage.active_seconds;
    }
    usage.unpriced_seconds = usage.unpriced_seconds.min(usage.active_seconds);
    if let (Some(open), Some(began)) = (&mut usage.open, &usage.began) {
        past(&mut open.since);
        open.since.0 = open.since.0.max(began.0);
        open.cost_per_second
            .take_if(|price| parse_price(price).is_none());
    }
    usage
}

/// The whole seconds from one time to a later one, or 0 where it is not later.
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second().saturating_sub(from.as_second()).max(0)
}

/// What a number of seconds costs, rounded to the digits of a cost.
fn cost_of(price: i128, seconds: i64) -> i128 {
    let unit = 10_i128.pow(PRICE_SCALE - COST_SCALE);
    let exact = price.saturating_mul(seconds.into());
    exact.saturating_add(unit / 2) / unit
}

fn parse_cost(text: &str) -> Option<i128> {
    decimal::parse(text, COST_DIGITS, COST_SCALE)
}

fn format_cost(cost: i128) -> String {
    decimal::format(cost, COST_SCALE)
}
