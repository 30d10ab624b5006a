use super::bench::{Bench, DEPLOYMENTS, base, condition, marker, shows};
use crate::{
    api::State,
    decide::{Marker, Ready, Verdict},
};

const VERDICTS: [Verdict; 38] = [
    Verdict::Active,
    Verdict::Inactive,
    Verdict::AlwaysActive,
    Verdict::Activating,
    Verdict::Deactivating,
    Verdict::CorrectingDrift,
    Verdict::WaitingForDeployment,
    Verdict::WaitingForDeactivation,
    Verdict::WaitingForTurn,
    Verdict::OutcomeUnknown,
    Verdict::StatusUnknown,
    Verdict::WouldActivate,
    Verdict::WouldDeactivate,
    Verdict::DeploymentError,
    Verdict::DeploymentFailed,
    Verdict::NothingDeployed,
    Verdict::BaseModelCannotDeactivate,
    Verdict::CallHadNoEffect,
    Verdict::DriftContention,
    Verdict::ProgressDeadlineExceeded,
    Verdict::Rejected,
    Verdict::RejectedForGood,
    Verdict::CredentialsNotFound,
    Verdict::CredentialsInvalid,
    Verdict::OperatorKeyNotAllowed,
    Verdict::Unauthenticated,
    Verdict::Forbidden,
    Verdict::PaymentRequired,
    Verdict::ModelNotFound,
    Verdict::RateLimited,
    Verdict::HubFailing,
    Verdict::HubUnreachable,
    Verdict::UnexpectedResponse,
    Verdict::AnotherModel,
    Verdict::IdentityChanged,
    Verdict::Conflict,
    Verdict::InvalidSpec,
    Verdict::LetGo,
];

#[test]
fn every_reason_is_one_word_in_pascal_case() {
    for verdict in VERDICTS {
        let reason = verdict.row().reason;
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
fn ready_never_stands_beside_a_marker_or_a_fault() {
    for verdict in VERDICTS {
        let row = verdict.row();
        if row.ready == Ready::True {
            assert!(row.synced && row.marker == Marker::None, "{verdict:?}");
        }
        if !row.synced {
            assert_ne!(row.marker, Marker::None, "{verdict:?}");
        }
    }
}

#[test]
fn conditions_are_as_kstatus_reads_them() {
    let looks = DEPLOYMENTS.map(shows).into_iter().chain([base()]);
    for look in looks {
        for wanted in [State::Active, State::Inactive] {
            let bench = Bench::wanting(wanted);
            for bench in [bench.clone(), bench.clone().suspended(), bench.deleting()] {
                let status = bench.decide(look.clone()).status;
                assert_eq!(
                    status.observed_generation,
                    bench.object.metadata.generation.unwrap()
                );
                assert_ne!(marker(&status), "both");
                for one in &status.conditions {
                    assert!(!one.message.is_empty() || !bench.is_held(), "{one:?}");
                    assert_eq!(one.observed_generation, Some(status.observed_generation));
                }
                for always in ["Ready", "Synced"] {
                    assert!(condition(&status, always).is_some(), "{always}");
                }
                for only_true in ["Reconciling", "Stalled"] {
                    assert!(condition(&status, only_true).is_none_or(|one| one.status == "True"));
                }
            }
        }
    }
}
