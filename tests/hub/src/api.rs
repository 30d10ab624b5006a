//! A request's way: into the journal, through the faults, to its effect and its answer.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::header::{AUTHORIZATION, USER_AGENT};
use axum::http::{HeaderName, Method};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, sleep};

use crate::answer::json_response;
use crate::fault::Effect;
use crate::handle::Hub;
use crate::journal::{Endpoint, Entry, Outcome};
use crate::server::Cut;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn handle(State(hub): State<Hub>, request: Request) -> Response {
    let entry = read(&hub, &request);
    let mut open = Open::new(hub, entry);
    let injected = open.hub.world().strike(&open.entry, Instant::now());
    open.change(|entry| entry.faults = injected.names);
    wait(injected.before).await;
    let takes_place = injected
        .answer
        .as_ref()
        .is_none_or(|(effect, answer)| match effect {
            Effect::Before => answer.needs_truth(),
            Effect::After => true,
        });
    let truth = takes_place.then(|| open.hub.world().answer(&open.entry, Instant::now()));
    if truth.as_ref().is_some_and(|truth| truth.effect) {
        open.change(|entry| entry.effect = true);
    }
    wait(injected.after).await;
    let response = match (injected.answer, truth) {
        (Some((_, answer)), truth) => answer.respond(truth).await,
        (None, Some(truth)) => json_response(truth.status, &truth.body),
        (None, None) => Response::default(),
    };
    open.close(&response);
    response
}

/// Without a timer where there is nothing to wait for, so that a paused clock stays where it is.
async fn wait(latency: Duration) {
    if !latency.is_zero() {
        sleep(latency).await;
    }
}

fn read(hub: &Hub, request: &Request) -> Entry {
    let path = request.uri().path();
    let (endpoint, model) = route(request.method(), path);
    let header = |name: HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let key = header(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    Entry {
        seq: 0,
        at: Duration::ZERO,
        method: request.method().to_string(),
        path: path.to_owned(),
        model,
        endpoint,
        query: query.map_or_else(
            |_| BTreeMap::new(),
            |Query(pairs)| pairs.into_iter().collect(),
        ),
        account: key.and_then(|key| hub.world().keys.get(key).cloned()),
        key: key.map(fingerprint),
        user_agent: header(USER_AGENT).map(str::to_owned),
        request_id: header(REQUEST_ID).map(str::to_owned),
        faults: Vec::new(),
        effect: false,
        outcome: Outcome::Pending,
    }
}

/// The id is one segment of the path as it came, and is decoded only then: so a name may hold a slash.
fn route(method: &Method, path: &str) -> (Endpoint, Option<String>) {
    let Some(rest) = path.strip_prefix("/api/ai/models") else {
        return (Endpoint::Other, None);
    };
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    let (endpoint, id) = match (method.as_str(), segments.as_slice()) {
        ("GET", []) if rest.is_empty() => return (Endpoint::List, None),
        ("GET", ["search"]) => return (Endpoint::Search, None),
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

/// A request in the journal that must come to an end there, even when its client gives up and this is dropped.
struct Open {
    hub: Hub,
    entry: Entry,
}

impl Open {
    fn new(hub: Hub, entry: Entry) -> Self {
        let entry = hub.journal_entry(entry);
        Self { hub, entry }
    }

    fn change(&mut self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.entry);
        self.hub.journal_update(&self.entry);
    }

    fn close(&mut self, response: &Response) {
        let cut = response.extensions().get::<Cut>().is_some();
        let outcome = if cut {
            Outcome::Cut
        } else {
            Outcome::Answered(response.status().as_u16())
        };
        self.change(|entry| entry.outcome = outcome);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.entry.is_over() {
            self.change(|entry| entry.outcome = Outcome::Abandoned);
        }
    }
}
