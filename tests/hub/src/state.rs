//! The state of the hub, the endpoints of the models API, and their errors.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::deployment::Operation;
use crate::error;
use crate::fault::{Fault, Injected};
use crate::journal::{Endpoint, Entry};
use crate::limit::Limit;
use crate::model::{Delays, Model};
use crate::models::Models;
use crate::switches::Switches;

/// The error for an id that no model of the simulator has as its name or UUID.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the simulated hub has no model {0:?}")]
pub struct NoSuchModel(pub String);

pub(crate) struct HubState {
    /// The accounts of each key.
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    pub(crate) models: Models,
    pub(crate) delays: Delays,
    pub(crate) limit: Option<Limit>,
    pub(crate) switches: Switches,
    pub(crate) faults: Vec<(u64, Fault)>,
    pub(crate) last_fault: u64,
}

/// The response that the hub sends if no fault replaces it.
pub(crate) struct NormalResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Whether the request started a transition of a deployment.
    pub(crate) effect: bool,
}

impl NormalResponse {
    pub(crate) fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    pub(crate) fn error(status: StatusCode, detail: &str) -> Self {
        Self::new(status, error::body(status, detail))
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::error(StatusCode::UNAUTHORIZED, "unauthenticated")
    }

    fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body,
            effect: false,
        }
    }
}

impl HubState {
    /// Finds a model of any account by name or UUID. If several accounts have a model of that name,
    /// the oldest is returned.
    pub(crate) fn model(&mut self, id: &str) -> Result<&mut Model, NoSuchModel> {
        let position = self.position(id)?;
        let model = self.models.get_mut(position);
        model.turn_off_if_idle(self.switches.idle_timeout, Instant::now());
        Ok(model)
    }

    /// The position of the model that [`Self::model`] finds.
    pub(crate) fn position(&self, id: &str) -> Result<usize, NoSuchModel> {
        let position = self.models.oldest(id);
        position.ok_or_else(|| NoSuchModel(id.to_owned()))
    }

    /// Turns off all models that were active without a request for the time-out. It has to run
    /// before the time-out changes. A single model is turned off when its status is read.
    pub(crate) fn turn_off_idle_models(&mut self, now: Instant) {
        let timeout = self.switches.idle_timeout;
        self.models
            .iter_mut()
            .for_each(|model| model.turn_off_if_idle(timeout, now));
    }

    /// Returns the combination of the faults that apply to this request, and removes those that are
    /// used up.
    pub(crate) fn apply_faults(&mut self, entry: &Entry, now: Instant) -> Injected {
        if let Some(injected) = self
            .limit
            .as_mut()
            .and_then(|limit| limit.check(entry, now))
        {
            return injected;
        }
        let Self { models, faults, .. } = self;
        let target = target(models, entry).map(|position| models.get(position));
        let mut injected = Injected::default();
        for (_, fault) in faults.iter_mut() {
            if fault.matches(entry, target) {
                fault.apply(&mut injected);
            }
        }
        faults.retain(|(_, fault)| !fault.is_used_up());
        injected
    }

    /// Processes a request without faults.
    pub(crate) fn process(&mut self, entry: &Entry, now: Instant) -> NormalResponse {
        let timeout = self.switches.idle_timeout;
        if let Some(model) = self.target(entry) {
            model.turn_off_if_idle(timeout, now);
        }
        match entry.caller {
            Caller::InvalidKey if !self.switches.invalid_key_is_none => {
                return NormalResponse::unauthenticated();
            }
            Caller::InvalidKey | Caller::WithoutKey | Caller::Accounts(_) => {}
        }
        match entry.endpoint {
            Endpoint::List => self.list(entry),
            Endpoint::Search => self.search(entry),
            Endpoint::Favorites => self.favorites(entry),
            Endpoint::Featured => self.matching_models(entry, Model::is_featured),
            Endpoint::Retrieve => self.retrieve(entry, now),
            Endpoint::Activate => self.post(entry, Operation::Activate, now),
            Endpoint::Deactivate => self.post(entry, Operation::Deactivate, now),
            Endpoint::Completions => self.complete(entry, now),
            Endpoint::Other => {
                NormalResponse::new(StatusCode::NOT_FOUND, json!({ "error": "Not found" }))
            }
        }
    }

