//! A watch that counts the objects that are Ready.

use std::collections::HashSet;

use futures::StreamExt;
use hub::Hub;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Object;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt, api::ApiResource};
use oxen_operator::api::OxenModel;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::World;

/// The part of an object that says whether it is Ready.
type Shown = Object<Spec, Status>;

#[derive(Clone, Debug, Default, Deserialize)]
struct Spec {}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

/// The objects that are Ready, by name.
#[derive(Default)]
pub(crate) struct Ready {
    /// The watch has listed the objects.
    listed: bool,
    /// Ready is True for the current generation, and the model was active when that was seen.
    truthfully: HashSet<String>,
    /// Ready was True for the current generation while the model was not active.
    untruthfully: HashSet<String>,
}

/// A watch of all objects, which ends when this value is dropped.
pub(crate) struct ReadyWatch {
    task: JoinHandle<()>,
    ready: watch::Receiver<Ready>,
}

impl ReadyWatch {
    /// Starts the watch, and waits until it has listed the objects.
    pub(crate) async fn start(world: &World) -> Self {
        let resource = ApiResource::erase::<OxenModel>(&());
        let api: Api<Shown> = Api::all_with(world.client.clone(), &resource);
        let (sender, ready) = watch::channel(Ready::default());
        let hub = world.hub.clone();
        let events = watcher(api, watcher::Config::default()).default_backoff();
        let task = tokio::spawn(events.for_each(move |event| {
            if let Ok(event) = event {
                sender.send_modify(|ready| ready.on_event(event, &hub));
            }
            std::future::ready(())
        }));
        let watch = Self { task, ready };
        watch.until(|ready| ready.listed).await;
        watch
    }

    pub(crate) fn count(&self) -> usize {
        self.ready.borrow().truthfully.len()
    }

    pub(crate) fn untruthful(&self) -> usize {
        self.ready.borrow().untruthfully.len()
    }

    /// Waits until this number of objects is truthfully Ready.
    pub(crate) async fn until_ready(&self, objects: usize) {
        self.until(|ready| ready.truthfully.len() >= objects).await;
    }

    async fn until(&self, reached: impl FnMut(&Ready) -> bool) {
        // The watch repeats what fails, so it ends only with `self`.
        let _ = self.ready.clone().wait_for(reached).await;
    }
}

impl Drop for ReadyWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ready {
    fn on_event(&mut self, event: watcher::Event<Shown>, hub: &Hub) {
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                self.see(&object, hub);
            }
            watcher::Event::InitDone => self.listed = true,
            watcher::Event::Init | watcher::Event::Delete(_) => {}
        }
    }

    fn see(&mut self, object: &Shown, hub: &Hub) {
        let name = object.name_any();
        if !is_ready(object) {
            self.truthfully.remove(&name);
        } else if hub.live(&name).is_ok_and(|live| live == ["active"]) {
            self.truthfully.insert(name);
        } else {
            self.untruthfully.insert(name);
        }
    }
}

fn is_ready(object: &Shown) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    ready.any(|ready| {
        ready.status == "True" && ready.observed_generation == object.metadata.generation
    })
}
