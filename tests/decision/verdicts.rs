//! What each verdict shows.

use oxen_operator::{
    api::{LiveStatus, State},
    decide::{
        DELETION_BLOCKED, EventType, Progress, READY, RECONCILING, Ready, STALLED, SYNCED, Verdict,
    },
};
use testkit::simulation::{Simulation, condition, progress, shows, shows_base};

#[test]
fn every_reason_is_one_word_in_pascal_case() {
    for verdict in Verdict::ALL {
        let reason = verdict.presentation().reason;
        assert!(
            reason.starts_with(|c: char| c.is_ascii_uppercase()),
            "{reason}"
        );
        assert!(
            reason.chars().all(|c| c.is_ascii_alphanumeric()),
            "{reason}"
        );
    }
}

#[test]
fn ready_is_never_true_with_a_progress_condition_or_a_fault() {
    for verdict in Verdict::ALL {
        let presentation = verdict.presentation();
        if presentation.ready == Ready::True {
            assert!(
                presentation.synced && presentation.progress == Progress::None,
                "{verdict:?}"
            );
        }
        if !presentation.synced {
            assert_ne!(presentation.progress, Progress::None, "{verdict:?}");
        }
    }
}

#[test]
fn every_refusal_is_synced_and_retried_and_quotes_the_hub() {
    let refusals = Verdict::ALL.iter().map(|verdict| verdict.presentation());
    let refusals: Vec<_> = refusals.filter(|it| it.refusal).collect();
    assert_eq!(refusals.len(), 6);
    for presentation in refusals {
        assert_eq!(presentation.ready, Ready::False, "{presentation:?}");
        assert_eq!(presentation.progress, Progress::Reconciling);
        assert_eq!(presentation.event, EventType::Warning);
        assert!(presentation.synced && presentation.quotes && !presentation.waits);
    }
}

#[test]
fn only_verdicts_that_reconcile_wait_for_the_model() {
    for verdict in Verdict::ALL {
        let presentation = verdict.presentation();
        if presentation.waits {
            assert_eq!(presentation.progress, Progress::Reconciling, "{verdict:?}");
            assert!(presentation.synced, "{verdict:?}");
        }
    }
}

#[test]
fn conditions_follow_the_kstatus_conventions() {
    let observations = LiveStatus::ALL
        .iter()
        .copied()
        .map(shows)
        .chain([shows_base()]);
    for retrieved in observations {
        for desired in [State::Active, State::Inactive] {
            let simulation = Simulation::new(desired);
            for simulation in [
                simulation.clone(),
                simulation.clone().suspended(),
                simulation.deleting(),
            ] {
                let status = simulation.decide(retrieved.clone()).status;
                let generation = simulation.object.metadata.generation.unwrap();
                assert_eq!(status.observed_generation, generation);
                assert_ne!(progress(&status), "both");
                for one in &status.conditions {
                    assert!(!one.message.is_empty(), "{one:?}");
                    assert_eq!(one.observed_generation, Some(generation));
                }
                for always in [READY, SYNCED] {
                    assert!(condition(&status, always).is_some(), "{always}");
                }
                for only_true in [RECONCILING, STALLED, DELETION_BLOCKED] {
                    assert!(condition(&status, only_true).is_none_or(|one| one.status == "True"));
                }
            }
        }
    }
}
