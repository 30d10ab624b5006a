//! The handling of a request: the journal entry, the faults, the effect and the response.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, DATE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, sleep};

use crate::answer::json_response;
use crate::caller::Caller;
use crate::fault::Effect;
use crate::handle::Hub;
use crate::inference::requested_model;
use crate::journal::{Endpoint, Entry, Outcome};
use crate::server::Cut;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn handle(State(hub): State<Hub>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut entry = new_entry(&hub, &parts);
    if entry.endpoint == Endpoint::Completions {
        entry.inference = requested_model(body).await;
    }
    let mut pending = PendingRequest::new(hub, entry);
    let injected = pending
        .hub
        .state()
        .apply_faults(&pending.entry, Instant::now());
    pending.update(|entry| entry.faults = injected.names);
    delay(injected.before).await;
    let is_processed = injected
        .answer
        .as_ref()
        .is_none_or(|(effect, answer)| match effect {
            Effect::Before => answer.needs_normal_response(),
            Effect::After => true,
        });
    let normal = is_processed.then(|| pending.hub.state().process(&pending.entry, Instant::now()));
    if normal.as_ref().is_some_and(|normal| normal.effect) {
        pending.update(|entry| entry.effect = true);
    }
    delay(injected.after).await;
    let mut response = match (injected.answer, normal) {
        (Some((_, answer)), normal) => answer.respond(normal).await,
        (None, Some(normal)) => json_response(normal.status, &normal.body),
        (None, None) => Response::default(),
    };
    let offset = pending.hub.state().switches.clock_offset;
    if let Some(date) = date(offset).filter(|_| offset != 0) {
        response.headers_mut().insert(DATE, date);
    }
    pending.finish(&response);
    response
}

/// The `Date` of a clock that is ahead by this many seconds.
fn date(offset: i64) -> Option<HeaderValue> {
    let change = Duration::from_secs(offset.unsigned_abs());
    let now = SystemTime::now();
    let shown = if offset < 0 {
        now - change
    } else {
        now + change
    };
    HeaderValue::from_str(&httpdate::fmt_http_date(shown)).ok()
}

/// Sleeps for the latency. A latency of zero starts no timer, because a timer would advance a
/// paused clock.
async fn delay(latency: Duration) {
    if !latency.is_zero() {
        sleep(latency).await;
    }
}

fn new_entry(hub: &Hub, request: &Parts) -> Entry {
    let path = request.uri.path();
    let (endpoint, model) = route(&request.method, path);
    let header = |name: HeaderName| {
        request
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let key = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let caller = match key.and_then(|key| hub.state().keys.get(key).cloned()) {
        Some(accounts) => Caller::Accounts(accounts),
        None if request.headers.contains_key(AUTHORIZATION) => Caller::InvalidKey,
        None => Caller::WithoutKey,
    };
    let query = Query::<Vec<(String, String)>>::try_from_uri(&request.uri);
    Entry {
        seq: 0,
        at: Duration::ZERO,
        method: request.method.to_string(),
        path: path.to_owned(),
        model,
        inference: None,
        endpoint,
        query: query.map_or_else(
            |_| BTreeMap::new(),
            |Query(pairs)| pairs.into_iter().collect(),
        ),
        account: caller.accounts().first().cloned(),
        caller,
        key: key.map(fingerprint),
        user_agent: header(USER_AGENT).map(str::to_owned),
        request_id: header(REQUEST_ID).map(str::to_owned),
        faults: Vec::new(),
        effect: false,
        outcome: Outcome::Pending,
    }
}

/// Splits the path before it decodes the id, because a name may contain a slash.
fn route(method: &Method, path: &str) -> (Endpoint, Option<String>) {
    if method == Method::POST && path == "/api/ai/chat/completions" {
        return (Endpoint::Completions, None);
    }
    let Some(rest) = path.strip_prefix("/api/ai/models") else {
        return (Endpoint::Other, None);
    };
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    let (endpoint, id) = match (method.as_str(), segments.as_slice()) {
        ("GET", []) if rest.is_empty() => return (Endpoint::List, None),
        ("GET", ["search"]) => return (Endpoint::Search, None),
        ("GET", ["favorites"]) => return (Endpoint::Favorites, None),
        ("GET", ["featured"]) => return (Endpoint::Featured, None),
        ("GET", [id]) => (Endpoint::Retrieve, id),
        ("POST", [id, "activate"]) => (Endpoint::Activate, id),
        ("POST", [id, "deactivate"]) => (Endpoint::Deactivate, id),
        _ => return (Endpoint::Other, None),
    };
    match percent_decode_str(id).decode_utf8() {
        Ok(id) if !id.is_empty() => (endpoint, Some(id.into_owned())),
        Ok(_) | Err(_) => (Endpoint::Other, None),
    }
}

fn fingerprint(key: &str) -> String {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("{:08x}", hasher.finish() & 0xffff_ffff)
}

/// A request whose journal entry gets an outcome even if this value is dropped because the client
/// closed the connection.
struct PendingRequest {
    hub: Hub,
    entry: Entry,
}

impl PendingRequest {
    fn new(hub: Hub, entry: Entry) -> Self {
        let entry = hub.journal_entry(entry);
        Self { hub, entry }
    }

    fn update(&mut self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.entry);
        self.hub.journal_update(&self.entry);
    }

    fn finish(&mut self, response: &Response) {
        let cut = response.extensions().get::<Cut>().is_some();
        let outcome = if cut {
            Outcome::Cut
        } else {
            Outcome::Answered(response.status().as_u16())
        };
        self.update(|entry| entry.outcome = outcome);
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        if !self.entry.is_over() {
            self.update(|entry| entry.outcome = Outcome::Abandoned);
        }
    }
}
