//! Streams of watch events, for objects and Secrets alike.

use std::{fmt, time::Duration};

use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::backoff::doubled;

/// The pause after a watch's first failure. It is short, because a CRD may be installed at any
/// moment.
pub(super) const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// The longest pause after a failure of a watch.
pub(super) const BACKOFF_LAST: Duration = Duration::from_secs(10);

/// The objects of a namespace, or of all namespaces.
pub(super) fn scoped<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// The configuration of a watch that the API server ends after `timeout`, and that is then started
/// again. A connection that hangs is noticed soon after.
pub(super) fn watch_config(timeout: Duration) -> watcher::Config {
    let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
    watcher::Config::default().timeout(seconds)
}

/// kube's watcher, with a pause after each failure. The pause grows with each failure in a row.
///
/// kube's own backoff starts again with each list that is tried, and after a 410 kube's watcher
/// requests the same expired version again and again.
pub(super) fn watching<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let start = move || watcher(api.clone(), config.clone()).boxed();
    stream::unfold(
        (start(), Failures::default()),
        move |(mut events, mut failures)| {
            let start = start.clone();
            async move {
                // Even a sleep of zero takes a millisecond, and a list has an event per object.
                if let Some(pause) = failures.pause.take() {
                    sleep(pause).await;
                }
                let event = events.next().await?;
                if let Err(problem) = &event {
                    failures.count();
                    if refused_with(problem, 410) {
                        events = start();
                    }
                }
                Some((event, (events, failures)))
            }
        },
    )
}

/// Holds the objects of a list back until the store has all of them.
///
/// A list arrives in pages, and the store changes when the list is complete. A reconcile between
/// the two would find an old object or none in the store, and no other reconcile would follow.
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

/// The failures of a watch that follow each other closely.
#[derive(Default)]
struct Failures {
    number: u32,
    last: Option<Instant>,
    pause: Option<Duration>,
}

impl Failures {
    fn count(&mut self) {
        let soon = self
            .last
            .is_some_and(|last| last.elapsed() < 3 * BACKOFF_LAST);
        self.number = if soon {
            self.number.saturating_add(1)
        } else {
            0
        };
        self.last = Some(Instant::now());
        self.pause = Some(doubled(BACKOFF_FIRST, self.number, BACKOFF_LAST));
    }
}

/// Returns true when the API server refused the list or the watch with this status code.
pub(super) fn refused_with(problem: &watcher::Error, code: u16) -> bool {
    match problem {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == code,
        _ => false,
    }
}

/// Returns true when the API server refused the list for a reason that doesn't pass by itself.
pub(super) fn list_refused(problem: &watcher::Error) -> bool {
    match problem {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => {
            (400..500).contains(&status.code) && !matches!(status.code, 408 | 410 | 429)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kube::core::Status;

    use super::*;

    #[tokio::test]
    async fn the_objects_of_a_list_come_when_it_is_complete() {
        let (send, events) = futures::channel::mpsc::unbounded();
        let mut due = std::pin::pin!(once_stored(events));
        let mut after = |event: Event<u8>| {
            send.unbounded_send(Ok(event)).unwrap();
            let mut names = Vec::new();
            while let Some(Some(event)) = due.next().now_or_never() {
                names.push(match event.unwrap() {
                    Event::Init => "new list".to_owned(),
                    Event::InitDone => "complete".to_owned(),
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
        assert_eq!(after(Event::InitDone), "listed 1, listed 2, complete");
        assert_eq!(after(Event::Apply(3)), "changed 3");
        assert_eq!(after(Event::Delete(1)), "gone 1");
        // A list that breaks off is dropped.
        assert_eq!(after(Event::Init), "new list");
        assert_eq!(after(Event::InitApply(4)), "");
        assert_eq!(after(Event::Init), "new list");
        assert_eq!(after(Event::InitApply(5)), "");
        assert_eq!(after(Event::InitDone), "listed 5, complete");
    }

    #[test]
    fn only_a_list_that_time_does_not_heal_counts_as_refused() {
        let api = |code| {
            let status = Status::failure("no", "No").with_code(code);
            kube::Error::Api(Box::new(status))
        };
        for code in [401, 403, 404, 405] {
            assert!(
                list_refused(&watcher::Error::InitialListFailed(api(code))),
                "{code}"
            );
            assert!(
                !list_refused(&watcher::Error::WatchStartFailed(api(code))),
                "{code}"
            );
        }
        for code in [408, 410, 429, 500, 502, 503, 504] {
            assert!(
                !list_refused(&watcher::Error::InitialListFailed(api(code))),
                "{code}"
            );
        }
        let silent = kube::Error::Service("no route".into());
        assert!(!list_refused(&watcher::Error::InitialListFailed(silent)));
    }
}
