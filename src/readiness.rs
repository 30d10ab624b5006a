//! What `/readyz` reports: whether the operator has listed its objects, and which watch fails.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Whether the operator is ready: all required first lists have ended or are left out, and at least
/// one watch of objects works. A namespace that can't be listed doesn't make the operator unready
/// while it serves another one. A standby has only first lists, and is ready to take over by the
/// same rules.
#[derive(Debug, Default)]
pub struct Readiness {
    watches: Mutex<Watches>,
    /// A line that every report contains, whether the operator is ready or not.
    note: Mutex<Option<String>>,
}

/// The watches in the order in which they were added.
type Watches = BTreeMap<usize, WatchState>;

/// What a watch is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The plural name of the resource, such as `secrets`.
    pub resource: &'static str,
    /// The namespace, or `None` for all namespaces.
    pub namespace: Option<String>,
    /// The name of the one object that is watched, or `None` for all objects.
    pub name: Option<String>,
    /// Whether the operator is ready only after this watch's first list has ended.
    pub required: bool,
}

impl Watched {
    /// The OxenModels of a namespace, or of all namespaces.
    #[must_use]
    pub fn objects(namespace: Option<&str>) -> Self {
        Self {
            resource: "oxenmodels",
            namespace: namespace.map(Into::into),
            name: None,
            required: true,
        }
    }
}

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the operator is ready.
    pub ready: bool,
    /// The problems, one in each line, or `ok`.
    pub text: String,
}

/// The health of one watch, which its owner reports. The watch counts until this is dropped.
#[derive(Debug)]
pub struct WatchHealth {
    readiness: Arc<Readiness>,
    key: usize,
}

#[derive(Debug)]
struct WatchState {
    watched: Watched,
    /// How long requests fail before the watch counts as failing.
    patience: Duration,
    first_list: FirstList,
    /// When a list or watch request was last answered, in seconds since 1970; 0 for never.
    answered: i64,
    problem: Option<Problem>,
}

/// The first list of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstList {
    Pending,
    Ended,
    /// The API server refuses it, and the operator continues without it.
    LeftOut,
}

/// The failures since the last answer.
#[derive(Debug)]
struct Problem {
    since: Instant,
    /// The answer to the last request, in short.
    words: String,
}

impl Readiness {
    /// Adds a watch. It counts as failing when its requests have failed for `patience`.
    #[must_use]
    pub fn add_watch(self: &Arc<Self>, watched: Watched, patience: Duration) -> WatchHealth {
        let mut watches = self.watches();
        let state = WatchState {
            watched,
            patience,
            first_list: FirstList::Pending,
            answered: 0,
            problem: None,
        };
        let key = watches.last_key_value().map_or(0, |(last, _)| last + 1);
        watches.insert(key, state);
        WatchHealth {
            readiness: self.clone(),
            key,
        }
    }

    /// What `/readyz` answers now.
    #[must_use]
    pub fn report(&self) -> Report {
        let note = self.note().clone().unwrap_or_default();
        let watches = self.watches();
        let required = || watches.values().filter(|watch| watch.watched.required);
        if required().next().is_none() {
            return Report {
                ready: false,
                text: format!("the watches have not been started yet\n{note}"),
            };
        }
        let pending = required().any(|watch| watch.first_list == FirstList::Pending);
        let works = |watch: &WatchState| {
            watch.first_list == FirstList::Ended && !watch.is_failing(Instant::now())
        };
        let ready = !pending && required().any(works);
        let problems = watches.values().filter_map(WatchState::text);
        let problems: String = problems.chain([note]).collect();
        match (ready, problems.is_empty()) {
            (true, true) => Report::ok(),
            (true, false) => Report {
                ready,
                text: format!("ok, except for:\n{problems}"),
            },
            (false, _) => Report {
                ready,
                text: problems,
            },
        }
    }

    /// Sets the line that every report contains, or removes it. It doesn't change whether the
    /// operator is ready.
    pub fn set_note(&self, note: Option<&str>) {
        *self.note() = note.map(|note| format!("{note}\n"));
    }

    // Every change under a lock is a single assignment, insertion or removal, so a poisoned lock is
    // usable.
    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) -> MutexGuard<'_, Option<String>> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    fn ok() -> Self {
        Self {
            ready: true,
            text: "ok\n".into(),
        }
    }
}

