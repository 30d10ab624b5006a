//! What each fault means, and what a person can do about it.

use super::{
    fault::{CredentialFault, Fault, HubFault, Remedy},
    history::SurpriseKind,
    observation::{Observation, Subject},
    plan::Finding,
    verdict::Verdict,
    words::quote,
};
use crate::api::{DEFAULT_SECRET, DEFAULT_SECRET_KEY, RECONCILE_ANNOTATION};

/// The finding of a reconcile without a usable answer.
pub(super) fn fault(seen: &Observation<'_>, fault: &Fault) -> Finding {
    match fault {
        Fault::Credentials(fault) => credential_fault(&seen.subject, fault),
        Fault::Hub(fault) => unconfirmed(seen, fault).unwrap_or_else(|| hub_fault(seen, fault)),
    }
}

/// The finding of a surprising fault that no second request has confirmed yet, or `None` for any
/// other fault.
fn unconfirmed(seen: &Observation<'_>, fault: &HubFault) -> Option<Finding> {
    let (kind, what) = match fault {
        HubFault::Unauthenticated => (
            SurpriseKind::Unauthenticated,
            "The hub refuses an API key that it accepted before (401).",
        ),
        HubFault::ModelNotFound(_) => (
            SurpriseKind::NotFound,
            "The hub says that it doesn't know a model that it returned before (404).",
        ),
        HubFault::Forbidden(_)
        | HubFault::PaymentRequired(_)
        | HubFault::RateLimited { .. }
        | HubFault::Unreachable(_)
        | HubFault::ProviderFailed(_)
        | HubFault::Unexpected(_)
        | HubFault::ModelMismatch(_)
        | HubFault::Rejected(_) => return None,
    };
    let rules = seen.subject.rules;
    seen.history.is_unconfirmed(kind, rules).then(|| {
        let message = format!("{what} The operator confirms that with another request.");
        Finding::new(Verdict::HubFailing, message).wait(rules.transition_first)
    })
}

fn credential_fault(subject: &Subject<'_>, fault: &CredentialFault) -> Finding {
    match fault {
        CredentialFault::NotFound { why, remedy } => Finding::new(
            Verdict::CredentialsNotFound,
            format!("{why}. {}", instruction(subject, remedy)),
        ),
        CredentialFault::Invalid { why, remedy } => Finding::new(
            Verdict::CredentialsInvalid,
            format!("{why}. {}", instruction(subject, remedy)),
        ),
        CredentialFault::OperatorKeyNotAllowed => {
            let remedy = Remedy::CreateSecret {
                secret: DEFAULT_SECRET.into(),
                key: DEFAULT_SECRET_KEY.into(),
            };
            Finding::new(
                Verdict::OperatorKeyNotAllowed,
                format!(
                    "This namespace has no API key, and it may not use the operator's own. {} Or \
                     add the namespace to the operator's --operator-key-namespaces.",
                    instruction(subject, &remedy)
                ),
            )
        }
    }
}

