//! The least controller that turns models on and off with kube-rs: it retrieves the model, records
//! the call in the object's status, sends the POST, writes the outcome, and polls until the model
//! is as declared. It has no rate limit, no ownership, no finalizer, no events and no fault
//! handling but the error policy. The operator is measured beside it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Config};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt, predicates, reflector, watcher};
use kube::{Api, Client, ResourceExt};
use oxen_operator::api::{Declared, OxenModel};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

/// The time between two polls of a transition, which is the operator's first one.
const POLL: Duration = Duration::from_secs(5);

/// The time between two polls of a settled model whose object has no `syncInterval`.
const SYNC_INTERVAL: Duration = Duration::from_secs(300);

/// The number of reconciles at the same time, which is the operator's limit of hub requests. With
/// more, kube's controller gets slower.
const CONCURRENCY: u16 = 64;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The hub's URL
    #[arg(long)]
    base_url: String,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Hub(#[from] reqwest::Error),
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// The part of the hub's model object that this controller reads.
#[derive(Deserialize)]
struct Model {
    deployments: Vec<Deployment>,
}

#[derive(Deserialize)]
struct Deployment {
    status: String,
}

struct Context {
    client: Client,
    http: reqwest::Client,
    models: String,
}

/// Runs the controller until SIGTERM.
pub(crate) async fn run(args: Args) -> Result<()> {
    let client = Client::try_default().await?;
    let api: Api<OxenModel> = Api::all(client.clone());
    let (store, writer) = reflector::store();
    let triggers = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicates::generation, PredicateConfig::default());
    let context = Context {
        client,
        http: reqwest::Client::builder().no_proxy().build()?,
        models: format!("{}/api/ai/models", args.base_url),
    };
    let working = Controller::for_stream(triggers, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .run(reconcile, error_policy, Arc::new(context))
        .for_each(|_| std::future::ready(()));
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = working => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn error_policy(_: Arc<OxenModel>, _: &Error, _: Arc<Context>) -> Action {
    Action::requeue(Duration::from_secs(1))
}

async fn reconcile(object: Arc<OxenModel>, context: Arc<Context>) -> Result<Action, Error> {
    let (call, transition, target) = match object.spec.state {
        Declared::Active => ("activate", "deploying", "active"),
        Declared::Inactive | Declared::Scheduled => ("deactivate", "deactivating", "inactive"),
    };
    let live = context.live(&object.spec.model).await?;
    if live == target {
        if !is_ready(&object) {
            context.record(&object, &live, None).await?;
        }
        let interval = object
            .spec
            .sync_interval
            .map_or(SYNC_INTERVAL, |span| span.0);
        return Ok(Action::requeue(interval));
    }
    if live != transition {
        let operation = json!({ "id": object.uid(), "kind": call, "from": live, "started": now() });
        context.record(&object, &live, Some(operation)).await?;
        let live = context.call(&object.spec.model, call).await?;
        context.record(&object, &live, None).await?;
    }
    Ok(Action::requeue(POLL))
}

fn is_ready(object: &OxenModel) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    ready.any(|ready| {
        ready.status == "True" && ready.observed_generation == object.metadata.generation
    })
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

impl Context {
    /// Retrieves the live status.
    async fn live(&self, model: &str) -> Result<String, Error> {
        let url = format!("{}/{model}?deployment_status=live", self.models);
        self.send(self.http.get(url)).await
    }

    /// Sends an activate or deactivate call, and returns the status that the response shows.
    async fn call(&self, model: &str, call: &str) -> Result<String, Error> {
        let url = format!("{}/{model}/{call}", self.models);
        self.send(self.http.post(url)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<String, Error> {
        let response = request.bearer_auth(hub::KEY).send().await?;
        let model: Model = response.error_for_status()?.json().await?;
        let first = model.deployments.into_iter().next();
        Ok(first.map_or("none".into(), |deployment| deployment.status))
    }

    /// Writes the status. Without an operation, a model that is as declared is Ready.
    async fn record(
        &self,
        object: &OxenModel,
        live: &str,
        operation: Option<Value>,
    ) -> Result<(), Error> {
        let desired = object.spec.state.to_string();
        let ready = if live == desired { "True" } else { "False" };
        let condition = json!({
            "type": "Ready",
            "status": ready,
            "reason": if ready == "True" { "Ready" } else { "Progressing" },
            "message": format!("{live}, and declared {desired}"),
            "lastTransitionTime": now(),
            "observedGeneration": object.metadata.generation,
        });
        let patch = Patch::Merge(json!({ "status": {
            "observedGeneration": object.metadata.generation,
            "live": live,
            "operation": operation,
            "conditions": [condition],
        }}));
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<OxenModel> = Api::namespaced(self.client.clone(), &namespace);
        let parameters = PatchParams::default();
        api.patch_status(&object.name_any(), &parameters, &patch)
            .await?;
        Ok(())
    }
}
