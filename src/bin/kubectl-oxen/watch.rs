//! The driver of a wait: it follows the object, tells each change of the reason, and ends with the
//! verdict, at the time limit or with Ctrl-C.

use std::{pin::pin, time::Duration};

use futures::StreamExt;
use kube::{
    core::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use oxen_operator::api::OxenModel;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::{
    age, clean,
    console::Console,
    item::Item,
    outcome::{Failure, Outcome},
    session::Session,
    wait::{Progress, Request},
    when::Now,
};

/// How long a wait lasts for an object whose spec has no progress deadline.
const DEFAULT: Duration = Duration::from_secs(31 * 60);

/// How often a wait says that it goes on, so that CI doesn't end a silent job.
const REMINDER: Duration = Duration::from_secs(60);

/// A wait for one object.
pub struct Wait<'a> {
    pub session: &'a Session,
    pub console: &'a Console,
    pub request: Request,
    /// The time limit of `--timeout`.
    pub timeout: Option<Duration>,
    /// What stays in force where the wait ends early, as a sentence.
    pub stays: String,
}

impl Wait<'_> {
    /// Waits for the object, and says how it went.
    ///
    /// # Errors
    ///
    /// The object can't be followed, is gone, or the operator refused the request.
    pub async fn run(&self, item: &Item) -> Result<(Outcome, Option<DynamicObject>), Failure> {
        let spec = item
            .object
            .as_ref()
            .ok()
            .and_then(|it| it.spec.progress_deadline);
        let own = spec.map(|deadline| deadline.0 + Duration::from_secs(60));
        let limit = self.timeout.or(own).unwrap_or(DEFAULT);
        let mut follow = Follow {
            wait: self,
            name: item.name(),
            full: item.full_name(),
            begun: Instant::now(),
            told: Progress::Unseen,
            complained: false,
        };
        let outcome = tokio::select! {
            done = follow.objects() => return done,
            () = sleep(limit) => {
                follow.timed_out(limit);
                Outcome::TimedOut
            }
            _ = tokio::signal::ctrl_c() => {
                self.console.say(&format!("Stopped waiting. {}", self.stays));
                Outcome::Interrupted
            }
        };
        Ok((outcome, None))
    }
}

/// A wait under way.
struct Follow<'a> {
    wait: &'a Wait<'a>,
    name: String,
    full: String,
    begun: Instant,
    /// The progress that was told last.
    told: Progress,
    /// Whether the connection is lost, and this was told.
    complained: bool,
}

impl Follow<'_> {
    async fn objects(&mut self) -> Result<(Outcome, Option<DynamicObject>), Failure> {
        let session = self.wait.session;
        let api = session.models(Some(&session.namespace));
        let stream = watcher::watch_object(api, &self.name).default_backoff();
        let mut stream = pin!(stream);
        let mut reminder = interval_at(Instant::now() + REMINDER, REMINDER);
        reminder.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                _ = reminder.tick() => {
                    self.remind();
                    continue;
                }
            };
            match event {
                Some(Ok(Some(object))) => {
                    self.complained = false;
                    if let Some(outcome) = self.observe(&object)? {
                        return Ok((outcome, Some(object)));
                    }
                }
                Some(Ok(None)) => {
                    return Err(format!("{} is gone.", self.full).into());
                }
                Some(Err(error)) => self.lost(&error)?,
                None => return Err(format!("{} can't be watched.", self.full).into()),
            }
        }
    }

    /// Goes on where the connection is lost. A refusal of the API server ends the wait.
    fn lost(&mut self, error: &watcher::Error) -> Result<(), Failure> {
        let (watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause)) = error
        else {
            return Ok(());
        };
        let asked = self.wait.session.asked("watch", Some(&self.name));
        if matches!(cause, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404)) {
            return Err(self.wait.session.trouble(cause, asked).into());
        }
        if !self.complained {
            self.wait.console.say("  connection lost, retrying");
            self.complained = true;
        }
        Ok(())
    }

    /// Tells what changed, and ends the wait where the object is done or needs a person.
    fn observe(&mut self, object: &DynamicObject) -> Result<Option<Outcome>, Failure> {
        let decoded: OxenModel = object.clone().try_parse().map_err(|error| {
            let problem = clean::line(&error.to_string());
            Failure::Because(format!("{} can't be read: {problem}", self.full))
        })?;
        let progress = self.wait.request.progress(&decoded);
        if progress != self.told {
            self.tell(&progress);
            self.told = progress.clone();
        }
        let console = self.wait.console;
        match progress {
            Progress::Unseen | Progress::Working(..) => Ok(None),
            Progress::Done(reason, _) => {
                let after = self.elapsed();
                console.say(&format!("{} is {reason} after {after}.", self.full));
                Ok(Some(Outcome::Done))
            }
            Progress::Stalled(reason, message) => {
                let (full, stays) = (&self.full, &self.wait.stays);
                console.error(&format!("{full} is stalled: {reason}. {message} {stays}"));
                Ok(Some(Outcome::Stalled))
            }
            Progress::Refused(why) => Err(format!("the operator refuses it: {why}.").into()),
        }
    }

    fn tell(&self, progress: &Progress) {
        let now = Now::here();
        let time = now.clock(now.time);
        if self.told == Progress::Unseen && !matches!(progress, Progress::Refused(_)) {
            self.wait
                .console
                .say(&format!("  {time}  accepted by the operator"));
        }
        match progress {
            Progress::Working(reason, message)
            | Progress::Done(reason, message)
            | Progress::Stalled(reason, message) => {
                let line = format!("  {time}  {reason}: {message}");
                self.wait.console.say(&line);
            }
            Progress::Unseen | Progress::Refused(_) => {}
        }
    }

    fn remind(&self) {
        let what = match &self.told {
            Progress::Working(reason, _) => reason.clone(),
            _ => "not seen by the operator".into(),
        };
        self.wait
            .console
            .say(&format!("  still {what} after {}", self.elapsed()));
    }

    fn timed_out(&self, limit: Duration) {
        let limit = oxen_operator::api::Span(limit);
        let stays = &self.wait.stays;
        self.wait.console.error(&match &self.told {
            Progress::Working(reason, message) => {
                format!(
                    "{} is not done after {limit}: {reason}. {message} {stays}",
                    self.full
                )
            }
            _ => format!(
                "{} is not done after {limit}: the operator has not answered the request. Does it \
                 run? {stays}",
                self.full
            ),
        });
    }

    fn elapsed(&self) -> String {
        let elapsed = jiff::SignedDuration::try_from(self.begun.elapsed());
        age::duration(elapsed.unwrap_or_default())
    }
}
