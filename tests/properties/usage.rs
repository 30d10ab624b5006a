//! Usage: over any history, it is what the observations showed, it is as close to the truth as it
//! promises, and nothing in it ever becomes less.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oxen_operator::{
    api::{LiveStatus, Pricing, State, Usage},
    decide::{HubFault, used_by},
};
use proptest::{collection::vec, prelude::*};
use testkit::simulation::{Retrieved, Simulation, secs, shows};

use crate::cases;

/// What happens until a reconcile, and what its live GET shows.
#[derive(Clone, Debug)]
struct Step {
    /// The seconds since the last reconcile.
    wait: u64,
    /// When the model's state changes in that time, in hundredths of it, and to what.
    change: Option<(u64, LiveStatus)>,
    /// Whether the process ended after the last reconcile, and another one begins with this one.
    restart: bool,
    answer: Answer,
}

#[derive(Clone, Debug)]
enum Answer {
    /// The model's state, and its price in billionths.
    Shown(Option<u32>),
    /// The hub doesn't report the state.
    Unknown,
    Failed,
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        4 => 1_u64..=30,
        6 => 270_u64..=330,
        1 => 330_u64..=1230,
        2 => 1231_u64..200_000,
    ];
    let live = prop::sample::select(vec![
        LiveStatus::Active,
        LiveStatus::Active,
        LiveStatus::Inactive,
        LiveStatus::Deploying,
        LiveStatus::Deactivating,
        LiveStatus::Error,
    ]);
    let price = prop_oneof![
        3 => Just(Some(694_444)),
        1 => Just(None),
        1 => any::<u32>().prop_map(Some),
    ];
    let answer = prop_oneof![
        12 => price.prop_map(Answer::Shown),
        1 => Just(Answer::Unknown),
        3 => Just(Answer::Failed),
    ];
    let change = prop::option::weighted(0.3, (0_u64..=100, live));
    let restart = prop::bool::weighted(0.1);
    (wait, change, restart, answer).prop_map(|(wait, change, restart, answer)| Step {
        wait,
        change,
        restart,
        answer,
    })
}

fn pricing(billionths: u32) -> Pricing {
    let (whole, fraction) = (billionths / 1_000_000_000, billionths % 1_000_000_000);
    Pricing {
        method: Some("time".into()),
        cost_per_second: Some(format!("{whole}.{fraction:09}")),
        ..Pricing::default()
    }
}

/// What an observation showed.
#[derive(Clone, Copy, Debug)]
struct Shown {
    at: Timestamp,
    live: LiveStatus,
    price: Option<u32>,
}

/// An object, the true state of its model, and what its usage should be.
struct World {
    simulation: Simulation,
    truth: LiveStatus,
    /// The seconds in which the model was truly active since the first observation.
    active: i64,
    /// Whether the model's state has changed since the last observation.
    changed: bool,
    /// The seconds by which the usage may be wrong beyond those that nobody saw.
    doubt: i64,
    last: Option<Shown>,
    /// Until when the model is known to have been observed.
    watched_until: Option<Timestamp>,
    /// When the first observation since the last one failed.
    failing_since: Option<Timestamp>,
    expected: Usage,
    /// In billionths.
    cost: Option<i128>,
}

impl World {
    fn new() -> Self {
        Self {
            simulation: Simulation::new(State::Active).suspended(),
            truth: LiveStatus::Inactive,
            active: 0,
            changed: false,
            doubt: 0,
            last: None,
            watched_until: None,
            failing_since: None,
            expected: Usage::default(),
            cost: None,
        }
    }

    fn used(&self) -> Option<Usage> {
        let usage = self.simulation.status().usage?;
        Some(used_by(&usage, self.simulation.now))
    }

    fn pass(&mut self, seconds: u64) {
        if self.truth == LiveStatus::Active && self.last.is_some() {
            self.active += i64::try_from(seconds).unwrap();
        }
        self.simulation.advance(secs(seconds));
    }

    fn wait(&mut self, step: &Step) {
        let until_change = step
            .change
            .map(|(share, live)| (step.wait * share / 100, live));
        if let Some((seconds, live)) = until_change {
            self.pass(seconds);
            self.changed |= self.truth != live;
            self.truth = live;
            self.pass(step.wait - seconds);
        } else {
            self.pass(step.wait);
        }
        if step.restart {
            let ended = self.simulation.now - SignedDuration::try_from(secs(step.wait)).unwrap();
            self.watched_until = self.failing_since.or(Some(ended));
            self.simulation.restart();
            // The last renewal of the Lease.
            self.simulation.history.watched = Some(secs(step.wait));
        }
    }

    fn retrieve(&self, answer: &Answer) -> (Retrieved, Option<Shown>) {
        let (live, price) = match answer {
            Answer::Failed => return (Err(HubFault::Unreachable("down".into()).into()), None),
            Answer::Unknown => (LiveStatus::Unknown, None),
            Answer::Shown(price) => (self.truth, *price),
        };
        let shown = Shown {
            at: self.simulation.now,
            live,
            price,
        };
        let retrieved = shows(live).map(|mut remote| {
            remote.pricing = price.map(pricing);
            remote
        });
        (retrieved, Some(shown))
    }