/// The finding that a fault of the hub leads to.
pub(super) fn hub_fault(seen: &Observation<'_>, fault: &HubFault) -> Finding {
    match fault {
        HubFault::Unauthenticated => Finding::new(
            Verdict::Unauthenticated,
            "The hub doesn't accept the API key. Put a valid key into the Secret.",
        ),
        HubFault::Forbidden(words) => Finding::new(
            Verdict::Forbidden,
            format!(
                "The hub doesn't allow the API key to do this with this model: {words}. Use a key \
                 of the account that owns the model."
            ),
        ),
        HubFault::PaymentRequired(words) => Finding::new(
            Verdict::PaymentRequired,
            format!("The hub requires payment: {words}. Check the account's billing."),
        ),
        HubFault::ModelNotFound(similar) => {
            Finding::new(Verdict::ModelNotFound, not_found(&seen.subject, similar))
        }
        HubFault::RateLimited { wait, words, .. } => {
            let verdict = if is_silent(seen) {
                Verdict::RateLimitedLong
            } else {
                Verdict::RateLimited
            };
            let words = words
                .as_deref()
                .map_or(String::new(), |it| format!(": {it}"));
            let finding = Finding::new(
                verdict,
                format!(
                    "The hub limits the rate of requests{words}. The operator sends the next one \
                     when the hub allows it."
                ),
            );
            Finding {
                wait: *wait,
                ..finding
            }
        }
        HubFault::Unreachable(words) => {
            unreachable(seen, &format!("The hub can't be reached: {words}"))
        }
        HubFault::ProviderFailed(words) => unreachable(
            seen,
            &format!("The hub was reached, and its provider failed: {words}"),
        ),
        HubFault::Unexpected(words) => Finding::new(
            Verdict::UnexpectedResponse,
            format!(
                "The hub's response can't be read: {words}. Check that OXEN_BASE_URL is the hub's \
                 URL."
            ),
        ),
        HubFault::ModelMismatch(id) => Finding::new(
            Verdict::ModelMismatch,
            format!(
                "The hub was asked for the model {:?} and answered with {:?}. If that is the model \
                 that you mean, create an OxenModel with that name.",
                seen.subject.object.spec.model,
                quote(id),
            ),
        ),
        HubFault::Rejected(words) => Finding::new(
            Verdict::Rejected,
            format!("The hub refused the call: {words}."),
        ),
    }
}

fn unreachable(seen: &Observation<'_>, why: &str) -> Finding {
    let verdict = if is_silent(seen) {
        Verdict::HubUnreachable
    } else {
        Verdict::HubFailing
    };
    Finding::new(
        verdict,
        format!("{why}. No call is made; the operator keeps retrying."),
    )
}

/// Returns true when the hub has given no usable answer for longer than Ready is kept. The time
/// counts from the first of the failed observations.
pub(super) fn is_silent(seen: &Observation<'_>) -> bool {
    seen.history.failing.unwrap_or_default() >= seen.subject.grace()
}

fn not_found(subject: &Subject<'_>, similar: &[String]) -> String {
    let asked = &subject.object.spec.model;
    let hint = if similar.is_empty() {
        "Check the name, and whether the API key belongs to the account that owns the model."
            .to_owned()
    } else {
        let names: Vec<String> = similar.iter().map(|name| quote(name)).collect();
        format!("Did you mean {}?", names.join(", "))
    };
    format!(
        "The hub knows no model {asked:?} for this API key. {hint} To correct the name, create \
         another OxenModel: spec.model can't be changed. Once the hub knows the model, set the \
         annotation {RECONCILE_ANNOTATION} to a new value to retry at once."
    )
}

/// What to do about a missing or invalid API key: where possible, a command that can be run as it
/// is.
fn instruction(subject: &Subject<'_>, remedy: &Remedy) -> String {
    let namespace = subject.object.metadata.namespace.as_deref();
    let namespace = namespace.unwrap_or("default");
    match remedy {
        Remedy::CreateSecret { secret, key } => format!(
            "Create it: kubectl create secret generic {secret} --namespace {namespace} \
             --from-literal={key}=YOUR_API_KEY"
        ),
        Remedy::PatchSecret { secret, key } => format!(
            "Set it: kubectl patch secret {secret} --namespace {namespace} \
             --patch '{{\"stringData\":{{\"{key}\":\"YOUR_API_KEY\"}}}}'"
        ),
        Remedy::GrantAccess => "Create it where it is missing. Where it exists, grant the operator \
                                `get` on it with a Role, or use a name that is listed in the \
                                operator's --secret-names."
            .into(),
        Remedy::SetOperatorKey => "This namespace uses the operator's own API key. Put a valid key \
                                   into the file that OXEN_API_KEY_FILE names; with the chart, into \
                                   the Secret that operatorKey.existingSecret names."
            .into(),
    }
}
