//! Events: one for each transition of an object. They go through a bounded queue to one background
//! task, which publishes them, so that a slow Events API delays nothing else. Those of a namespace
//! are published in order, and those of different namespaces at the same time.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::event_series::{EventSeriesCache, Notice, Publication, series_patch};
use crate::{
    api::OxenModel,
    decide::{DELETION_BLOCKED, EventType, OverrideEvent, Plan, Verdict},
    metrics::Metrics,
};

/// The largest number of events that wait to be published. Further events are dropped.
const QUEUE: usize = 1024;

/// The largest number of events that wait for an earlier one of their namespace. A namespace may
/// use no more of this limit than is still free, so one namespace alone can use at most half of
/// it. Further events are dropped.
const WAITING: usize = 2 * QUEUE;

/// The largest number of namespaces whose events are published at the same time.
const AT_ONCE: usize = 32;

/// After each event, its namespace pauses for this many times as long as the publication took.
/// Without the pause, the events of hundreds of activations would delay the records of calls.
const PAUSES: u32 = 4;

/// The longest pause after an event.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long waiting events are still published at a shutdown.
const FLUSH: Duration = Duration::from_secs(2);

/// The queue of events. All clones share it.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<Notice>,
    flushing: CancellationToken,
    metrics: Arc<Metrics>,
}

/// The one task that publishes events.
struct Publisher {
    client: Client,
    /// The time limit of each request.
    timeout: Duration,
    metrics: Arc<Metrics>,
    known: Mutex<EventSeriesCache>,
}

/// The namespaces of which an event is being published, and their events that wait for it.
#[derive(Default)]
struct Waiting(HashMap<String, VecDeque<Notice>>);

impl Events {
    /// Starts the publisher.
    pub(super) fn start(client: Client, metrics: Arc<Metrics>, timeout: Duration) -> Self {
        let (queue, notices) = mpsc::channel(QUEUE);
        let flushing = CancellationToken::new();
        let instance = std::env::var("POD_NAME").ok();
        let publisher = Publisher {
            client,
            timeout,
            metrics: metrics.clone(),
            known: Mutex::new(EventSeriesCache::new(instance, Instant::now())),
        };
        tokio::spawn(publisher.run(notices, flushing.clone()));
        Self {
            queue,
            flushing,
            metrics,
        }
    }

    /// Queues the event of a plan and logs a line. It is called for transitions only. If the
    /// event can't be published, nothing else fails.
    pub(super) fn publish_plan(&self, object: &OxenModel, plan: &Plan) {
        let presentation = plan.verdict.presentation();
        let type_ = if plan.blocked {
            EventType::Warning
        } else {
            presentation.event
        };
        let reason = reason(plan.blocked, plan.verdict);
        self.publish(object, type_, reason, plan.message.clone());
    }

    /// Queues the event of an object that can't be decoded and logs a line.
    pub(super) fn publish_undecodable(&self, object: &OxenModel, blocked: bool, problem: String) {
        let reason = reason(blocked, Verdict::InvalidSpec);
        self.publish(object, EventType::Warning, reason, problem);
    }

    /// Queues an event about an override and logs a line.
    pub(super) fn publish_override(&self, object: &OxenModel, event: OverrideEvent) {
        self.publish(object, event.type_, event.reason, event.note);
    }

    fn publish(&self, object: &OxenModel, type_: EventType, reason: &'static str, note: String) {
        match type_ {
            EventType::Warning => warn!(reason, "{note}"),
            EventType::Normal => info!(reason, "{note}"),
        }
        self.queue(Notice {
            regarding: object.object_ref(&()),
            type_,
            reason: reason.into(),
            note,
        });
    }

    /// Adds an event to the queue, or drops it if the queue is full.
    fn queue(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            self.metrics.event_dropped();
            debug!("an event was dropped, because too many wait to be published");
        }
    }

    /// Publishes the waiting events, for at most two seconds, and ends the publisher.
    pub async fn flush(self) {
        self.flushing.cancel();
        if timeout(FLUSH, self.queue.closed()).await.is_err() {
            warn!("some events could not be published before the end of the process");
        }
    }
}

impl Waiting {
    /// Returns the event if it can be published now. Otherwise, it waits for those before it, or is
    /// dropped and `dropped` is called.
    fn admit(&mut self, notice: Notice, dropped: impl FnOnce()) -> Option<Notice> {
        let free = WAITING.saturating_sub(self.0.values().map(VecDeque::len).sum());
        match self.0.get_mut(notice.namespace()) {
            None => {
                self.0
                    .insert(notice.namespace().to_owned(), VecDeque::new());
                return Some(notice);
            }
            Some(waiting) if waiting.len() < free => waiting.push_back(notice),
            Some(_) => dropped(),
        }
        None
    }

    /// Returns the next event of a namespace of which one has been published.
    fn next(&mut self, namespace: String) -> Option<Notice> {
        let Entry::Occupied(mut waiting) = self.0.entry(namespace) else {
            return None;
        };
        let next = waiting.get_mut().pop_front();
        if next.is_none() {
            waiting.remove();
        }
        next
    }
}

