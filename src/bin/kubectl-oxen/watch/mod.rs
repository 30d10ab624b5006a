//! The driver of a wait: it follows the objects, tells each change of a reason, and ends with the
//! verdict, at the time limit or with Ctrl-C.

use std::{pin::pin, rc::Rc, time::Duration};

use futures::StreamExt;
use kube::{
    core::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use oxen_operator::api::OxenModel;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::{
    clean,
    console::Console,
    exec::Terminal,
    item::Item,
    outcome::{Failure, Outcome},
    renewable::{RENEWED, Renewable},
    session::Session,
    wait::{Progress, Request},
    when::Now,
};

mod words;

/// How long a wait lasts for an object whose spec has no progress deadline.
const DEFAULT: Duration = Duration::from_secs(31 * 60);

/// How often a wait says that it goes on, so that CI doesn't end a silent job.
const REMINDER: Duration = Duration::from_secs(60);

/// How long the API server keeps one watch request open, in seconds. A dead connection is noticed a
/// few seconds later.
const WATCH: u32 = 60;

/// The pause before the object is listed again because its version is too old to be watched.
const LIST_AGAIN: Duration = Duration::from_secs(1);

/// How often a terminal shows for how long the wait has gone on.
const REFRESH: Duration = Duration::from_secs(1);

/// How long a requested reconcile may be unanswered where the last observation failed. The status
/// that says so can be from before the request, and the operator observes the model at once.
const UNANSWERED: Duration = Duration::from_secs(20);

/// A change that is waited for.
pub struct Changed {
    /// The object after the change, and then as it was last seen.
    pub item: Item,
    pub request: Request,
}

/// The waits for all objects of one run, which are under way together.
pub struct Waits<'a> {
    pub session: &'a Renewable,
    pub console: &'a Console,
    /// The time limit of `--timeout`.
    pub timeout: Option<Duration>,
    /// What stays in force where a wait ends early, as a sentence.
    pub stays: &'a str,
    /// What follows the verdict of a change that is done, such as its cost.
    pub then: &'a dyn Fn(&Item) -> String,
    /// Whether the verdicts are data. With `-o`, the objects are.
    pub verdicts: bool,
    /// Whether several objects are waited for, so that each line needs the name of its object.
    pub several: bool,
}

impl Waits<'_> {
    /// Waits for all objects, and says how it went.
    ///
    /// # Errors
    ///
    /// Standard output can't be written.
    pub async fn run(&self, changed: &mut [Changed]) -> Result<Outcome, Failure> {
        let all = futures::future::join_all(changed.iter_mut().map(|one| self.one(one)));
        tokio::select! {
            outcomes = all => {
                let mut worst = Outcome::Done;
                for outcome in outcomes {
                    worst = worst.worst(outcome?);
                }
                Ok(worst)
            }
            _ = tokio::signal::ctrl_c() => {
                self.console.say(&format!("Stopped waiting. {}", self.stays));
                Ok(Outcome::Interrupted)
            }
        }
    }

    /// Waits for one object. A failure concerns no other one.
    async fn one(&self, changed: &mut Changed) -> Result<Outcome, Failure> {
        let item = &mut changed.item;
        let spec = (item.object.as_ref().ok()).and_then(|it| it.spec.progress_deadline);
        let own = spec.map(|deadline| deadline.0 + Duration::from_secs(60));
        let limit = self.timeout.or(own).unwrap_or(DEFAULT);
        let mut follow = Follow {
            waits: self,
            request: &changed.request,
            name: item.name(),
            full: item.full_name(),
            item,
            begun: Instant::now(),
            told: Progress::Unseen,
            seen: false,
            complained: false,
            renewed: None,
        };
        let outcome = tokio::select! {
            done = follow.objects() => done,
            () = sleep(limit) => {
                follow.timed_out(limit);
                Ok(Outcome::TimedOut)
            }
        };
        match outcome {
            Err(Failure::Because(sentence)) => {
                self.console.error(&sentence);
                Ok(Outcome::Failed)
            }
            other => other,
        }
    }
}

/// A wait under way.
struct Follow<'a> {
    waits: &'a Waits<'a>,
    request: &'a Request,
    name: String,
    full: String,
    item: &'a mut Item,
    begun: Instant,
    /// The progress that was told last.
    told: Progress,
    /// Whether the operator has seen the request. A later generation of the spec, which it has not
    /// observed yet, takes nothing of that back.
    seen: bool,
    /// Whether the connection is lost, and this was told.
    complained: bool,
    /// When the credentials were renewed.
    renewed: Option<Instant>,
}

/// What follows an error of the watch.
enum Next {
    /// The watch goes on by itself.
    Retry,
    /// The version is too old to be watched. kube's watcher would retry with the same version.
    List,
    /// The credentials are no longer accepted.
    Renew,
}

