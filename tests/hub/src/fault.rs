//! Faults on demand: the requests that they apply to, how often, and before or after the effect.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::journal::{Endpoint, Entry};
use crate::model::Model;

/// Whether a fault applies before or after the hub has processed the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The fault applies first. If it has an answer, the request has no effect. The exceptions are
    /// [`Answer::Shows`] and [`Answer::Patch`], which are based on the normal response.
    #[default]
    Before,
    /// The request takes effect, and then the fault applies.
    After,
}

/// A fault, built in a chain: `Fault::status(503).on(Endpoint::Activate).times(2)`.
///
/// By default a fault applies to every request, before the effect, until it is cleared. If several
/// faults with an answer match a request, only the first of them applies, and the request doesn't
/// count for the `skip` and `times` of the others. A fault that only adds latency always applies;
/// the latencies add up.
///
/// The JSON of a fault, for `POST /_hub/faults`, is:
///
/// ```json
/// {"model": "my-bot", "endpoint": "activate", "times": 2, "effect": "after", "latency": "2s",
///  "answer": {"status": {"code": 503, "headers": {"retry-after": "5"},
///                        "body": {"error": "busy"}}}}
/// ```
///
/// Every field is optional. The other answers are `"cut"`, `"cut_in_body"`, `"hang"`,
/// `{"huge": {"bytes": 5000000}}`, `{"shows": "paused"}` and `{"patch": {"owned_by": "other"}}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    model: Option<String>,
    endpoint: Option<Endpoint>,
    account: Option<String>,
    skip: u32,
    times: Option<u32>,
    effect: Effect,
    #[serde(with = "duration")]
    latency: Duration,
    answer: Option<Answer>,
}

impl Fault {
    /// Creates a fault with this answer.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            ..Self::default()
        }
    }

    /// Sets the body, if the answer is a status code.
    #[must_use]
    pub fn body(mut self, new: Value) -> Self {
        if let Some(Answer::Status { body, .. }) = &mut self.answer {
            *body = new;
        }
        self
    }

    /// Adds a header, if the answer is a status code.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(Answer::Status { headers, .. }) = &mut self.answer {
            headers.insert(name.into(), value.into());
        }
        self
    }

    /// Adds a `Retry-After` header in seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header("retry-after", &wait.as_secs().to_string())
    }

    /// Adds a `Retry-After` header as an HTTP date, which has a resolution of one second.
    #[must_use]
    pub fn retry_after_date(self, at: SystemTime) -> Self {
        self.header("retry-after", &httpdate::fmt_http_date(at))
    }

    /// Restricts the fault to requests for this model. The name and the UUID of an existing model
    /// match requests with either of them; any other text matches requests with the same text. A
    /// request for inference is for the model that its body names.
    #[must_use]
    pub fn on_model(mut self, model: &str) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Restricts the fault to requests to this endpoint.
    #[must_use]
    pub fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Restricts the fault to requests with the keys of this account.
    #[must_use]
    pub fn on_account(mut self, account: &str) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Limits the fault to this number of requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Exempts this number of matching requests before the fault applies for the first time.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Sets [`Effect::After`]: the fault applies after the request has taken effect.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.effect = Effect::After;
        self
    }

    /// Adds latency: before the effect, or after it with [`Self::after_effect`].
    #[must_use]
    pub fn delayed(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    pub(crate) fn matches(&self, entry: &Entry, target: Option<&Model>) -> bool {
        let model = |id: &String| {
            entry.model_id() == Some(id) || target.is_some_and(|model| model.has_id(id))
        };
        self.model.as_ref().is_none_or(model)
            && self
                .endpoint
                .is_none_or(|endpoint| endpoint == entry.endpoint)
            && self
                .account
                .as_ref()
                .is_none_or(|account| entry.caller.accounts().contains(account))
    }

    /// Adds this fault to those that apply to a request, unless the request is exempt or another
    /// fault already provides the answer.
    pub(crate) fn apply(&mut self, injected: &mut Injected) {
        if self.answer.is_some() && injected.answer.is_some() {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.times = self.times.map(|times| times.saturating_sub(1));
        injected.names.push(self.to_string());
        match self.effect {
            Effect::Before => injected.before += self.latency,
            Effect::After => injected.after += self.latency,
        }
        if let Some(answer) = &self.answer {
            injected.answer = Some((self.effect, answer.clone()));
        }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.times == Some(0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = humantime::format_duration(self.latency);
        match &self.answer {
            None => write!(f, "latency {latency}")?,
            Some(answer) if self.latency.is_zero() => write!(f, "{answer}")?,
            Some(answer) => write!(f, "latency {latency}, {answer}")?,
        }
        match self.effect {
            Effect::Before => Ok(()),
            Effect::After => write!(f, " after the effect"),
        }
    }
}

/// The combination of all faults that apply to one request.
#[derive(Default)]
pub(crate) struct Injected {
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) answer: Option<(Effect, Answer)>,
    pub(crate) names: Vec<String>,
}

/// Durations in a form such as `2s`.
mod duration {
    use super::{Deserialize, Duration};

    pub(super) fn serialize<S: serde::Serializer>(
        duration: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}
