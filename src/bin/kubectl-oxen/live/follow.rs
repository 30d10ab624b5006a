//! The objects of a scope and their changes, until the receiver is gone. A lost connection is
//! reported and opened again. Credentials that are no longer accepted are renewed.

use std::{cell::Cell, pin::pin, rc::Rc, time::Duration};

use futures::StreamExt;
use kube::{
    ResourceExt,
    api::{WatchEvent, WatchParams},
    core::DynamicObject,
};
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, sleep, timeout},
};

use crate::{
    exec::Terminal,
    explain::{Asked, Trouble},
    fetch::{Scope, Seen},
    item::Item,
    outcome::Failure,
    renewable::{RENEWED, Renewable},
    session::Session,
};

/// How long the API server keeps one watch request open, in seconds.
const WATCH: u32 = 60;

/// How long a watch may say nothing, not even that it ends, until the connection counts as lost.
const SILENT: Duration = Duration::from_secs(75);

/// The waits before a lost connection is taken up again: the first one, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

/// How often the events of one object are read.
const EVENTS: Duration = Duration::from_secs(5);

/// What is new.
#[derive(Debug)]
pub enum Update {
    /// All objects.
    All(Vec<Item>),
    /// A new or changed object.
    Changed(Box<Item>),
    /// An object that is gone.
    Gone(Box<Item>),
    /// The events of one object, or why they can't be read.
    Events(Result<Vec<Seen>, String>),
    /// The connection is lost, and why.
    Lost(String),
}

/// A list of objects, and its resource version.
pub type List = (Vec<Item>, String);

/// The sessions of a run that goes on when its credentials expire.
struct Sessions<'a> {
    renewable: &'a Renewable,
    /// When the credentials were renewed.
    renewed: Cell<Option<Instant>>,
}

impl Sessions<'_> {
    /// Renews the credentials of a session if they are why it failed. They are left as they are
    /// where they were renewed just before. The credential plugin has no part of the screen.
    ///
    /// # Errors
    ///
    /// Why the session has failed, or why its credentials can't be renewed.
    async fn renew(&self, old: &Rc<Session>, trouble: Trouble) -> Result<(), String> {
        let newer = !Rc::ptr_eq(&self.renewable.current().await, old);
        let just = self.renewed.get().is_some_and(|at| at.elapsed() < RENEWED);
        if !trouble.unauthorized || (just && !newer) {
            return Err(trouble.why);
        }
        if !newer {
            self.renewed.set(Some(Instant::now()));
        }
        match self.renewable.renew(old, Terminal::Withheld).await {
            Ok(_) => Ok(()),
            Err(Failure::Because(sentence)) => Err(sentence.trim_end_matches('.').to_owned()),
            Err(Failure::ReaderGone) => Err(trouble.why),
        }
    }
}

/// Sends each update until the receiver is gone. `first` is the list, if there is one already.
pub async fn follow(
    renewable: &Renewable,
    scope: Scope<'_>,
    first: Option<List>,
    send: Sender<Update>,
) {
    let sessions = Sessions {
        renewable,
        renewed: Cell::new(None),
    };
    let events = async {
        match scope.name {
            Some(name) => events(&sessions, name, &send).await,
            None => send.closed().await,
        }
    };
    futures::join!(objects(&sessions, scope, first, &send), events);
}

async fn objects(
    sessions: &Sessions<'_>,
    scope: Scope<'_>,
    mut list: Option<List>,
    send: &Sender<Update>,
) {
    let [first, longest] = WAITS;
    let mut wait = first;
    while !send.is_closed() {
        let begun = Instant::now();
        let session = sessions.renewable.current().await;
        if let Err(trouble) = watch(&session, scope, list.take(), send).await {
            match sessions.renew(&session, trouble).await {
                Ok(()) => continue,
                Err(why) => drop(send.send(Update::Lost(why)).await),
            }
        }
        if begun.elapsed() > longest {
            wait = first;
        }
        sleep(wait).await;
        wait = (2 * wait).min(longest);
    }
}

/// Lists the objects, unless there is a list, and watches them. Returns `Ok` when the resource
/// version of the list is too old for a watch, or when the receiver is gone.
async fn watch(
    session: &Session,
    scope: Scope<'_>,
    list: Option<List>,
    send: &Sender<Update>,
) -> Result<(), Trouble> {
    let (items, mut version) = match list {
        Some(list) => list,
        None => session.listed(scope).await?,
    };
    if send.send(Update::All(items)).await.is_err() {
        return Ok(());
    }
    let api = session.models(scope.namespace);
    let asked = Asked {
        namespace: scope.namespace,
        ..session.asked("watch", scope.name)
    };
    let mut params = WatchParams::default().timeout(WATCH);
    params.label_selector = scope.selector.map(str::to_owned);
    params.field_selector = scope.fields();
    loop {
        let begun = Instant::now();
        let stream = session.ask(asked, api.watch(&params, &version)).await?;
        let mut stream = pin!(stream);
        while let Some(event) = next(session, asked, &mut stream).await? {
            let update = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    version = object.resource_version().unwrap_or_default();
                    Update::Changed(Box::new(Item::new(object)))
                }
                WatchEvent::Deleted(object) => {
                    version = object.resource_version().unwrap_or_default();
                    Update::Gone(Box::new(Item::new(object)))
                }
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) if status.code == 410 => return Ok(()),
                WatchEvent::Error(status) => {
                    return Err(session.trouble(&kube::Error::Api(status), asked));
                }
            };
            if send.send(update).await.is_err() {
                return Ok(());
            }
        }
        // A watch that ends at once must not be asked for again and again without a pause.
        if begun.elapsed() < WAITS[0] {
            sleep(WAITS[0]).await;
        }
    }
}

/// The next event of a watch, or `None` where the API server ended it.
async fn next(
    session: &Session,
    asked: Asked<'_>,
    stream: &mut (impl futures::Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin),
) -> Result<Option<WatchEvent<DynamicObject>>, Trouble> {
    match timeout(SILENT, stream.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(event))) => Ok(Some(event)),
        Ok(Some(Err(error))) => Err(session.trouble(&error, asked)),
        Err(_) => Err(session.silent(SILENT)),
    }
}

/// Reads the events of one object again and again.
async fn events(sessions: &Sessions<'_>, name: &str, send: &Sender<Update>) {
    loop {
        let session = sessions.renewable.current().await;
        let events = match session.events(name).await {
            Ok(events) => Ok(events),
            Err(trouble) => match sessions.renew(&session, trouble).await {
                Ok(()) => continue,
                Err(why) => Err(why),
            },
        };
        if send.send(Update::Events(events)).await.is_err() {
            return;
        }
        sleep(EVENTS).await;
    }
}
