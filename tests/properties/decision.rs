//! Whatever an object goes through: what must never happen doesn't, and once the hub is well
//! again all comes to rest.

use proptest::{collection::vec, prelude::*};

use crate::{
    api::{Deployment, Direction},
    bench::{marker, shows},
    cases,
    decide::{Answer, Claim, Look, Past},
    events::{deployment, event, state},
    story::Story,
};

/// A hub that does what it is told, each transition two looks long.
struct Well {
    deployment: Deployment,
    left: u32,
}

impl Well {
    fn look(&mut self) -> Look {
        self.left = self.left.saturating_sub(1);
        self.deployment = match (self.left, self.deployment) {
            (0, Deployment::Deploying) => Deployment::Active,
            (0, Deployment::Deactivating) => Deployment::Inactive,
            (_, same) => same,
        };
        shows(self.deployment)
    }

    fn take(&mut self, direction: Direction) {
        self.left = 3;
        self.deployment = match direction {
            Direction::Activate => Deployment::Deploying,
            Direction::Deactivate => Deployment::Deactivating,
        };
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_must_never_happen_does_not(wanted in state(), events in vec(event(), 1..150)) {
        let mut story = Story::of(wanted);
        for event in events {
            story.happens(event)?;
            if !story.goes_on() {
                break;
            }
        }
    }

    #[test]
    fn once_the_hub_is_well_again_all_comes_to_rest(
        wanted in state(),
        events in vec(event(), 0..60),
        found in deployment(),
    ) {
        let mut story = Story::of(wanted);
        for event in events {
            story.happens(event)?;
        }
        story.bench.past = Past::default();
        if story.bench.claim == Claim::MineAfterTheirs {
            story.bench.claim = Claim::Mine;
        }
        let mut hub = Well { deployment: found, left: 3 };
        let mut quiet = 0;
        for _ in 0..400 {
            if !story.goes_on() || quiet > 20 {
                break;
            }
            let before = story.bench.status();
            story.bench.answer = Answer::Accepted;
            let held = story.bench.is_held();
            let pass = story.pass(hub.look())?;
            if let Some(direction) = pass.call() {
                hub.take(direction);
            }
            let still = before == story.bench.status() && held == story.bench.is_held();
            quiet = if still { quiet + 1 } else { 0 };
            story.bench.later(pass.plan.requeue.after);
        }
        prop_assert!(!story.goes_on() || quiet > 20, "no rest: {:?}", story.bench.status());
        // A status that the hub itself doesn't know is the one thing that may be waited for.
        let at_rest = marker(&story.bench.status()) != "Reconciling" || found == Deployment::Unknown;
        prop_assert!(!story.goes_on() || at_rest, "{:?}", story.bench.status());
    }
}