    /// The error for a model that doesn't exist, or that the request's key can't see.
    pub(crate) fn not_found(&self, entry: &Entry) -> NormalResponse {
        let id = entry.model_id().map_or("", String::as_str);
        let words = format!("Model not found: {id}");
        if self.switches.not_found_as_message {
            NormalResponse::new(StatusCode::NOT_FOUND, error::message_body(&words))
        } else {
            NormalResponse::error(StatusCode::NOT_FOUND, &words)
        }
    }

    fn list(&self, entry: &Entry) -> NormalResponse {
        let filter = |name: &str| entry.query.get(name).filter(|value| !value.is_empty());
        let provider = filter("provider_name").map(|name| name.to_lowercase());
        let developer = filter("developer_name").map(|name| name.to_lowercase());
        let action = filter("action");
        self.matching_models(entry, |model| {
            let name = model.field("developer")["name"]
                .as_str()
                .map(str::to_lowercase);
            let actions = model.field("fine_tuning")["actions"].as_array();
            let offers =
                |action: &String| actions.is_some_and(|all| all.iter().any(|one| one == action));
            let provides = |name: &String| model.provider_name().to_lowercase() == *name;
            provider.as_ref().is_none_or(provides)
                && (developer.is_none() || developer == name)
                && action.is_none_or(offers)
        })
    }

    fn search(&self, entry: &Entry) -> NormalResponse {
        let Some(text) = entry.query.get("search").filter(|text| !text.is_empty()) else {
            return NormalResponse::error(
                StatusCode::BAD_REQUEST,
                "Missing required parameter: search",
            );
        };
        let text = text.to_lowercase();
        self.matching_models(entry, |model| {
            let display_name = model.field("display_name").as_str().unwrap_or_default();
            [model.name(), display_name]
                .iter()
                .any(|name| name.to_lowercase().contains(&text))
        })
    }

    fn favorites(&self, entry: &Entry) -> NormalResponse {
        let has_account = !entry.caller.accounts().is_empty();
        self.matching_models(entry, |model| has_account && model.is_favorite())
    }

    fn matching_models(&self, entry: &Entry, matches: impl Fn(&Model) -> bool) -> NormalResponse {
        let models = self
            .models
            .iter()
            .filter(|model| entry.caller.precedence(model).is_some() && matches(model));
        let data: Vec<Value> = models.map(|model| model.object(self.switches)).collect();
        NormalResponse::ok(json!({ "object": "list", "data": data }))
    }

    fn retrieve(&mut self, entry: &Entry, now: Instant) -> NormalResponse {
        let switches = self.switches;
        let Some(model) = self.target(entry) else {
            return self.not_found(entry);
        };
        if entry.is_live() {
            model.refresh(now);
        }
        NormalResponse::ok(model.object(switches))
    }

    fn post(&mut self, entry: &Entry, operation: Operation, now: Instant) -> NormalResponse {
        let (delays, switches) = (self.delays, self.switches);
        let Some(model) = self.target(entry) else {
            return self.not_found(entry);
        };
        if entry.caller.accounts().is_empty() {
            return NormalResponse::unauthenticated();
        }
        if model.is_base() {
            let detail = format!("Base models are always active: {}", model.name());
            return NormalResponse::error(StatusCode::UNPROCESSABLE_ENTITY, &detail);
        }
        if !entry.caller.owns(model) {
            let detail = format!("Model belongs to another account: {}", model.name());
            return NormalResponse::error(StatusCode::FORBIDDEN, &detail);
        }
        if !model.has_deployments() {
            let detail = format!("Model has no deployments: {}", model.name());
            return NormalResponse::error(StatusCode::UNPROCESSABLE_ENTITY, &detail);
        }
        let effect = model.start(operation, delays, now);
        NormalResponse {
            effect,
            ..NormalResponse::ok(model.object(switches))
        }
    }

    /// Finds the model that the request names, if its key can see it.
    pub(crate) fn target(&mut self, entry: &Entry) -> Option<&mut Model> {
        let position = target(&self.models, entry)?;
        Some(self.models.get_mut(position))
    }
}

fn target(models: &Models, entry: &Entry) -> Option<usize> {
    models.visible(&entry.caller, entry.model_id()?)
}
