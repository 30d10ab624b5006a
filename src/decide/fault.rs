//! What each fault of the hub means, and what a person can do about it.

use super::{Fault, Finding, Mend, Observation, Verdict};
use crate::api::{DEFAULT_SECRET, DEFAULT_SECRET_KEY, RECONCILE_ANNOTATION};

/// The finding of a pass that had no usable answer.
pub(super) fn judge(seen: &Observation<'_>, fault: &Fault) -> Finding {
    match fault {
        Fault::CredentialsNotFound { why, mend } => Finding::new(
            Verdict::CredentialsNotFound,
            format!("{why}. {}", what_to_do(seen, mend)),
        ),
        Fault::CredentialsInvalid { why, mend } => Finding::new(
            Verdict::CredentialsInvalid,
            format!("{why}. {}", what_to_do(seen, mend)),
        ),
        Fault::OperatorKeyNotAllowed => Finding::new(
            Verdict::OperatorKeyNotAllowed,
            format!(
                "The operator's own API key is not lent to this namespace, and it has no key of its own. {} Or list the namespace in the operator's --operator-key-namespaces.",
                what_to_do(
                    seen,
                    &Mend::Create {
                        secret: DEFAULT_SECRET.into(),
                        key: DEFAULT_SECRET_KEY.into(),
                    }
                )
            ),
        ),
        Fault::Unauthenticated => Finding::new(
            Verdict::Unauthenticated,
            "The hub doesn't accept the API key. Put a valid one into the Secret.",
        ),
        Fault::Forbidden(words) => Finding::new(
            Verdict::Forbidden,
            format!(
                "The API key may not do this with this model; the hub says: {words}. Use a key of the account that owns it."
            ),
        ),
        Fault::PaymentRequired(words) => Finding::new(
            Verdict::PaymentRequired,
            format!("The hub asks for payment: {words}. See to the account's billing."),
        ),
        Fault::ModelNotFound(near) => Finding::new(Verdict::ModelNotFound, not_found(seen, near)),
        Fault::RateLimited { wait, .. } => Finding {
            wait: *wait,
            ..Finding::new(
                Verdict::RateLimited,
                "The hub asks to be called less often; it is left alone for as long as it says.",
            )
        },
        Fault::Unreachable(words) => unreachable(seen, words),
        Fault::Unexpected(words) => Finding::new(
            Verdict::UnexpectedResponse,
            format!("The hub's answer can't be read: {words}. Is OXEN_BASE_URL the hub's?"),
        ),
        Fault::AnotherModel(id) => Finding::new(
            Verdict::AnotherModel,
            format!(
                "The hub was asked for {:?} and answered with {id:?}. If that is the model meant, create an OxenModel with that name.",
                seen.object.spec.model
            ),
        ),
        Fault::Rejected(words) => Finding::new(
            Verdict::Rejected,
            format!("The hub refused the call: {words}."),
        ),
    }
}

fn unreachable(seen: &Observation<'_>, words: &str) -> Finding {
    let grace = seen
        .sync_interval()
        .saturating_mul(3)
        .min(seen.rules.stale_ready);
    let verdict = if seen.past.silence < grace {
        Verdict::HubFailing
    } else {
        Verdict::HubUnreachable
    };
    Finding::new(
        verdict,
        format!("The hub can't be reached: {words}. No call is made; looking again."),
    )
}

fn not_found(seen: &Observation<'_>, near: &[String]) -> String {
    let asked = &seen.object.spec.model;
    let hint = if near.is_empty() {
        "Check the name, and whether the API key is of the account that owns it".to_owned()
    } else {
        format!("Did you mean {}", near.join(", "))
    };
    let end = if near.is_empty() { '.' } else { '?' };
    format!(
        "The hub knows no model {asked:?} for this API key. {hint}{end} The name can't be changed here: create another OxenModel. Once the hub knows it, {RECONCILE_ANNOTATION} asks for a look at once."
    )
}

/// What mends missing credentials: where it can be, a line that can be run as it stands.
fn what_to_do(seen: &Observation<'_>, mend: &Mend) -> String {
    let namespace = seen.object.metadata.namespace.as_deref();
    let namespace = namespace.unwrap_or("default");
    match mend {
        Mend::Create { secret, key } => format!(
            "Create it: kubectl create secret generic {secret} --namespace {namespace} --from-literal={key}=YOUR_API_KEY"
        ),
        Mend::Fill { secret, key } => format!(
            "Put it there: kubectl patch secret {secret} --namespace {namespace} --patch '{{\"stringData\":{{\"{key}\":\"YOUR_API_KEY\"}}}}'"
        ),
        Mend::Allow => {
            "Let a Role grant it `get`, or use a name of the operator's --secret-names.".into()
        }
        Mend::Lend => "This namespace is lent the operator's own key: put one into the file that OXEN_API_KEY_FILE names, with the chart into the Secret of operatorKey.existingSecret.".into(),
    }
}
