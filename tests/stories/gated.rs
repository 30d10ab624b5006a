//! What the stories share in which a gate is between the operator and the API server.

use cluster::Gate;
use hub::{Hub, Model};
use serde_json::{Value, json};
use testkit::world::{Operator, World};

/// The operator's writes of a status.
pub(crate) const STATUS: (&str, &str) = ("PATCH", "/status");

/// The watch of the OxenModels.
pub(crate) const WATCH: (&str, &str) = ("GET", "oxenmodels?&watch=true");

/// A world with one model, and a gate between the operator and the API server.
pub(crate) struct Gated {
    pub(crate) world: World,
    pub(crate) gate: Gate,
}

impl Gated {
    pub(crate) async fn new() -> Self {
        let bot = Model::custom("bot").status("inactive");
        let world = World::new(Hub::builder().model(bot)).await;
        let gate = world.cluster.gate().await.unwrap();
        Self { world, gate }
    }

    /// Starts an operator behind the gate. A watch ends after a second, and a request to the API
    /// server times out after three.
    pub(crate) fn operator(&self) -> Operator {
        self.operator_with(&[])
    }

    pub(crate) fn operator_with(&self, settings: &[(&str, &str)]) -> Operator {
        let kubeconfig = self.gate.kubeconfig().to_str().unwrap();
        let own = [("KUBECONFIG", kubeconfig)];
        self.world.operator_with(&[&own, settings].concat())
    }

    /// Starts an operator behind the gate that watches these worlds' namespaces too. All objects
    /// are of the models of this world's hub.
    pub(crate) fn operator_of(&self, others: &[World], settings: &[(&str, &str)]) -> Operator {
        let all = [&self.world].into_iter().chain(others);
        let all: Vec<&str> = all.map(|world| world.namespace.as_str()).collect();
        let all = all.join(",");
        let namespaces = [("OXEN_NAMESPACES", all.as_str())];
        self.operator_with(&[&namespaces, settings].concat())
    }

    /// Creates the object, and waits until it is settled with its finalizer. The next write of its
    /// status is the record of a call.
    pub(crate) async fn settle(&self) {
        let world = &self.world;
        world.create("bot", spec("inactive")).await;
        world.until_finalizer("bot").await;
        world.until_reason("bot", "Inactive").await;
    }

    pub(crate) async fn declare(&self, state: &str) {
        self.world.edit("bot", spec(state)).await;
    }
}

pub(crate) fn spec(state: &str) -> Value {
    json!({"model": "bot", "state": state})
}

/// What `/readyz` answers: its status code and its text.
pub(crate) async fn readiness(operator: &Operator) -> (u16, String) {
    let url = operator.url().await;
    let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
