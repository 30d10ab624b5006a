//! The handle that tests hold.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::builder::Builder;
use crate::fault::Fault;
use crate::journal::{Entry, Journal, TimedOut};
use crate::model::Model;
use crate::server::Server;
use crate::world::{NoSuchModel, World};
use crate::{api, control};

type Listener = Box<dyn Fn(&Entry) + Send + Sync>;

/// Who is told of each request.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) arrival: Option<Listener>,
    pub(crate) end: Option<Listener>,
}

/// A running simulator. Clones are handles on the same one; it stops when the last is dropped.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    /// The server's own handle has none, or it would keep itself alive.
    server: Option<Arc<Server>>,
}

struct Shared {
    world: Mutex<World>,
    journal: watch::Sender<Journal>,
    started: Instant,
    listeners: Listeners,
}

impl Hub {
    /// A hub with no models, at a free port of 127.0.0.1, with the default account and key.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn serve(
        address: SocketAddr,
        world: World,
        listeners: Listeners,
    ) -> io::Result<Self> {
        let shared = Shared {
            world: Mutex::new(world),
            journal: watch::Sender::new(Journal::default()),
            started: Instant::now(),
            listeners,
        };
        let hub = Self {
            shared: Arc::new(shared),
            server: None,
        };
        let server = Server::start(address, hub.router())?;
        Ok(Self {
            server: Some(Arc::new(server)),
            ..hub
        })
    }

    /// [`Self::builder`], started as it is.
    ///
    /// # Errors
    /// No port can be listened at.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// The base URL, with no trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.server
            .as_ref()
            .map_or_else(String::new, |server| format!("http://{}", server.address))
    }

    /// Closes the port and every connection. What the hub knows stays, and its clock goes on; the port is kept.
    ///
    /// # Errors
    /// The port was lost.
    pub async fn stop(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Listens again, at the same address, after [`Self::stop`].
    ///
    /// # Errors
    /// The port was lost.
    pub async fn restart(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.restart(self.router()).await,
            None => Ok(()),
        }
    }

    /// Adds a key to an account, which need not have been heard of.
    pub fn add_key(&self, account: &str, key: &str) {
        self.world().keys.insert(key.into(), account.into());
    }

    /// From now on the key is not valid.
    pub fn revoke_key(&self, key: &str) {
        self.world().keys.remove(key);
    }

    /// Adds a model, in the place of its owner's model of the same name.
    pub fn add_model(&self, model: Model) {
        self.world().put(model);
    }

    /// Removes a model: it is not found from now on.
    ///
    /// # Errors
    /// There is none of that name or UUID.
    pub fn remove_model(&self, id: &str) -> Result<(), NoSuchModel> {
        let mut world = self.world();
        world.model(id)?;
        world.models.retain(|model| !model.called(id));
        Ok(())
    }

    /// Changes a model: `hub.change("my-bot", |model| model.never_deploys())`.
    ///
    /// # Errors
    /// There is none of that name or UUID.
    pub fn change(&self, id: &str, change: impl FnOnce(Model) -> Model) -> Result<(), NoSuchModel> {
        let mut world = self.world();
        let model = world.model(id)?;
        *model = change(model.clone());
        Ok(())
    }

    /// Sets the status at the provider, of all its deployments, as somebody else would: the cache knows nothing of it.
    ///
    /// # Errors
    /// There is none of that name or UUID.
    pub fn set_status(&self, id: &str, status: &str) -> Result<(), NoSuchModel> {
        self.world().model(id)?.drift_now(status);
        Ok(())
    }

    /// The statuses at the provider, with no request made.
    ///
    /// # Errors
    /// There is none of that name or UUID.
    pub fn live(&self, id: &str) -> Result<Vec<String>, NoSuchModel> {
        Ok(self.world().model(id)?.live(Instant::now()))
    }

    /// The UUID to which a model answers too.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn uuid(&self, id: &str) -> Result<String, NoSuchModel> {
        Ok(self.world().model(id)?.uuid())
    }

    /// Adds a fault, behind those that are there. The answer is for [`Self::clear_fault`].
    pub fn inject(&self, fault: Fault) -> u64 {
        let mut world = self.world();
        world.last_fault += 1;
        let id = world.last_fault;
        world.faults.push((id, fault));
        id
    }

    /// Ends a fault.
    pub fn clear_fault(&self, id: u64) {
        self.world().faults.retain(|(other, _)| *other != id);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// A copy of the journal.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.journal.borrow().clone()
    }

    /// Forgets the journal's entries. Requests that are being answered don't come back.
    pub fn clear_journal(&self) {
        self.shared.journal.send_modify(Journal::clear);
    }

    /// Waits until the journal is as the predicate wants it, and answers with it. The predicate is asked again
    /// whenever the journal changes: when a request comes, takes effect and is over.
    ///
    /// # Errors
    /// It didn't come to be so in time.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        mut predicate: impl FnMut(&Journal) -> bool,
    ) -> Result<Journal, TimedOut> {
        let mut journal = self.shared.journal.subscribe();
        match timeout(deadline, journal.wait_for(|journal| predicate(journal))).await {
            Ok(Ok(journal)) => Ok(journal.clone()),
            // The sender lives in this very handle, so only time can end it.
            Ok(Err(_)) | Err(_) => Err(TimedOut {
                deadline,
                journal: self.journal(),
            }),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the entry its number and time.
    pub(crate) fn journal_entry(&self, mut entry: Entry) -> Entry {
        entry.at = self.shared.started.elapsed();
        self.shared
            .journal
            .send_modify(|journal| entry.seq = journal.open(&entry));
        if let Some(listener) = &self.shared.listeners.arrival {
            listener(&entry);
        }
        entry
    }

    pub(crate) fn journal_update(&self, entry: &Entry) {
        self.shared
            .journal
            .send_modify(|journal| journal.update(entry));
        if let Some(listener) = self
            .shared
            .listeners
            .end
            .as_ref()
            .filter(|_| entry.is_over())
        {
            listener(entry);
        }
    }

    fn router(&self) -> Router {
        let own = Self {
            server: None,
            ..self.clone()
        };
        Router::new()
            .nest("/_hub", control::routes())
            .fallback(api::handle)
            .with_state(own)
    }
}
