//! The objects of a scope and their changes, until the receiver is gone. A lost connection is
//! reported and opened again.

use std::{pin::pin, time::Duration};

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
    explain::{Asked, Trouble},
    fetch::{Scope, Seen},
    item::Item,
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

/// Sends each update until the receiver is gone. `first` is the list, if there is one already.
pub async fn follow(
    session: &Session,
    scope: Scope<'_>,
    first: Option<List>,
    send: Sender<Update>,
) {
    let events = async {
        match scope.name {
            Some(name) => events(session, name, &send).await,
            None => send.closed().await,
        }
    };
    futures::join!(objects(session, scope, first, &send), events);
}

async fn objects(
    session: &Session,
    scope: Scope<'_>,
    mut list: Option<List>,
    send: &Sender<Update>,
) {
    let [first, longest] = WAITS;
    let mut wait = first;
    while !send.is_closed() {
        let begun = Instant::now();
        if let Err(trouble) = watch(session, scope, list.take(), send).await {
            let _ = send.send(Update::Lost(trouble.why)).await;
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
async fn events(session: &Session, name: &str, send: &Sender<Update>) {
    loop {
        let events = session.events(name).await.map_err(|trouble| trouble.why);
        if send.send(Update::Events(events)).await.is_err() {
            return;
        }
        sleep(EVENTS).await;
    }
}