    /// Counts the time since the last observation, by what that one showed.
    fn count(&mut self, next: Shown) {
        let unknown = |shown: &Shown| shown.live == LiveStatus::Unknown;
        // The time counts when the hub reports the state again.
        if unknown(&next) && self.last.as_ref().is_some_and(unknown) {
            return;
        }
        let Some(last) = self.last.replace(next) else {
            (self.watched_until, self.failing_since) = (Some(next.at), None);
            return;
        };
        let seconds = next.at.duration_since(last.at).as_secs();
        let expected = &mut self.expected;
        match last.live {
            LiveStatus::Active => {
                expected.active_seconds += seconds;
                match last.price {
                    Some(price) => {
                        let cost = self.cost.get_or_insert_default();
                        *cost += i128::from(price) * i128::from(seconds);
                    }
                    None => expected.unpriced_seconds += seconds,
                }
            }
            LiveStatus::Deploying => expected.deploying_seconds += seconds,
            LiveStatus::Error => expected.error_seconds += seconds,
            LiveStatus::Unknown => expected.unseen_seconds += seconds,
            _ => {}
        }
        let watched_until = self.watched_until.unwrap_or(last.at);
        let gap = next.at.duration_since(watched_until).as_secs();
        let is_known = last.live != LiveStatus::Unknown;
        let unseen = if gap > 330 + 900 && is_known { gap } else { 0 };
        expected.unseen_seconds += unseen;
        if self.changed && is_known {
            self.doubt += seconds - unseen;
        }
        (self.watched_until, self.failing_since) = (Some(next.at), None);
        self.changed = false;
    }
}

/// Whether no sum of `after` is less than that of `before`.
fn is_later(before: &Usage, after: &Usage) -> bool {
    let sums = |usage: &Usage| {
        let cost = usage.cost.as_ref().map(|cost| cost.replace('.', ""));
        let cost = cost.map_or(-1, |cost| cost.parse().unwrap());
        [
            i128::from(usage.active_seconds),
            i128::from(usage.deploying_seconds),
            i128::from(usage.error_seconds),
            i128::from(usage.unseen_seconds),
            i128::from(usage.unpriced_seconds),
            cost,
        ]
    };
    sums(before)
        .iter()
        .zip(sums(after))
        .all(|(before, after)| *before <= after)
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn usage_is_what_was_observed_and_close_to_the_truth(steps in vec(step(), 1..80)) {
        let mut world = World::new();
        for step in &steps {
            let before = world.used();
            world.wait(step);
            // A metric that is read between two reconciles, and after a restart.
            let meanwhile = world.used();
            let (retrieved, shown) = world.retrieve(&step.answer);
            let status = world.simulation.status();
            let last = world.last;
            world.simulation.reconcile(retrieved);
            if let Some(shown) = shown {
                world.count(shown);
                let last = last.filter(|last| {
                    (last.live, last.price) == (shown.live, shown.price)
                        && shown.at.duration_since(last.at).as_secs() <= 1230
                });
                prop_assert!(last.is_none() || world.simulation.status().usage == status.usage);
            }
            if shown.is_none() {
                world.failing_since.get_or_insert(world.simulation.now);
            }
            let Some(after) = world.used() else { continue };
            if let (Some(before), Some(meanwhile)) = (&before, &meanwhile) {
                prop_assert!(is_later(before, meanwhile), "{before:?} {meanwhile:?}");
                prop_assert!(is_later(meanwhile, &after), "{meanwhile:?} {after:?}");
            }
            if shown.is_none_or(|shown| shown.live == LiveStatus::Unknown) {
                continue;
            }
            let mut expected = world.expected.clone();
            expected.began = after.began.clone();
            expected.cost.clone_from(&after.cost);
            prop_assert_eq!(&after, &expected);
            let cost = after.cost.as_ref().map(|cost| cost.replace('.', "").parse().unwrap());
            prop_assert_eq!(cost.unwrap_or(0), world.cost.unwrap_or(0));
            let error = (after.active_seconds - world.active).abs();
            prop_assert!(error <= after.unseen_seconds + world.doubt, "{after:?} {}", world.active);
        }
    }

    #[test]
    fn a_sum_never_becomes_less_however_it_is_rounded(
        price in "[0-9]{1,6}\\.[0-9]{1,18}",
        times in vec(0_i64..100_000, 1..20),
    ) {
        let mut world = World::new();
        let pricing = Pricing { cost_per_second: Some(price), ..pricing(0) };
        for (poll, seconds) in times.into_iter().enumerate() {
            let live = if poll % 2 == 0 { LiveStatus::Active } else { LiveStatus::Inactive };
            let retrieved = shows(live).map(|mut remote| {
                remote.pricing = Some(pricing.clone());
                remote
            });
            let before = world.used();
            world.simulation.reconcile(retrieved);
            let after = world.used().unwrap();
            prop_assert!(before.is_none_or(|before| is_later(&before, &after)));
            let usage = world.simulation.status().usage.unwrap();
            let end = world.simulation.now + SignedDuration::from_secs(seconds);
            let middle = world.simulation.now + SignedDuration::from_secs(seconds / 2);
            prop_assert!(is_later(&used_by(&usage, middle), &used_by(&usage, end)));
            world.simulation.advance(Duration::from_secs(seconds.unsigned_abs()));
        }
    }
}
