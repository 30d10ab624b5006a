//! Faults of the hub as sentences.

use std::time::Duration;

use oxen_operator::{api::Span, decide::HubFault, hub::page_code};

use crate::{clean, key::Origin};

/// What is the case, and what to do. `hub` is the hub's URL, and `asked` the model that the request
/// was about, if it was about one.
pub fn hub_fault(fault: &HubFault, hub: &str, key: &Origin, asked: Option<&str>) -> String {
    let words = |words: &str| {
        let words = clean::line(words);
        words.trim_end_matches('.').to_owned()
    };
    match fault {
        HubFault::Unauthenticated => {
            format!("the hub does not accept the key of {key} (401).")
        }
        HubFault::Forbidden(why) => {
            format!(
                "the hub does not allow this with the key of {key}: {}.",
                words(why)
            )
        }
        HubFault::PaymentRequired(why) => format!("the hub requires payment: {}.", words(why)),
        HubFault::ModelNotFound(_) => match asked {
            Some(asked) => {
                let asked = clean::line(asked);
                format!("the hub knows no model \"{asked}\" for the key of {key}.")
            }
            None => format!("{hub} has no list of models. Is it the hub's URL?"),
        },
        HubFault::RateLimited {
            wait, words: why, ..
        } => {
            let why = why.as_deref().map(|why| format!(": {}", words(why)));
            let when = wait.map_or_else(|| "later".into(), |wait| format!("in {}", whole(wait)));
            format!(
                "the hub limits the rate of requests{}. Try again {when}.",
                why.unwrap_or_default()
            )
        }
        HubFault::Unreachable(why) => match page_code(why) {
            Some(code) => {
                format!(
                    "something other than the hub answered {code}. Check --base-url and --proxy."
                )
            }
            None => format!(
                "{hub} cannot be reached: {}. Check --base-url and --proxy.",
                words(why)
            ),
        },
        HubFault::ProviderFailed(why) => {
            format!(
                "the hub's provider failed: {}. Try again later.",
                words(why)
            )
        }
        HubFault::ModelMismatch(id) => format!(
            "the hub answers with another model: {}. Write the model's UUID.",
            words(id)
        ),
        HubFault::Unexpected(why) | HubFault::Rejected(why) => format!(
            "the answer of {hub} can't be read: {}. Is it the hub's URL?",
            words(why)
        ),
    }
}

/// A wait in whole seconds, rounded up.
fn whole(wait: Duration) -> Span {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Span(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use oxen_operator::hub::{ApiKey, Limits, Response};

    use super::*;
    use crate::key::default_secret;

    #[test]
    fn every_fault_is_a_sentence() {
        let key = Origin::Secret {
            namespace: "team-a".into(),
            named: default_secret(),
        };
        let limited = |wait, words: Option<&str>| HubFault::RateLimited {
            wait,
            whole_key: true,
            words: words.map(str::to_owned),
        };
        for (fault, expected) in [
            (
                HubFault::Unauthenticated,
                "the hub does not accept the key of Secret team-a/oxen-api-key (401).",
            ),
            (
                HubFault::Unreachable("Connection refused.\x1b[2J".into()),
                "http://hub cannot be reached: Connection refused. [2J. Check --base-url and \
                 --proxy.",
            ),
            (
                HubFault::ModelNotFound(Vec::new()),
                "the hub knows no model \"bot [2J\" for the key of Secret team-a/oxen-api-key.",
            ),
            (
                limited(Some(Duration::from_millis(1500)), None),
                "the hub limits the rate of requests. Try again in 2s.",
            ),
            (
                limited(None, Some("slow down.")),
                "the hub limits the rate of requests: slow down. Try again later.",
            ),
            (
                HubFault::Unexpected("no JSON".into()),
                "the answer of http://hub can't be read: no JSON. Is it the hub's URL?",
            ),
        ] {
            assert_eq!(
                hub_fault(&fault, "http://hub", &key, Some("bot\x1b[2J")),
                expected
            );
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_told_with_its_code() {
        let response = Response {
            code: http::StatusCode::FORBIDDEN,
            headers: http::HeaderMap::new(),
            body: b"<html>no</html>".to_vec(),
        };
        let key = ApiKey::new(b"a-secret-key").unwrap();
        let fault = response.read("bot", &key, &Limits::default()).unwrap_err();
        assert_eq!(
            hub_fault(&fault, "http://hub", &Origin::Environment, None),
            "something other than the hub answered 403. Check --base-url and --proxy."
        );
    }
}
