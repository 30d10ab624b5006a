//! The control routes at `/_hub/...`, which the crate documentation lists.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::handle::Hub;
use crate::journal::Journal;
use crate::model::Model;

pub(crate) fn routes() -> Router<Hub> {
    Router::new()
        .route("/journal", get(journal).delete(clear_journal))
        .route("/models", post(add_model))
        .route("/models/{id}/status", put(set_status))
        .route("/faults", post(inject).delete(clear_faults))
}

async fn journal(State(hub): State<Hub>) -> Json<Journal> {
    Json(hub.journal())
}

async fn clear_journal(State(hub): State<Hub>) -> StatusCode {
    hub.clear_journal();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStatus {
    status: String,
}

async fn set_status(
    State(hub): State<Hub>,
    Path(id): Path<String>,
    Json(new): Json<NewStatus>,
) -> Response {
    match hub.set_status(&id, &new.status) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (
            StatusCode::NOT_FOUND,
            Json(json!({ "error": error.to_string() })),
        )
            .into_response(),
    }
}

async fn inject(State(hub): State<Hub>, Json(fault): Json<Fault>) -> (StatusCode, Json<Value>) {
    let id = hub.inject(fault);
    (StatusCode::CREATED, Json(json!({ "fault": id })))
}

async fn clear_faults(State(hub): State<Hub>) -> StatusCode {
    hub.clear_faults();
    StatusCode::NO_CONTENT
}

/// The request body that describes a custom model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewModel {
    name: String,
    owner: Option<String>,
    #[serde(default = "inactive")]
    deployments: Vec<String>,
    activate_delay: Option<String>,
    deactivate_delay: Option<String>,
    idle_timeout: Option<String>,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    fields: Map<String, Value>,
}

fn inactive() -> Vec<String> {
    vec!["inactive".into()]
}

async fn add_model(State(hub): State<Hub>, Json(new): Json<NewModel>) -> Response {
    match new.build() {
        Ok(model) => {
            hub.add_model(model);
            StatusCode::CREATED.into_response()
        }
        Err(error) => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": error.to_string() })),
        )
            .into_response(),
    }
}

impl NewModel {
    fn build(self) -> Result<Model, humantime::DurationError> {
        let duration = |text: Option<String>| {
            text.map(|text| humantime::parse_duration(&text))
                .transpose()
        };
        let mut model = Model::custom(self.name)
            .deployments(self.deployments)
            .fields(Value::Object(self.fields));
        if let Some(owner) = self.owner {
            model = model.owner(owner);
        }
        if let Some(delay) = duration(self.activate_delay)? {
            model = model.activate_delay(delay);
        }
        if let Some(delay) = duration(self.deactivate_delay)? {
            model = model.deactivate_delay(delay);
        }
        if let Some(timeout) = duration(self.idle_timeout)? {
            model = model.idle_timeout(timeout);
        }
        if self.public {
            model = model.public();
        }
        Ok(model)
    }
}
