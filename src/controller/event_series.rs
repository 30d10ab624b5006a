//! How transitions become events of `events.k8s.io/v1`: the events' names, and whether an event
//! repeats an existing one.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::decide::EventType;

/// The name of the operator as the reporter of events.
const CONTROLLER: &str = "oxen-operator";

/// What the operator does when an event occurs, which the Events API requires.
const ACTION: &str = "Reconcile";

/// The longest name of an event, or of any Kubernetes object, in bytes.
const NAME: usize = 253;

/// The largest note that the Events API accepts, in bytes.
const NOTE: usize = 1024;

/// The longest name of a reporting instance that the Events API accepts, in bytes.
const INSTANCE: usize = 128;

/// How long after its last occurrence an event can be repeated, as in client-go.
const REPEATABLE: Duration = Duration::from_secs(6 * 60);

/// A transition of an object, for which an event is published.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) regarding: ObjectReference,
    pub(super) type_: EventType,
    pub(super) reason: String,
    pub(super) note: String,
}

/// The events that were published recently.
#[derive(Debug)]
pub(super) struct EventSeriesCache {
    instance: String,
    known: HashMap<Key, Known>,
    pruned: Instant,
    /// The number that the last name ended with.
    last: u128,
}

/// The object and a hash of everything that an event says about it. An event can't be changed, so a
/// different note needs another event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    uid: String,
    content: u64,
}

/// An event that exists, as far as this process knows.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    count: i32,
    last: Instant,
}

/// The request that publishes a notice.
#[derive(Clone, Debug)]
pub(super) enum Publication {
    /// The event is new.
    Create(Box<Event>),
    /// The event with this name occurred again.
    Repeat { name: String, count: i32 },
}

impl Notice {
    fn key(&self) -> Key {
        let mut hasher = DefaultHasher::new();
        (self.type_ == EventType::Warning, &self.reason, &self.note).hash(&mut hasher);
        Key {
            uid: self.regarding.uid.clone().unwrap_or_default(),
            content: hasher.finish(),
        }
    }

    /// The namespace that the event belongs to.
    pub(super) fn namespace(&self) -> &str {
        self.regarding.namespace.as_deref().unwrap_or_default()
    }
}

impl EventSeriesCache {
    /// A cache without events. `instance` is the name of this process's pod, if it is known.
    pub(super) fn new(instance: Option<String>, now: Instant) -> Self {
        let instance = instance.filter(|instance| !instance.is_empty());
        let instance = instance.as_deref().unwrap_or(CONTROLLER);
        Self {
            instance: cut(instance, INSTANCE).into(),
            known: HashMap::new(),
            pruned: now,
            last: 0,
        }
    }

    /// The request that publishes a notice.
    pub(super) fn next(&mut self, notice: &Notice, now: Instant) -> Publication {
        self.prune(now);
        match self.known.get(&notice.key()) {
            Some(known) if now.duration_since(known.last) < REPEATABLE => Publication::Repeat {
                name: known.name.clone(),
                count: known.count.saturating_add(1),
            },
            Some(_) | None => self.create(notice),
        }
    }

