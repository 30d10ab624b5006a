//! What a person should do about an object: from its reason, never from the text of a message.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use oxen_operator::decide::{
    Progress, RECONCILING, STALLED, SYNCED, Verdict, condition, headline, is_true,
};

/// The verdict behind the conditions. Two verdicts can have one reason: they differ in whether the
/// hub answered, and in whether a person is needed.
pub fn verdict(conditions: &[Condition]) -> Option<Verdict> {
    let reason = headline(conditions)?;
    let synced = condition(conditions, SYNCED).is_none_or(|synced| synced.status != "False");
    let progress = if is_true(conditions, STALLED) {
        Progress::Stalled
    } else if is_true(conditions, RECONCILING) {
        Progress::Reconciling
    } else {
        Progress::None
    };
    let mut found: Vec<Verdict> = (Verdict::ALL.iter().copied())
        .filter(|verdict| verdict.presentation().reason == reason)
        .collect();
    found.sort_by_key(|verdict| {
        let shown = verdict.presentation();
        (shown.synced != synced, shown.progress != progress)
    });
    found.first().copied()
}

/// What to do: the second paragraph of the verdict's documentation, without the marks of code, and
/// the command for this object if there is one.
pub fn fix(verdict: Verdict, namespace: &str, name: &str) -> Option<String> {
    let advice = advice(verdict)?;
    Some(match command(verdict) {
        Some(command) => {
            let command = command.replace("NAME", name);
            format!("{advice} Then: {command} -n {namespace}")
        }
        None => advice,
    })
}

fn advice(verdict: Verdict) -> Option<String> {
    let (_, advice) = verdict.meaning().split_once("\n\n")?;
    let advice = advice.replace('`', "");
    let advice = advice.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(advice).filter(|advice| advice != "Wait.")
}

/// The command that follows the advice.
fn command(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::WouldActivate | Verdict::WouldDeactivate => Some("kubectl oxen resume NAME"),
        Verdict::DeploymentFailed
        | Verdict::CallHadNoEffect
        | Verdict::ProgressDeadlineExceeded
        | Verdict::NoDeployment
        | Verdict::IdentityChanged
        | Verdict::DriftContention
        | Verdict::Rejected
        | Verdict::CallUnauthenticated
        | Verdict::CallForbidden
        | Verdict::CallPaymentRequired
        | Verdict::CallModelNotFound
        | Verdict::CallOutcomeUnknown
        | Verdict::Unauthenticated
        | Verdict::Forbidden
        | Verdict::PaymentRequired => Some("kubectl oxen reconcile NAME"),
        Verdict::Active
        | Verdict::Inactive
        | Verdict::AlwaysActive
        | Verdict::IdleShutdown
        | Verdict::Activating
        | Verdict::Deactivating
        | Verdict::CorrectingDrift
        | Verdict::WaitingForDeployment
        | Verdict::WaitingForDeactivation
        | Verdict::OperationInProgress
        | Verdict::OutcomeUnknown
        | Verdict::StatusUnknown
        | Verdict::SuspendedStatusUnknown
        | Verdict::DeploymentError
        | Verdict::BaseModelCannotDeactivate
        | Verdict::Conflict
        | Verdict::BudgetExceeded
        | Verdict::BudgetUnknown
        | Verdict::BudgetPending
        | Verdict::CrdOutdated
        | Verdict::CredentialsNotFound
        | Verdict::CredentialsInvalid
        | Verdict::OperatorKeyNotAllowed
        | Verdict::RateLimited
        | Verdict::RateLimitedLong
        | Verdict::HubFailing
        | Verdict::HubUnreachable
        | Verdict::UnexpectedResponse
        | Verdict::ModelNotFound
        | Verdict::ModelMismatch
        | Verdict::InvalidSpec
        | Verdict::Released => None,
    }
}

#[cfg(test)]
mod tests {
    use oxen_operator::decide::Ready;

    use super::*;

    /// The conditions of a verdict, as the operator writes them.
    fn conditions(verdict: Verdict) -> Vec<Condition> {
        let shown = verdict.presentation();
        let one = |type_: &str, status: &str, reason: &str| -> Condition {
            serde_json::from_value(serde_json::json!({
                "type": type_, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-25T08:00:00Z",
            }))
            .unwrap()
        };
        let ready = match shown.ready {
            Ready::True => "True",
            Ready::False => "False",
            Ready::Unknown | Ready::Kept => "Unknown",
        };
        let mut all = vec![one("Ready", ready, shown.reason)];
        match shown.progress {
            Progress::None => {}
            Progress::Reconciling => all.push(one("Reconciling", "True", shown.reason)),
            Progress::Stalled => all.push(one("Stalled", "True", shown.reason)),
        }
        let synced = if shown.synced { "True" } else { "False" };
        all.push(one("Synced", synced, shown.reason));
        all
    }

    #[test]
    fn every_verdict_is_found_by_its_conditions_up_to_its_presentation() {
        for given in Verdict::ALL {
            let found = verdict(&conditions(*given)).unwrap();
            let (found, given) = (found.presentation(), given.presentation());
            assert_eq!(found.reason, given.reason);
            assert_eq!(found.synced, given.synced, "{}", given.reason);
            assert_eq!(found.progress, given.progress, "{}", given.reason);
        }
    }

    #[test]
    fn every_stalled_verdict_has_a_fix() {
        for verdict in Verdict::ALL {
            let stalled = verdict.presentation().progress == Progress::Stalled;
            let fix = fix(*verdict, "team-a", "bot");
            assert!(!stalled || fix.is_some(), "{verdict:?}");
            let text = fix.unwrap_or_default();
            assert!(!text.contains('`') && !text.contains('\n'), "{text}");
        }
        assert_eq!(
            fix(Verdict::WouldActivate, "team-a", "bot").unwrap(),
            "To let the operator act, set spec.suspend to false. If the message names \
             --observe-only, remove that flag. Then: kubectl oxen resume bot -n team-a"
        );
        assert_eq!(fix(Verdict::Activating, "team-a", "bot"), None);
    }
}
