//! The journal of every request.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// The endpoints of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /api/ai/models`
    List,
    /// `GET /api/ai/models/search`
    Search,
    /// `GET /api/ai/models/:id`
    Retrieve,
    /// `POST /api/ai/models/:id/activate`
    Activate,
    /// `POST /api/ai/models/:id/deactivate`
    Deactivate,
    /// Anything else.
    Other,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not yet been answered.
    Pending,
    /// It was answered with this HTTP status.
    Answered(u16),
    /// The connection was cut.
    Cut,
    /// The client gave up, or the hub was stopped.
    Abandoned,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Counts from 1, and goes on counting when the journal is cleared.
    pub seq: u64,
    /// When it came, from the hub's start, in seconds.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// The HTTP method.
    pub method: String,
    /// The path as it came.
    pub path: String,
    /// The model's id in the path, decoded.
    pub model: Option<String>,
    /// Which endpoint it is.
    pub endpoint: Endpoint,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// The account that the key belongs to; none where the key is missing or not valid.
    pub account: Option<String>,
    /// A fingerprint of the key, never the key; none where no key came.
    pub key: Option<String>,
    /// The client's own name.
    pub user_agent: Option<String>,
    /// The client's name for the request, in `X-Request-Id`.
    pub request_id: Option<String>,
    /// The faults that struck it.
    pub faults: Vec<String>,
    /// Whether it changed a deployment's course.
    pub effect: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl Entry {
    /// Whether it is a POST.
    #[must_use]
    pub fn is_post(&self) -> bool {
        self.method == Method::POST.as_str()
    }

    /// Whether it asks for the live status.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.query
            .get("deployment_status")
            .is_some_and(|status| status == "live")
    }

    /// Whether its answer has gone out, or it has ended without one.
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
            write!(f, ", by fault: {}", self.faults.join("; "))?;
        }
        Ok(())
    }
}

/// What came since the start, or since the journal was cleared, in order of arrival.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Journal {
    /// The requests.
    pub entries: Vec<Entry>,
    #[serde(skip)]
    last: u64,
}

impl Journal {
    /// Every POST.
    #[must_use]
    pub fn posts(&self) -> Vec<&Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.is_post())
            .collect()
    }

    /// Every POST whose path names this model, by just this text.
    #[must_use]
    pub fn posts_for(&self, model: &str) -> Vec<&Entry> {
        self.posts()
            .into_iter()
            .filter(|entry| entry.model.as_deref() == Some(model))
            .collect()
    }

    /// How many requests to this endpoint named this model.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint, model: &str) -> usize {
        let named =
            |entry: &&Entry| entry.endpoint == endpoint && entry.model.as_deref() == Some(model);
        self.entries.iter().filter(named).count()
    }

    /// How many requests came to this endpoint.
    #[must_use]
    pub fn count_all(&self, endpoint: Endpoint) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.endpoint == endpoint)
            .count()
    }

    /// Adds an entry, and answers with the number it was given.
    pub(crate) fn open(&mut self, entry: &Entry) -> u64 {
        self.last += 1;
        self.entries.push(Entry {
            seq: self.last,
            ..entry.clone()
        });
        self.last
    }

    /// An entry that was cleared in the meantime stays so.
    pub(crate) fn update(&mut self, entry: &Entry) {
        if let Some(old) = self.entries.iter_mut().rfind(|old| old.seq == entry.seq) {
            old.clone_from(entry);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The journal did not come to say what a test waited for.
#[derive(Clone, thiserror::Error)]
#[error("the hub's journal did not come to say it within {}; it holds {} requests{}", 
    humantime::format_duration(*.deadline), .journal.entries.len(), tail(.journal))]
pub struct TimedOut {
    /// How long it waited.
    pub deadline: Duration,
    /// The journal at the end.
    pub journal: Journal,
}

/// As it displays, because that is what a test that unwraps it prints.
impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The last lines, each on a line of its own.
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