    /// The request that creates an event.
    pub(super) fn create(&mut self, notice: &Notice) -> Publication {
        let now = Timestamp::now();
        let object = notice.regarding.name.as_deref().unwrap_or(CONTROLLER);
        let type_ = match notice.type_ {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        Publication::Create(Box::new(Event {
            metadata: ObjectMeta {
                name: Some(self.name(object, now)),
                namespace: notice.regarding.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some(ACTION.into()),
            event_time: Some(MicroTime(now)),
            note: Some(cut(&notice.note, NOTE).into()),
            reason: Some(notice.reason.clone()),
            regarding: Some(notice.regarding.clone()),
            reporting_controller: Some(CONTROLLER.into()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(type_.into()),
            ..Event::default()
        }))
    }

    /// Notes that a notice was published.
    pub(super) fn published(&mut self, notice: &Notice, publication: &Publication, now: Instant) {
        let (name, count) = match publication {
            Publication::Create(event) => (event.metadata.name.clone().unwrap_or_default(), 1),
            Publication::Repeat { name, count } => (name.clone(), *count),
        };
        let known = Known {
            name,
            count,
            last: now,
        };
        self.known.insert(notice.key(), known);
    }

    /// The name of a new event: the object's name, shortened if it is too long, and a number that
    /// no other event of the object has.
    fn name(&mut self, object: &str, now: Timestamp) -> String {
        let now = u128::try_from(now.as_nanosecond()).unwrap_or_default();
        self.last = now.max(self.last + 1);
        let suffix = format!(".{:x}", self.last);
        let object = cut(object, NAME - suffix.len());
        // A shortened name can end with a character that a name must not have before a dot.
        let object = object.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        format!("{object}{suffix}")
    }

    /// Removes the events that can't be repeated any more, from time to time.
    fn prune(&mut self, now: Instant) {
        if now.duration_since(self.pruned) >= REPEATABLE {
            self.pruned = now;
            self.known
                .retain(|_, known| now.duration_since(known.last) < REPEATABLE);
        }
    }
}

/// The patch that says that an event occurred again.
pub(super) fn series_patch(count: i32) -> Value {
    let series = EventSeries {
        count,
        last_observed_time: MicroTime(Timestamp::now()),
    };
    json!({"series": series})
}

/// The beginning of a text, at most this number of bytes.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(name: &str, reason: &str, note: &str) -> Notice {
        Notice {
            regarding: ObjectReference {
                name: Some(name.into()),
                namespace: Some("team".into()),
                uid: Some(format!("uid of {name}")),
                ..ObjectReference::default()
            },
            type_: EventType::Normal,
            reason: reason.into(),
            note: note.into(),
        }
    }

    fn cache() -> EventSeriesCache {
        EventSeriesCache::new(Some("pod".into()), Instant::now())
    }

    /// Publishes a notice and says how: the note of a new event, or the count of a repeated one.
    fn publish(cache: &mut EventSeriesCache, notice: &Notice, now: Instant) -> String {
        let publication = cache.next(notice, now);
        cache.published(notice, &publication, now);
        match publication {
            Publication::Create(event) => format!("new: {}", event.note.unwrap()),
            Publication::Repeat { count, .. } => format!("{count} times"),
        }
    }

    fn created(publication: Publication) -> Event {
        match publication {
            Publication::Create(event) => *event,
            Publication::Repeat { name, .. } => panic!("{name} is repeated"),
        }
    }

    #[test]
    fn a_repeated_event_counts_up_and_another_note_is_another_event() {
        let (mut cache, start) = (cache(), Instant::now());
        let down = notice("bot", "HubUnreachable", "no route");
        let slow = notice("bot", "HubUnreachable", "timeout");
        assert_eq!(publish(&mut cache, &down, start), "new: no route");
        assert_eq!(publish(&mut cache, &down, start), "2 times");
        assert_eq!(publish(&mut cache, &slow, start), "new: timeout");
        assert_eq!(publish(&mut cache, &down, start), "3 times");
        let other = notice("other", "HubUnreachable", "no route");
        assert_eq!(publish(&mut cache, &other, start), "new: no route");
        let warning = Notice {
            type_: EventType::Warning,
            ..down.clone()
        };
        assert_eq!(publish(&mut cache, &warning, start), "new: no route");
    }

    #[test]
    fn an_event_is_repeated_for_some_minutes_after_the_last_time() {
        let (mut cache, start) = (cache(), Instant::now());
        let notice = notice("bot", "Active", "on");
        assert_eq!(publish(&mut cache, &notice, start), "new: on");
        let (soon, later) = (start + REPEATABLE / 2, start + REPEATABLE);
        assert_eq!(publish(&mut cache, &notice, soon), "2 times");
        assert_eq!(publish(&mut cache, &notice, later), "3 times");
        let late = later + REPEATABLE;
        assert_eq!(publish(&mut cache, &notice, late), "new: on");
        assert_eq!(cache.known.len(), 1);
        let gone = Notice {
            note: "another".into(),
            ..notice
        };
        publish(&mut cache, &gone, late + REPEATABLE);
        assert_eq!(cache.known.len(), 1, "old events are forgotten");
    }

    #[test]
    fn an_event_that_was_not_published_is_not_repeated() {
        let (mut cache, now) = (cache(), Instant::now());
        let notice = notice("bot", "Active", "on");
        created(cache.next(&notice, now));
        assert_eq!(publish(&mut cache, &notice, now), "new: on");
    }

    #[test]
    fn an_event_that_was_deleted_comes_back_under_another_name() {
        let (mut cache, now) = (cache(), Instant::now());
        let notice = notice("bot", "Active", "on");
        let first = cache.next(&notice, now);
        cache.published(&notice, &first, now);
        assert!(matches!(
            cache.next(&notice, now),
            Publication::Repeat { .. }
        ));
        // The patch was answered with 404.
        let second = cache.create(&notice);
        cache.published(&notice, &second, now);
        assert_ne!(created(first).metadata.name, created(second).metadata.name);
        assert_eq!(publish(&mut cache, &notice, now), "2 times");
    }

    #[test]
    fn names_of_all_lengths_lead_to_valid_and_different_names_of_events() {
        let mut cache = cache();
        let mut names = std::collections::HashSet::new();
        for object in [
            "bot".to_owned(),
            "m".repeat(236),
            "m".repeat(245),
            "m".repeat(252) + "a",
            "m".repeat(252) + "b",
            "m".repeat(200) + &"-.".repeat(25) + "end",
        ] {
            for _ in 0..2 {
                let event = created(cache.create(&notice(&object, "Active", "on")));
                let name = event.metadata.name.unwrap();
                assert!(name.len() <= NAME, "{name}");
                let valid = name.split('.').all(|label| {
                    let end = |c: char| c.is_ascii_alphanumeric();
                    label.starts_with(end) && label.ends_with(end)
                });
                assert!(valid, "{name}");
                assert!(names.insert(name.clone()), "{name} twice");
                assert_eq!(event.regarding.unwrap().name, Some(object.clone()));
            }
        }
    }

    #[test]
    fn long_texts_are_cut_to_what_the_events_api_accepts() {
        let instance = Some("p".repeat(200));
        let mut cache = EventSeriesCache::new(instance, Instant::now());
        let event = created(cache.create(&notice("bot", "Active", &"ü".repeat(600))));
        assert_eq!(event.note.unwrap().len(), NOTE);
        assert_eq!(event.reporting_instance.unwrap().len(), INSTANCE);
        let event =
            created(cache.create(&notice("bot", "Active", &format!("a{}", "ü".repeat(600)))));
        assert_eq!(event.note.unwrap().len(), NOTE - 1);
        let mut nameless = EventSeriesCache::new(Some(String::new()), Instant::now());
        let event = created(nameless.create(&notice("bot", "Active", "on")));
        assert_eq!(event.reporting_instance.as_deref(), Some(CONTROLLER));
    }
}
