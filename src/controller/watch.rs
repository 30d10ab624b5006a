//! The watches, and what wakes a pass: a generation, a deletion, finalizers, the reconcile
//! annotation, a Secret, a claim let go, or its time. The operator's own status write is none of these, so it
//! never defeats a wait that it was written under.

use std::{
    collections::hash_map::DefaultHasher,
    fmt, future,
    hash::{Hash, Hasher},
    sync::{Arc, Once},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        Config as ControllerConfig, Controller, PredicateConfig, WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

use super::{
    context::{Context, Guarded, Scope},
    credentials::secret_of,
    reconcile::{reconcile, retry},
    secrets::Secrets,
};
use crate::{api::RECONCILE_ANNOTATION, decide::doubled, metrics::Shown};

/// The pause after a watch's first failure, and the longest: quick at first, since a CRD may be installed any moment.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_LAST: Duration = Duration::from_secs(10);

/// Set by `kubectl apply`, and as large as the object itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How long the filter knows what it has last seen of an object.
const FILTER_MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The server ends each watch after this, and it is taken up again: one whose connection hangs
/// half-open goes unnoticed for little longer.
pub(super) fn watch_config(lasts: Duration) -> watcher::Config {
    let seconds = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
    watcher::Config::default().timeout(seconds)
}

/// kube's watcher, with a pause after each failure that grows while they go on. Its own backoffs begin anew with
/// each list that is tried; and a watch that is refused with a 410 it would ask for the same version, which is gone, again
/// and again.
pub(super) fn watching<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let begin = move || watcher(api.clone(), config.clone()).boxed();
    stream::unfold(
        (begin(), Failing::default()),
        move |(mut events, mut failing)| {
            let begin = begin.clone();
            async move {
                // Even no time at all is a millisecond of the timer's, and a list has an event for each object.
                if let Some(pause) = failing.pause.take() {
                    sleep(pause).await;
                }
                let event = events.next().await?;
                if let Err(problem) = &event {
                    failing.again();
                    if refused_with(problem, 410) {
                        events = begin();
                    }
                }
                Some((event, (events, failing)))
            }
        },
    )
}

/// The objects of a list, once the store has them. A list comes in pages, the store changes once it is whole, and a
/// pass between the two would be over an object that the store doesn't have, or has as it was: and no other pass would follow.
pub(super) fn once_stored<K: Send>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    let mut listed = Vec::new();
    events.flat_map(move |event| {
        let due = match event {
            Ok(Event::Init) => {
                listed.clear();
                vec![Ok(Event::Init)]
            }
            Ok(Event::InitApply(object)) => {
                listed.push(Ok(Event::InitApply(object)));
                Vec::new()
            }
            Ok(Event::InitDone) => {
                listed.push(Ok(Event::InitDone));
                std::mem::take(&mut listed)
            }
            event @ (Ok(Event::Apply(_) | Event::Delete(_)) | Err(_)) => vec![event],
        };
        stream::iter(due)
    })
}

/// The failures of a watch that have come one soon after another.
#[derive(Default)]
struct Failing {
    count: u32,
    last: Option<Instant>,
    pause: Option<Duration>,
}

impl Failing {
    fn again(&mut self) {
        let soon = self
            .last
            .is_some_and(|last| last.elapsed() < 3 * AGAIN_LAST);
        self.count = if soon {
            self.count.saturating_add(1)
        } else {
            0
        };
        self.last = Some(Instant::now());
        self.pause = Some(doubled(AGAIN, self.count, AGAIN_LAST));
    }
}

fn refused_with(problem: &watcher::Error, code: u16) -> bool {
    match problem {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == code,
        _ => false,
    }
}

/// Watches one namespace, or all, until the stop, and then until what is in flight has ended.
pub(super) async fn run(context: Arc<Context>, namespace: Option<String>) {
    let api: Api<Guarded> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (secrets, changes) = Secrets::watch(
        &context.client,
        namespace.as_deref(),
        &context.config.secret_names,
        context.config.watch,
    );
    let (objects, writer) = reflector::store();
    let woken = context.claims.join(objects.clone());
    if context.config.object_metrics {
        let shown = objects.clone();
        context.metrics.objects().show(move || series(&shown));
    }
    let triggers = triggers(context.clone(), namespace, api, (objects.clone(), writer));
    let scope = Arc::new(Scope {
        context: context.clone(),
        objects: objects.clone(),
        secrets,
    });
    let rousing = context.clone();
    let stopped = context.clone();
    // Passes are not bounded, see `Context`.
    let working = Controller::for_stream(triggers, objects.clone())
        .with_config(ControllerConfig::default().concurrency(0))
        .watches_stream(said(changes), move |secret| {
            users(&rousing, &objects, &secret)
        })
        .reconcile_on(woken)
        .graceful_shutdown_on(context.stop.wait())
        .run(reconcile, retry, scope)
        .for_each(|_| future::ready(()));
    // kube's controller heeds the stop once it has listed its objects; until then nothing has begun.
    let idle = async {
        stopped.stop.wait().await;
        if stopped.claims.are_listed() {
            future::pending().await
        }
    };
    tokio::select! {
        () = working => {}
        () = idle => {}
    }
}