impl Publisher {
    async fn run(self, mut notices: mpsc::Receiver<Notice>, flushing: CancellationToken) {
        let mut waiting = Waiting::default();
        let mut in_flight = FuturesUnordered::new();
        loop {
            let next = tokio::select! {
                biased;
                Some(namespace) = in_flight.next() => waiting.next(namespace),
                Some(notice) = notices.recv(), if in_flight.len() < AT_ONCE => {
                    waiting.admit(notice, || self.metrics.event_dropped())
                }
                () = flushing.cancelled(), if in_flight.is_empty() => return,
            };
            in_flight.extend(next.map(|notice| self.publish(notice, &flushing)));
        }
    }

    /// Publishes an event, pauses, and returns the event's namespace.
    async fn publish(&self, notice: Notice, flushing: &CancellationToken) -> String {
        let namespace = notice.namespace().to_owned();
        let started = Instant::now();
        let published = timeout(self.timeout, self.send(&notice)).await;
        let published = published.unwrap_or_else(|_| Err("the request timed out".into()));
        if let Err(error) = published {
            self.metrics.event_dropped();
            let name = notice.regarding.name.as_deref().unwrap_or_default();
            debug!(namespace, name, error, "the event was not published");
        }
        let pause = (PAUSES * started.elapsed()).min(LONGEST_PAUSE);
        let _ = timeout(pause, flushing.cancelled()).await;
        namespace
    }

    async fn send(&self, notice: &Notice) -> Result<(), String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), notice.namespace());
        let mut publication = self.known().next(notice, Instant::now());
        if let Publication::Repeat { name, count } = &publication {
            let patch = Patch::Merge(series_patch(*count));
            match api
                .patch_metadata(name, &PatchParams::default(), &patch)
                .await
            {
                Ok(_) => {}
                // The event has been deleted in the meantime.
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    publication = self.known().create(notice);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        if let Publication::Create(event) = &publication {
            let created = api.create(&PostParams::default(), event).await;
            created.map_err(|error| error.to_string())?;
        }
        self.known().published(notice, &publication, Instant::now());
        Ok(())
    }

    // Every change under this lock is a single assignment, insertion or removal, so a poisoned lock
    // is usable.
    fn known(&self) -> MutexGuard<'_, EventSeriesCache> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(blocked: bool, verdict: Verdict) -> &'static str {
    if blocked {
        DELETION_BLOCKED
    } else {
        verdict.presentation().reason
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    #[tokio::test]
    async fn events_that_find_the_queue_full_are_dropped_and_counted() {
        let (queue, mut notices) = mpsc::channel(2);
        let events = Events {
            queue,
            flushing: CancellationToken::new(),
            metrics: Arc::default(),
        };
        let queue = |reason: &str| {
            events.queue(Notice {
                regarding: ObjectReference::default(),
                type_: EventType::Normal,
                reason: reason.into(),
                note: String::new(),
            });
        };
        let dropped = || {
            let text = events.metrics.text().unwrap();
            let lines = text.lines();
            let mut values =
                lines.filter_map(|it| it.strip_prefix("oxen_operator_events_dropped_total "));
            values.next().unwrap().to_owned()
        };
        for reason in ["first", "second", "third", "fourth"] {
            queue(reason);
        }
        assert_eq!(dropped(), "2");
        assert_eq!(notices.recv().await.unwrap().reason, "first");
        queue("fifth");
        for reason in ["second", "fifth"] {
            assert_eq!(notices.recv().await.unwrap().reason, reason);
        }
        assert_eq!(dropped(), "2");
    }

    #[test]
    fn events_of_a_namespace_wait_for_those_before_them_and_for_no_others() {
        let notice = |namespace: &str, number: usize| Notice {
            regarding: ObjectReference {
                namespace: Some(namespace.into()),
                ..ObjectReference::default()
            },
            type_: EventType::Normal,
            reason: number.to_string(),
            note: String::new(),
        };
        let mut waiting = Waiting::default();
        let mut dropped = 0;
        let mut admit = |waiting: &mut Waiting, namespace: &str, number| {
            let admitted = waiting.admit(notice(namespace, number), || dropped += 1);
            admitted.map(|notice| notice.reason)
        };
        assert_eq!(admit(&mut waiting, "slow", 0).unwrap(), "0");
        for number in 1..=QUEUE + 2 {
            assert_eq!(admit(&mut waiting, "slow", number), None);
        }
        assert_eq!(admit(&mut waiting, "busy", 0).unwrap(), "0");
        assert_eq!(admit(&mut waiting, "busy", 1), None);
        for number in 0..3 {
            assert_eq!(
                admit(&mut waiting, "a", number).unwrap(),
                number.to_string()
            );
            assert!(waiting.next("a".into()).is_none());
        }
        assert_eq!(dropped, 2);
        assert_eq!(waiting.next("busy".into()).unwrap().reason, "1");
        assert!(waiting.next("busy".into()).is_none());
        for number in 1..=QUEUE {
            let next = waiting.next("slow".into()).unwrap();
            assert_eq!(next.reason, number.to_string());
        }
        assert!(waiting.next("slow".into()).is_none());
        assert!(waiting.0.is_empty(), "idle namespaces are forgotten");
    }
}
