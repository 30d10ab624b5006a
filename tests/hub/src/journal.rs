//! The journal of every request.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::http::Method;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;

/// The endpoint of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /api/ai/models`
    List,
    /// `GET /api/ai/models/search`
    Search,
    /// `GET /api/ai/models/favorites`
    Favorites,
    /// `GET /api/ai/models/featured`
    Featured,
    /// `GET /api/ai/models/:id`
    Retrieve,
    /// `POST /api/ai/models/:id/activate`
    Activate,
    /// `POST /api/ai/models/:id/deactivate`
    Deactivate,
    /// `POST /api/ai/chat/completions`
    Completions,
    /// Any other path or method.
    Other,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request has no outcome yet.
    Pending,
    /// The hub sent a response with this HTTP status code.
    Answered(u16),
    /// The hub closed the connection without a response.
    Cut,
    /// The client closed the connection, or the hub was stopped, before there was a response.
    Abandoned,
}

/// The journal's entry for one request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The sequence number. It starts at 1, and clearing the journal doesn't reset it.
    pub seq: u64,
    /// The time of arrival, in seconds since the hub's start.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// The HTTP method.
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The model's id in the path, percent-decoded.
    pub model: Option<String>,
    /// The model that a request for inference names in its body.
    pub inference: Option<String>,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The query parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// The account that the key belongs to, the first one if there are several, or none if the key
    /// is missing or invalid.
    pub account: Option<String>,
    #[serde(skip)]
    pub(crate) caller: Caller,
    /// A fingerprint of the key, but never the key itself, or none if the key is missing.
    pub key: Option<String>,
    /// The header `User-Agent`.
    pub user_agent: Option<String>,
    /// The header `X-Request-Id`.
    pub request_id: Option<String>,
    /// The faults that applied to the request.
    pub faults: Vec<String>,
    /// Whether the request started a transition of a deployment.
    pub effect: bool,
    /// The outcome of the request.
    pub outcome: Outcome,
}

impl Entry {
    /// Whether the request is a POST, other than one for inference, which isn't a call of the
    /// models API.
    #[must_use]
    pub fn is_post(&self) -> bool {
        self.method == Method::POST.as_str() && self.endpoint != Endpoint::Completions
    }

    /// Whether the request asks for the live status.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.query
            .get("deployment_status")
            .is_some_and(|status| status == "live")
    }

    /// The id in the path, or in the body of a request for inference.
    pub(crate) fn model_id(&self) -> Option<&String> {
        self.model.as_ref().or(self.inference.as_ref())
    }

    /// Whether the request has an outcome.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.outcome != Outcome::Pending
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_deref().unwrap_or("-");
        write!(
            f,
            "{:>4} {:>9.3}s {account} {} {}",
            self.seq,
            self.at.as_secs_f64(),
            self.method,
            self.path
        )?;
        for (i, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { '?' } else { '&' })?;
        }
        match self.outcome {
            Outcome::Pending => write!(f, " -> pending")?,
            Outcome::Answered(status) => write!(f, " -> {status}")?,
            Outcome::Cut => write!(f, " -> cut")?,
            Outcome::Abandoned => write!(f, " -> abandoned")?,
        }
        if self.effect {
            write!(f, ", took effect")?;
        }
        if !self.faults.is_empty() {
            write!(f, ", faults: {}", self.faults.join("; "))?;
        }
        Ok(())
    }
}

/// The requests since the hub's start, or since the journal was cleared, in order of arrival.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Journal {
    /// The requests.
    pub entries: Vec<Entry>,
    #[serde(skip)]
    last: u64,
}

impl Journal {
    /// Returns every POST, other than those for inference.
    #[must_use]
    pub fn posts(&self) -> Vec<&Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.is_post())
            .collect()
    }

    /// Returns every POST whose path has exactly this id. A model's name and its UUID are different
    /// ids.
    #[must_use]
    pub fn posts_for(&self, model: &str) -> Vec<&Entry> {
        self.posts()
            .into_iter()
            .filter(|entry| entry.model.as_deref() == Some(model))
            .collect()
    }

    /// Counts the requests to this endpoint whose path has exactly this id.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint, model: &str) -> usize {
        let matches =
            |entry: &&Entry| entry.endpoint == endpoint && entry.model.as_deref() == Some(model);
        self.entries.iter().filter(matches).count()
    }

    /// Counts the requests to this endpoint.
    #[must_use]
    pub fn count_all(&self, endpoint: Endpoint) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.endpoint == endpoint)
            .count()
    }

    /// Adds an entry, and returns its sequence number.
    pub(crate) fn add(&mut self, entry: &Entry) -> u64 {
        self.last += 1;
        self.entries.push(Entry {
            seq: self.last,
            ..entry.clone()
        });
        self.last
    }

    /// Replaces the entry with the same sequence number, unless it was cleared.
    pub(crate) fn update(&mut self, entry: &Entry) {
        if let Some(old) = self.entries.iter_mut().rfind(|old| old.seq == entry.seq) {
            old.clone_from(entry);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The error of a test that waited too long for a state of the journal.
#[derive(Clone, thiserror::Error)]
#[error("the hub's journal didn't reach the expected state within {}; it has {} requests{}",
    humantime::format_duration(*.deadline), .journal.entries.len(), tail(.journal))]
pub struct TimedOut {
    /// The time that the test waited.
    pub deadline: Duration,
    /// The journal at the deadline.
    pub journal: Journal,
}

// A test that unwraps the error prints the debug form, which has to be readable.
impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The last entries, one per line.
fn tail(journal: &Journal) -> String {
    let from = journal.entries.len().saturating_sub(20);
    journal.entries[from..]
        .iter()
        .map(|entry| format!("\n{entry}"))
        .collect()
}

fn seconds<S: serde::Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((at.as_secs_f64() * 1000.0).round() / 1000.0)
}
