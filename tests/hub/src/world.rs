//! What the hub knows, and what it answers: the reference's endpoints and errors.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::deployment::Direction;
use crate::fault::{Fault, Injected};
use crate::journal::{Endpoint, Entry};
use crate::limit::Limit;
use crate::model::{Delays, Model};

/// No model of the simulator has this name or UUID.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the simulated hub has no model {0:?}")]
pub struct NoSuchModel(pub String);

pub(crate) struct World {
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) models: Vec<Model>,
    pub(crate) delays: Delays,
    pub(crate) limit: Option<Limit>,
    pub(crate) faults: Vec<(u64, Fault)>,
    pub(crate) last_fault: u64,
}

/// The answer as it is before any fault.
pub(crate) struct Truth {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Whether a deployment's course was changed.
    pub(crate) effect: bool,
}

impl Truth {
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            effect: false,
        }
    }

    fn error(status: StatusCode, words: impl Into<String>) -> Self {
        Self {
            status,
            body: json!({ "error": words.into() }),
            effect: false,
        }
    }

    fn not_found(id: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, format!("Model not found: {id}"))
    }
}

impl World {
    /// Any account's model, by name or UUID; the first where several accounts have one of that name.
    pub(crate) fn model(&mut self, id: &str) -> Result<&mut Model, NoSuchModel> {
        let found = self.models.iter_mut().find(|model| model.called(id));
        found.ok_or_else(|| NoSuchModel(id.to_owned()))
    }

    /// Takes the place of the owner's model of that name.
    pub(crate) fn put(&mut self, model: Model) {
        self.models
            .retain(|old| (old.name(), old.owned_by()) != (model.name(), model.owned_by()));
        self.models.push(model);
    }

    /// The faults that strike this request, each a turn nearer to its end.
    pub(crate) fn strike(&mut self, entry: &Entry, now: Instant) -> Injected {
        if let Some(injected) = self
            .limit
            .as_mut()
            .and_then(|limit| limit.strike(entry, now))
        {
            return injected;
        }
        let Self { models, faults, .. } = self;
        let target = models.iter().find(|model| called(model, entry));
        let mut injected = Injected::default();
        for (_, fault) in faults.iter_mut() {
            if fault.matches(entry, target) {
                fault.strike(&mut injected);
            }
        }
        faults.retain(|(_, fault)| !fault.is_spent());
        injected
    }

    pub(crate) fn answer(&mut self, entry: &Entry, now: Instant) -> Truth {
        let Some(account) = &entry.account else {
            return Truth::error(StatusCode::UNAUTHORIZED, "unauthenticated");
        };
        match entry.endpoint {
            Endpoint::List => self.list(account, &entry.query),
            Endpoint::Search => self.search(account, &entry.query),
            Endpoint::Retrieve => self.retrieve(entry, now),
            Endpoint::Activate => self.post(entry, Direction::Activate, now),
            Endpoint::Deactivate => self.post(entry, Direction::Deactivate, now),
            Endpoint::Other => Truth::error(StatusCode::NOT_FOUND, "Not found"),
        }
    }

    fn list(&self, account: &str, query: &BTreeMap<String, String>) -> Truth {
        let asked = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let developer = asked("developer_name").map(|name| name.to_lowercase());
        let action = asked("action");
        self.some(account, |model| {
            let name = model.field("developer")["name"]
                .as_str()
                .map(str::to_lowercase);
            let actions = model.field("fine_tuning")["actions"].as_array();
            let offers =
                |action: &String| actions.is_some_and(|all| all.iter().any(|one| one == action));
            (developer.is_none() || developer == name) && action.is_none_or(offers)
        })
    }

    fn search(&self, account: &str, query: &BTreeMap<String, String>) -> Truth {
        let Some(words) = query.get("search").filter(|words| !words.is_empty()) else {
            return Truth::error(
                StatusCode::BAD_REQUEST,
                "Missing required parameter: search",
            );
        };
        let words = words.to_lowercase();
        self.some(account, |model| {
            let display_name = model.field("display_name").as_str().unwrap_or_default();
            [model.name(), display_name]
                .iter()
                .any(|name| name.to_lowercase().contains(&words))
        })
    }

    fn some(&self, account: &str, wanted: impl Fn(&Model) -> bool) -> Truth {
        let models = self
            .models
            .iter()
            .filter(|model| model.visible_to(account) && wanted(model));
        let data: Vec<Value> = models.map(|model| model.object(false)).collect();
        Truth::ok(json!({ "object": "list", "data": data }))
    }

    fn retrieve(&mut self, entry: &Entry, now: Instant) -> Truth {
        let Some(model) = self.target(entry) else {
            return Truth::not_found(entry.model.as_deref().unwrap_or_default());
        };
        if entry.is_live() {
            model.refresh(now);
        }
        Truth::ok(model.object(true))
    }

    fn post(&mut self, entry: &Entry, direction: Direction, now: Instant) -> Truth {
        let delays = self.delays;
        let Some(model) = self.target(entry) else {
            return Truth::not_found(entry.model.as_deref().unwrap_or_default());
        };
        if model.is_base() {
            let words = format!("Base models are always active: {}", model.name());
            return Truth::error(StatusCode::UNPROCESSABLE_ENTITY, words);
        }
        if !model.has_deployments() {
            let words = format!("Model has no deployments: {}", model.name());
            return Truth::error(StatusCode::UNPROCESSABLE_ENTITY, words);
        }
        let effect = model.take(direction, delays, now);
        Truth {
            effect,
            ..Truth::ok(model.object(false))
        }
    }

    /// The model that the path names, where the request's key may see it.
    fn target(&mut self, entry: &Entry) -> Option<&mut Model> {
        self.models.iter_mut().find(|model| called(model, entry))
    }
}

fn called(model: &Model, entry: &Entry) -> bool {
    let id = entry.model.as_deref();
    let account = entry.account.as_deref();
    id.is_some_and(|id| model.called(id))
        && account.is_some_and(|account| model.visible_to(account))
}