impl Follow<'_> {
    /// Follows the object to the end of the wait. Credentials that are no longer accepted are
    /// renewed.
    async fn objects(&mut self) -> Result<Outcome, Failure> {
        let mut session = self.waits.session.current().await;
        loop {
            if let Some(outcome) = self.watch(&session).await? {
                return Ok(outcome);
            }
            self.renewed = Some(Instant::now());
            session = (self.waits.session)
                .renew(&session, Terminal::Shared)
                .await?;
        }
    }

    /// Follows the object, and returns `None` when the credentials need to be renewed.
    async fn watch(&mut self, session: &Rc<Session>) -> Result<Option<Outcome>, Failure> {
        let api = session.models(Some(&session.namespace));
        let fields = format!("metadata.name={}", self.name);
        let config = watcher::Config::default().fields(&fields).timeout(WATCH);
        let start = || watcher(api.clone(), config.clone()).default_backoff();
        let mut stream = pin!(start());
        let mut exists = false;
        let mut reminder = interval_at(Instant::now() + REMINDER, REMINDER);
        reminder.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shown = !self.waits.several && self.waits.console.can_replace();
        let mut refresh = interval_at(Instant::now() + REFRESH, REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = self.begun + UNANSWERED;
        loop {
            let unanswered = matches!(self.told, Progress::Unanswered(..));
            let event = tokio::select! {
                event = stream.next() => event,
                _ = refresh.tick(), if shown => {
                    self.show();
                    continue;
                }
                _ = reminder.tick(), if !shown => {
                    self.remind();
                    continue;
                }
                () = sleep_until(patience), if unanswered => {
                    return Ok(Some(self.unanswered()));
                }
            };
            match event {
                Some(Ok(Event::Init)) => exists = false,
                Some(Ok(Event::InitApply(object) | Event::Apply(object))) => {
                    (exists, self.complained) = (true, false);
                    if let Some(outcome) = self.observe(object)? {
                        return Ok(Some(outcome));
                    }
                }
                Some(Ok(Event::InitDone)) if exists => {}
                Some(Ok(Event::InitDone | Event::Delete(_))) => {
                    return Err(format!("{} is gone.", self.full).into());
                }
                Some(Err(error)) => match self.lost(&error, session)? {
                    Next::Retry => {}
                    Next::List => {
                        sleep(LIST_AGAIN).await;
                        stream.set(start());
                    }
                    Next::Renew => return Ok(None),
                },
                None => return Err(format!("{} can't be watched.", self.full).into()),
            }
        }
    }

    /// Goes on where the connection is lost. A refusal of the API server ends the wait.
    fn lost(&mut self, error: &watcher::Error, session: &Session) -> Result<Next, Failure> {
        let code = code(error);
        let renewed = self.renewed.is_some_and(|at| at.elapsed() < RENEWED);
        if code == Some(401) && !renewed {
            return Ok(Next::Renew);
        }
        if let (Some(401 | 403 | 404), Some(cause)) = (code, cause(error)) {
            let asked = session.asked("watch", Some(&self.name));
            return Err(session.trouble(cause, asked).into());
        }
        // The connection is not lost: the version is too old to be watched.
        if code == Some(410) {
            return Ok(Next::List);
        }
        if !self.complained {
            self.say("connection lost, retrying");
            self.complained = true;
        }
        Ok(Next::Retry)
    }

    /// Tells what changed, and ends the wait where the object is done or needs a person.
    fn observe(&mut self, object: DynamicObject) -> Result<Option<Outcome>, Failure> {
        *self.item = Item::new(object);
        let decoded: &OxenModel = self.item.object.as_ref().map_err(|error| {
            let problem = clean::line(error);
            Failure::Because(format!("{} can't be read: {problem}", self.full))
        })?;
        let mut progress = self.request.progress(decoded);
        if progress == Progress::Unseen && self.seen {
            progress = self.told.clone();
        }
        self.seen |= matches!(progress, Progress::Working(..));
        if progress != self.told {
            self.tell(&progress);
            self.told = progress.clone();
        }
        let (console, full, stays) = (self.waits.console, &self.full, self.waits.stays);
        match progress {
            Progress::Unseen | Progress::Unanswered(..) | Progress::Working(..) => Ok(None),
            Progress::Done(reason, _) => self.done(&reason).map(Some),
            Progress::Stalled(reason, message) => {
                console.error(&format!("{full} is stalled: {reason}. {message} {stays}"));
                Ok(Some(Outcome::Stalled))
            }
            Progress::Overridden(state, until) => {
                let until = Now::here().coming(until);
                console.error(&format!(
                    "an override decides that {full} is {state} until {until}. {stays} To end the \
                     override: kubectl oxen auto {} -n {}",
                    self.name,
                    self.item.namespace()
                ));
                Ok(Some(Outcome::Stalled))
            }
            Progress::Refused(why) => {
                let why = why.trim_end_matches('.');
                Err(format!("the operator refuses the override of {full}: {why}.").into())
            }
            Progress::Over(why) => Err(format!("the wait for {full} ended: {why}.").into()),
        }
    }
}

/// The error of the client behind an error of the watch.
fn cause(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => Some(cause),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
    }
}

/// The code of the API server's answer, if it is one.
fn code(error: &watcher::Error) -> Option<u16> {
    match (error, cause(error)) {
        (watcher::Error::WatchError(status), _) => Some(status.code),
        (_, Some(kube::Error::Api(status))) => Some(status.code),
        _ => None,
    }
}