impl WatchState {
    fn is_failing(&self, now: Instant) -> bool {
        let since = self.problem.as_ref().map(|problem| problem.since);
        since.is_some_and(|since| now.duration_since(since) >= self.patience)
    }

    /// The watch's problem as one line, if it has one.
    fn text(&self) -> Option<String> {
        let pending = self.first_list == FirstList::Pending && self.watched.required;
        let failing = self.is_failing(Instant::now());
        if !pending && !failing {
            return None;
        }
        let Watched {
            resource,
            namespace,
            name,
            ..
        } = &self.watched;
        let mut text = match name {
            Some(name) => format!("the {resource} named {name} in "),
            None => format!("the {resource} in "),
        };
        text += &namespace.as_ref().map_or_else(
            || "all namespaces".to_owned(),
            |namespace| format!("the namespace {namespace}"),
        );
        text += match self.first_list {
            FirstList::Pending if pending => " have not been listed yet",
            FirstList::Pending => " can't be listed",
            FirstList::LeftOut => " can't be listed and are left out",
            FirstList::Ended => " can't be watched any more, and changes of them are not seen",
        };
        if let Some(problem) = &self.problem {
            // Writing to a string never fails.
            let _ = write!(text, ": {}", problem.words);
        }
        text.push('\n');
        Some(text)
    }
}

impl WatchHealth {
    /// Notes that a list or watch request was answered at this time, in seconds since 1970. Returns
    /// the oldest of the last answers to the watches of this resource and namespace, which is 0 if
    /// one of them was never answered.
    pub fn answered(&self, now: i64) -> i64 {
        let mut watches = self.readiness.watches();
        self.update(&mut watches, |watch| {
            watch.answered = now;
            watch.problem = None;
        });
        let own = watches.get(&self.key).map(|watch| &watch.watched);
        let group = watches.values().filter(|watch| {
            own.is_some_and(|own| {
                (own.resource, &own.namespace) == (watch.watched.resource, &watch.watched.namespace)
            })
        });
        group.map(|watch| watch.answered).min().unwrap_or(now)
    }

    /// Notes that a list or watch request failed. `words` are short, and hold no secret.
    pub fn failed(&self, words: String) {
        self.update(&mut self.readiness.watches(), |watch| {
            let since = watch.problem.as_ref().map(|problem| problem.since);
            watch.problem = Some(Problem {
                since: since.unwrap_or_else(Instant::now),
                words,
            });
        });
    }

    /// Notes that the first list has ended, which is an answer too.
    pub fn listed(&self) {
        self.update(&mut self.readiness.watches(), |watch| {
            watch.first_list = FirstList::Ended;
            watch.problem = None;
        });
    }

    /// Notes that the operator continues without the first list.
    pub fn left_out(&self) {
        self.update(&mut self.readiness.watches(), |watch| {
            watch.first_list = FirstList::LeftOut;
        });
    }

    fn update(&self, watches: &mut Watches, change: impl FnOnce(&mut WatchState)) {
        if let Some(watch) = watches.get_mut(&self.key) {
            change(watch);
        }
    }
}