/// What the metrics show of each object.
fn series(objects: &Store<Guarded>) -> Vec<Shown> {
    let all = objects.state();
    let shown = all.iter().map(|object| match &object.0 {
        Ok(object) => Shown::from(object),
        Err(invalid) => Shown::undecodable(&invalid.metadata),
    });
    shown.collect()
}

/// The objects whose passes have a reason to start.
fn triggers(
    context: Arc<Context>,
    namespace: Option<String>,
    api: Api<Guarded>,
    (objects, writer): (Store<Guarded>, reflector::store::Writer<Guarded>),
) -> impl Stream<Item = Result<Guarded, watcher::Error>> + Send {
    let listed = context.readiness.expect();
    let (heeding, rousing) = (context.clone(), context.clone());
    let first = Once::new();
    let events = watching(api, watch_config(context.config.watch))
        .inspect(move |event| match event {
            Ok(Event::InitDone) => listed.done(),
            Ok(Event::Delete(object)) => context.memories.forget(uid(object)),
            Ok(Event::Init | Event::InitApply(_) | Event::Apply(_)) => {}
            Err(problem) => complain(problem),
        })
        .modify(slim)
        .reflect(writer);
    let events = once_stored(events)
        .inspect(move |event| match event {
            // A deletion that happened between two watches has no event.
            Ok(Event::InitDone) => {
                let gone = heeding.claims.missing(namespace.as_deref(), &objects);
                gone.iter().for_each(|uid| heeding.memories.forget(uid));
                first.call_once(|| heeding.claims.one_is_listed());
            }
            Ok(event) => heeding.claims.heed(event),
            Err(_) => {}
        })
        .applied_objects()
        .predicate_filter(reason, PredicateConfig::default().ttl(FILTER_MEMORY));
    events
        .filter(|event| future::ready(event.is_ok()))
        .inspect(move |event| {
            if let Ok(object) = event {
                rousing.memories.rouse(uid(object));
            }
        })
}

fn uid(object: &Guarded) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

/// Keeps what a decision needs.
fn slim(object: &mut Guarded) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove(LAST_APPLIED);
}

/// What about an object is a reason to look at it now.
fn reason(object: &Guarded) -> Option<u64> {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    object
        .annotations()
        .get(RECONCILE_ANNOTATION)
        .hash(&mut hasher);
    Some(hasher.finish())
}

/// The changes of watched Secrets, with the watches' failures told and left out: a Secret that
/// may not be watched must not slow down the objects.
fn said(
    changes: impl Stream<Item = Result<Secret, watcher::Error>> + Send,
) -> impl Stream<Item = Result<Secret, watcher::Error>> + Send {
    changes.filter(|change| {
        if let Err(problem) = change {
            warn!(%problem, "a Secret that is to be watched can't be");
        }
        future::ready(change.is_ok())
    })
}

/// The objects that use a Secret. One that waits for its turn with the old key starts over.
fn users(context: &Context, objects: &Store<Guarded>, secret: &Secret) -> Vec<ObjectRef<Guarded>> {
    let uses = |object: &Guarded| {
        object.meta().namespace == secret.metadata.namespace
            && match &object.0 {
                Ok(object) => secret.metadata.name.as_deref() == Some(secret_of(object)),
                Err(_) => true,
            }
    };
    let all = objects.state_filter(|object| uses(object));
    all.iter()
        .inspect(|object| context.memories.rouse(uid(object)))
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}

fn complain(problem: &watcher::Error) {
    if refused_with(problem, 404) {
        error!(
            "the CustomResourceDefinition oxenmodels.oxen.ai is not installed; waiting for it. `oxen-operator crd | kubectl apply -f -` installs it"
        );
    } else {
        warn!(%problem, "the watch of OxenModels failed; trying again");
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_objects_of_a_list_come_once_it_is_whole() {
        let (send, events) = futures::channel::mpsc::unbounded();
        let mut due = std::pin::pin!(once_stored(events));
        let mut after = |event: Event<u8>| {
            send.unbounded_send(Ok(event)).unwrap();
            let mut names = Vec::new();
            while let Some(Some(event)) = due.next().now_or_never() {
                names.push(match event.unwrap() {
                    Event::Init => "new list".to_owned(),
                    Event::InitDone => "whole".to_owned(),
                    Event::InitApply(object) => format!("listed {object}"),
                    Event::Apply(object) => format!("changed {object}"),
                    Event::Delete(object) => format!("gone {object}"),
                });
            }
            names.join(", ")
        };
        assert_eq!(after(Event::Init), "new list");
        assert_eq!(after(Event::InitApply(1)), "");
        assert_eq!(after(Event::InitApply(2)), "");
        assert_eq!(after(Event::InitDone), "listed 1, listed 2, whole");
        assert_eq!(after(Event::Apply(3)), "changed 3");
        assert_eq!(after(Event::Delete(1)), "gone 1");
        // One that breaks off is forgotten.
        assert_eq!(after(Event::Init), "new list");
        assert_eq!(after(Event::InitApply(4)), "");
        assert_eq!(after(Event::Init), "new list");
        assert_eq!(after(Event::InitApply(5)), "");
        assert_eq!(after(Event::InitDone), "listed 5, whole");
    }
}
