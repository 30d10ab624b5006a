//! The state of the hub, and the endpoints and errors of the reference.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::deployment::Operation;
use crate::fault::{Fault, Injected};
use crate::journal::{Endpoint, Entry};
use crate::limit::Limit;
use crate::model::{Delays, Model};

/// The error for an id that no model of the simulator has as its name or UUID.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the simulated hub has no model {0:?}")]
pub struct NoSuchModel(pub String);

pub(crate) struct HubState {
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) models: Vec<Model>,
    pub(crate) delays: Delays,
    pub(crate) limit: Option<Limit>,
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
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            effect: false,
        }
    }

    fn error(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            body: json!({ "error": message.into() }),
            effect: false,
        }
    }

    fn not_found(id: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, format!("Model not found: {id}"))
    }
}

impl HubState {
    /// Finds a model of any account by name or UUID. If several accounts have a model of that name,
    /// the oldest is returned.
    pub(crate) fn model(&mut self, id: &str) -> Result<&mut Model, NoSuchModel> {
        let found = self.models.iter_mut().find(|model| model.has_id(id));
        found.ok_or_else(|| NoSuchModel(id.to_owned()))
    }

    /// Adds a model, in place of an earlier one with the same owner and name.
    pub(crate) fn insert(&mut self, model: Model) {
        self.models
            .retain(|old| (old.name(), old.owned_by()) != (model.name(), model.owned_by()));
        self.models.push(model);
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
        let target = models.iter().find(|model| is_target(model, entry));
        let mut injected = Injected::default();
        for (_, fault) in faults.iter_mut() {
            if fault.matches(entry, target) {
                fault.apply(&mut injected);
            }
        }
        faults.retain(|(_, fault)| !fault.is_used_up());
        injected
    }

    /// Processes a request as the reference describes, without faults.
    pub(crate) fn process(&mut self, entry: &Entry, now: Instant) -> NormalResponse {
        let Some(account) = &entry.account else {
            return NormalResponse::error(StatusCode::UNAUTHORIZED, "unauthenticated");
        };
        match entry.endpoint {
            Endpoint::List => self.list(account, &entry.query),
            Endpoint::Search => self.search(account, &entry.query),
            Endpoint::Retrieve => self.retrieve(entry, now),
            Endpoint::Activate => self.post(entry, Operation::Activate, now),
            Endpoint::Deactivate => self.post(entry, Operation::Deactivate, now),
            Endpoint::Other => NormalResponse::error(StatusCode::NOT_FOUND, "Not found"),
        }
    }

    fn list(&self, account: &str, query: &BTreeMap<String, String>) -> NormalResponse {
        let filter = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let developer = filter("developer_name").map(|name| name.to_lowercase());
        let action = filter("action");
        self.matching_models(account, |model| {
            let name = model.field("developer")["name"]
                .as_str()
                .map(str::to_lowercase);
            let actions = model.field("fine_tuning")["actions"].as_array();
            let offers =
                |action: &String| actions.is_some_and(|all| all.iter().any(|one| one == action));
            (developer.is_none() || developer == name) && action.is_none_or(offers)
        })
    }

    fn search(&self, account: &str, query: &BTreeMap<String, String>) -> NormalResponse {
        let Some(text) = query.get("search").filter(|text| !text.is_empty()) else {
            return NormalResponse::error(
                StatusCode::BAD_REQUEST,
                "Missing required parameter: search",
            );
        };
        let text = text.to_lowercase();
        self.matching_models(account, |model| {
            let display_name = model.field("display_name").as_str().unwrap_or_default();
            [model.name(), display_name]
                .iter()
                .any(|name| name.to_lowercase().contains(&text))
        })
    }

    fn matching_models(&self, account: &str, matches: impl Fn(&Model) -> bool) -> NormalResponse {
        let models = self
            .models
            .iter()
            .filter(|model| model.visible_to(account) && matches(model));
        let data: Vec<Value> = models.map(|model| model.object(false)).collect();
        NormalResponse::ok(json!({ "object": "list", "data": data }))
    }

    fn retrieve(&mut self, entry: &Entry, now: Instant) -> NormalResponse {
        let Some(model) = self.target(entry) else {
            return NormalResponse::not_found(entry.model.as_deref().unwrap_or_default());
        };
        if entry.is_live() {
            model.refresh(now);
        }
        NormalResponse::ok(model.object(true))
    }

    fn post(&mut self, entry: &Entry, operation: Operation, now: Instant) -> NormalResponse {
        let delays = self.delays;
        let Some(model) = self.target(entry) else {
            return NormalResponse::not_found(entry.model.as_deref().unwrap_or_default());
        };
        if model.is_base() {
            let message = format!("Base models are always active: {}", model.name());
            return NormalResponse::error(StatusCode::UNPROCESSABLE_ENTITY, message);
        }
        if !model.has_deployments() {
            let message = format!("Model has no deployments: {}", model.name());
            return NormalResponse::error(StatusCode::UNPROCESSABLE_ENTITY, message);
        }
        let effect = model.start(operation, delays, now);
        NormalResponse {
            effect,
            ..NormalResponse::ok(model.object(false))
        }
    }

    /// Finds the model that the path names, if the request's key can see it.
    fn target(&mut self, entry: &Entry) -> Option<&mut Model> {
        self.models.iter_mut().find(|model| is_target(model, entry))
    }
}

fn is_target(model: &Model, entry: &Entry) -> bool {
    let id = entry.model.as_deref();
    let account = entry.account.as_deref();
    id.is_some_and(|id| model.has_id(id))
        && account.is_some_and(|account| model.visible_to(account))
}
