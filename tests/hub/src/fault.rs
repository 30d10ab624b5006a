//! Faults on demand: which requests they strike, how often, and before or after the effect.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Answer;
use crate::journal::{Endpoint, Entry};
use crate::model::Model;

/// Whether a fault comes before the hub has done what it was asked, so that it never does, or after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing is done.
    #[default]
    Before,
    /// It is done, and then the fault strikes.
    After,
}

/// A fault, built in a chain: `Fault::status(503).on(Endpoint::Activate).times(2)`.
///
/// It strikes before the effect, every request, until cleared, unless said otherwise. The first fault that
/// matches gives the answer; one behind it that would answer too keeps its turns. A fault of latency alone
/// always strikes, and latencies add up.
///
/// In JSON, for `POST /_hub/faults`:
///
/// ```json
/// {"model": "my-bot", "endpoint": "activate", "times": 2, "effect": "after", "latency": "2s",
///  "answer": {"status": {"code": 503, "headers": {"retry-after": "5"}, "body": {"error": "busy"}}}}
/// ```
///
/// where every field may be left out, and the other answers are `"cut"`, `"cut_in_body"`, `"hang"`,
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
    /// A fault with this answer.
    #[must_use]
    pub fn new(answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            ..Self::default()
        }
    }

    /// Another body for an answer with a status code.
    #[must_use]
    pub fn body(mut self, new: Value) -> Self {
        if let Some(Answer::Status { body, .. }) = &mut self.answer {
            *body = new;
        }
        self
    }

    /// A header for an answer with a status code.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(Answer::Status { headers, .. }) = &mut self.answer {
            headers.insert(name.into(), value.into());
        }
        self
    }

    /// `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header("retry-after", &wait.as_secs().to_string())
    }

    /// `Retry-After` as an HTTP date, which has whole seconds only.
    #[must_use]
    pub fn retry_after_date(self, at: SystemTime) -> Self {
        self.header("retry-after", &httpdate::fmt_http_date(at))
    }

    /// Only requests for this model: its name or UUID, whichever of them the path has; or any text, for a
    /// model that is not there.
    #[must_use]
    pub fn on_model(mut self, model: &str) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Only requests to this endpoint.
    #[must_use]
    pub fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Only requests with this account's keys.
    #[must_use]
    pub fn on_account(mut self, account: &str) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Only so many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets so many requests pass first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The fault strikes once the hub has done what it was asked.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.effect = Effect::After;
        self
    }

    /// This late, too: before the effect, or after it.
    #[must_use]
    pub fn delayed(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    pub(crate) fn matches(&self, entry: &Entry, target: Option<&Model>) -> bool {
        let model = |id: &String| {
            entry.model.as_ref() == Some(id) || target.is_some_and(|model| model.called(id))
        };
        self.model.as_ref().is_none_or(model)
            && self
                .endpoint
                .is_none_or(|endpoint| endpoint == entry.endpoint)
            && self
                .account
                .as_ref()
                .is_none_or(|account| entry.account.as_ref() == Some(account))
    }

    /// Adds what this fault does, unless it lets the request pass or another one answers already.
    pub(crate) fn strike(&mut self, injected: &mut Injected) {
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

    pub(crate) fn is_spent(&self) -> bool {
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

/// What the faults together do to one request.
#[derive(Default)]
pub(crate) struct Injected {
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) answer: Option<(Effect, Answer)>,
    pub(crate) names: Vec<String>,
}

/// Durations as people write them.
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