impl Drop for WatchHealth {
    fn drop(&mut self) {
        self.readiness.watches().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(readiness: &Arc<Readiness>, namespace: Option<&str>) -> WatchHealth {
        readiness.add_watch(Watched::objects(namespace), Duration::ZERO)
    }

    fn secret(readiness: &Arc<Readiness>, name: &str) -> WatchHealth {
        let watched = Watched {
            resource: "secrets",
            namespace: None,
            name: Some(name.into()),
            required: false,
        };
        readiness.add_watch(watched, Duration::ZERO)
    }

    fn report(readiness: &Readiness) -> (bool, String) {
        let Report { ready, text } = readiness.report();
        (ready, text)
    }

    #[test]
    fn an_operator_is_ready_once_it_has_listed_everything() {
        let readiness = Arc::<Readiness>::default();
        assert!(!readiness.report().ready);
        let (a, b) = (
            objects(&readiness, Some("team-a")),
            objects(&readiness, Some("team-b")),
        );
        a.listed();
        let text = "the oxenmodels in the namespace team-b have not been listed yet\n";
        assert_eq!(report(&readiness), (false, text.into()));
        b.failed("no answer".into());
        let text = "the oxenmodels in the namespace team-b have not been listed yet: no answer\n";
        assert_eq!(report(&readiness), (false, text.into()));
        assert_eq!(b.answered(7), 7);
        b.listed();
        assert_eq!(report(&readiness), (true, "ok\n".into()));
    }

    #[test]
    fn a_watch_counts_until_its_health_is_dropped() {
        let readiness = Arc::<Readiness>::default();
        let standby = [
            objects(&readiness, Some("team-a")),
            objects(&readiness, Some("team-b")),
        ];
        standby.iter().for_each(WatchHealth::listed);
        assert_eq!(report(&readiness), (true, "ok\n".into()));
        drop(standby);
        let text = "the watches have not been started yet\n";
        assert_eq!(report(&readiness), (false, text.into()));
        let [a, b] = ["team-a", "team-b"].map(|name| objects(&readiness, Some(name)));
        drop(a);
        b.failed("403 Forbidden".into());
        let c = objects(&readiness, Some("team-c"));
        c.listed();
        let (ready, text) = report(&readiness);
        assert!(
            !ready && text.contains("team-b") && text.lines().count() == 1,
            "{text}"
        );
        b.listed();
        assert_eq!(report(&readiness), (true, "ok\n".into()));
    }

    #[test]
    fn a_namespace_that_is_left_out_is_named_and_the_others_are_served() {
        let readiness = Arc::<Readiness>::default();
        let (a, b) = (
            objects(&readiness, Some("team-a")),
            objects(&readiness, Some("team-b")),
        );
        a.listed();
        b.failed("403 Forbidden".into());
        b.left_out();
        let problem = "the oxenmodels in the namespace team-b can't be listed and are left out: \
                       403 Forbidden\n";
        let text = format!("ok, except for:\n{problem}");
        assert_eq!(report(&readiness), (true, text));
        // Nothing is served any more.
        a.failed("403 Forbidden".into());
        let (ready, text) = report(&readiness);
        assert!(
            !ready && text.contains("team-a") && text.ends_with(problem),
            "{text}"
        );
        a.answered(1);
        b.answered(1);
        b.listed();
        assert_eq!(report(&readiness), (true, "ok\n".into()));
    }

    #[test]
    fn a_note_is_in_every_report_and_changes_no_readiness() {
        let readiness = Arc::<Readiness>::default();
        readiness.set_note(Some("a note"));
        let text = "the watches have not been started yet\na note\n";
        assert_eq!(report(&readiness), (false, text.into()));
        let all = objects(&readiness, None);
        let text = "the oxenmodels in all namespaces have not been listed yet\na note\n";
        assert_eq!(report(&readiness), (false, text.into()));
        all.listed();
        let text = "ok, except for:\na note\n";
        assert_eq!(report(&readiness), (true, text.into()));
        readiness.set_note(None);
        assert_eq!(report(&readiness), (true, "ok\n".into()));
    }

    #[test]
    fn a_lost_watch_right_is_named() {
        let readiness = Arc::<Readiness>::default();
        let all = objects(&readiness, None);
        let key = secret(&readiness, "oxen-api-key");
        all.listed();
        assert_eq!(
            report(&readiness),
            (true, "ok\n".into()),
            "a Secret is not waited for"
        );
        key.failed("403 Forbidden".into());
        let text = "ok, except for:\nthe secrets named oxen-api-key in all namespaces can't be \
                    listed: 403 Forbidden\n";
        assert_eq!(report(&readiness), (true, text.into()));
        key.answered(1);
        key.listed();
        all.failed("403 Forbidden".into());
        let text = "the oxenmodels in all namespaces can't be watched any more, and changes of \
                    them are not seen: 403 Forbidden\n";
        assert_eq!(report(&readiness), (false, text.into()));
        all.answered(2);
        assert!(readiness.report().ready);
    }

    #[test]
    fn a_short_failure_is_not_named() {
        let readiness = Arc::<Readiness>::default();
        let watched = Watched::objects(None);
        let all = readiness.add_watch(watched, Duration::from_secs(3600));
        all.listed();
        all.failed("no answer".into());
        assert_eq!(report(&readiness), (true, "ok\n".into()));
    }

    #[test]
    fn the_oldest_answer_of_several_secrets_counts() {
        let readiness = Arc::<Readiness>::default();
        let (a, b) = (secret(&readiness, "a"), secret(&readiness, "b"));
        assert_eq!(a.answered(10), 0, "b was never answered");
        assert_eq!(b.answered(20), 10);
        assert_eq!(a.answered(30), 20);
    }
}
