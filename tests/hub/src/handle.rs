//! The handle that tests hold: keys, models, faults, journal, stop and restart.

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
use crate::state::{HubState, NoSuchModel};
use crate::{api, control};

type Callback = Box<dyn Fn(&Entry) + Send + Sync>;

/// The callbacks that the hub calls for each request.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) arrival: Option<Callback>,
    pub(crate) outcome: Option<Callback>,
}

/// A running simulator. Clones are handles to the same simulator, which stops when the last handle
/// is dropped.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    /// The server is missing in the handle that the server itself holds, because a cycle would keep
    /// the server alive.
    server: Option<Arc<Server>>,
}

struct Shared {
    state: Mutex<HubState>,
    journal: watch::Sender<Journal>,
    has_journal: bool,
    started: Instant,
    callbacks: Callbacks,
}

impl Hub {
    /// Creates a builder. By default the hub has no models, listens on a free port of 127.0.0.1,
    /// and has the default account and key.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn serve(
        address: SocketAddr,
        state: HubState,
        callbacks: Callbacks,
        has_journal: bool,
    ) -> io::Result<Self> {
        let shared = Shared {
            state: Mutex::new(state),
            journal: watch::Sender::new(Journal::default()),
            has_journal,
            started: Instant::now(),
            callbacks,
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

    /// Starts a hub with the defaults of [`Self::builder`].
    ///
    /// # Errors
    /// Returns an error if the hub can't listen on a port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Returns the base URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.server
            .as_ref()
            .map_or_else(String::new, |server| format!("http://{}", server.address))
    }

    /// Closes the listener and every connection. The hub keeps its state and its port, and its
    /// clock runs on.
    ///
    /// # Errors
    /// Returns an error if the server's task panicked.
    pub async fn stop(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Listens on the same address again, after [`Self::stop`].
    ///
    /// # Errors
    /// Returns an error if the hub can't listen on its port.
    pub async fn restart(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.restart(self.router()).await,
            None => Ok(()),
        }
    }

    /// Adds a key to an account. The account may be new.
    pub fn add_key(&self, account: &str, key: &str) {
        self.add_key_of([account], key);
    }

    /// Adds a key to several accounts, as [`Builder::key_of`] does. If the hub has the key, the
    /// accounts replace the former ones.
    pub fn add_key_of<S: Into<String>>(&self, accounts: impl IntoIterator<Item = S>, key: &str) {
        let accounts = accounts.into_iter().map(Into::into).collect();
        self.state().keys.insert(key.into(), accounts);
    }

    /// Makes a key invalid.
    pub fn revoke_key(&self, key: &str) {
        self.state().keys.remove(key);
    }

    /// Adds a model. It replaces an earlier model with the same owner and name.
    pub fn add_model(&self, model: Model) {
        self.state().models.insert(model);
    }

    /// Removes every model with this name or UUID. The hub then responds that it is not found. The
    /// id can have the owner before the name, as `acme/my-bot` has, if another owner's model of
    /// that name has to stay.
    ///
    /// # Errors
    /// Returns an error if no model has this name or UUID.
    pub fn remove_model(&self, id: &str) -> Result<(), NoSuchModel> {
        let mut state = self.state();
        state.position(id)?;
        state.models.retain(|model| !model.has_id(id));
        Ok(())
    }

    /// Changes a model: `hub.change("my-bot", |model| model.never_deploys())`.
    ///
    /// # Errors
    /// Returns an error if no model has this name or UUID.
    pub fn change(&self, id: &str, change: impl FnOnce(Model) -> Model) -> Result<(), NoSuchModel> {
        let mut state = self.state();
        let model = state.model(id)?.clone();
        let position = state.position(id)?;
        state.models.replace(position, change(model));
        Ok(())
    }

    /// Sets the status of all deployments of a model at the provider, as another client would. The
    /// cached status stays the same.
    ///
    /// # Errors
    /// Returns an error if no model has this name or UUID.
    pub fn set_status(&self, id: &str, status: &str) -> Result<(), NoSuchModel> {
        self.state().model(id)?.set_status_at_provider(status);
        Ok(())
    }

    /// Does what a request for inference does. An active model stays active for another idle
    /// time-out. A model that the time-out turned off starts to deploy. A model that is off for
    /// another reason stays off.
    ///
    /// # Errors
    /// Returns an error if no model has this name or UUID.
    pub fn touch(&self, id: &str) -> Result<(), NoSuchModel> {
        let mut state = self.state();
        let delays = state.delays;
        state.model(id)?.receive_request(delays, Instant::now());
        Ok(())
    }

    /// Sets or removes the time-out of [`Builder::idle_timeout`]. The time without a request before
    /// this moment counts.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        let mut state = self.state();
        state.turn_off_idle_models(Instant::now());
        state.switches.idle_timeout = timeout;
    }

    /// Sets the hub's clock ahead by this many seconds, or back by a negative number. The `Date` of
    /// its responses shows that.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state().switches.clock_offset = seconds;
    }

    /// Sets the switch [`Builder::not_found_as_message`].
    pub fn set_not_found_as_message(&self, on: bool) {
        self.state().switches.not_found_as_message = on;
    }

    /// Sets the switch [`Builder::invalid_key_is_none`].
    pub fn set_invalid_key_is_none(&self, on: bool) {
        self.state().switches.invalid_key_is_none = on;
    }

    /// Sets the switch [`Builder::prefixed_ids`].
    pub fn set_prefixed_ids(&self, on: bool) {
        self.state().switches.prefixed_ids = on;
    }

    /// Returns the statuses at the provider, without a request.
    ///
    /// # Errors
    /// Returns an error if no model has this name or UUID.
    pub fn live(&self, id: &str) -> Result<Vec<String>, NoSuchModel> {
        Ok(self.state().model(id)?.live(Instant::now()))
    }

    /// Counts the models whose deployments all have this status at the provider, and which have a
    /// deployment, without a request.
    #[must_use]
    pub fn count_live(&self, status: &str) -> usize {
        let now = Instant::now();
        let mut state = self.state();
        state.turn_off_idle_models(now);
        let all = state.models.iter();
        all.filter(|model| model.is_live(status, now)).count()
    }

    /// Returns the UUID of a model, which works in place of its name.
    ///
    /// # Errors
    /// Returns an error if no model has this name or UUID.
    pub fn uuid(&self, id: &str) -> Result<String, NoSuchModel> {
        Ok(self.state().model(id)?.uuid())
    }

    /// Adds a fault after the existing ones. Returns its id for [`Self::clear_fault`].
    pub fn inject(&self, fault: Fault) -> u64 {
        let mut state = self.state();
        state.last_fault += 1;
        let id = state.last_fault;
        state.faults.push((id, fault));
        id
    }

    /// Removes a fault.
    pub fn clear_fault(&self, id: u64) {
        self.state().faults.retain(|(other, _)| *other != id);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Returns a copy of the journal.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.shared.journal.borrow().clone()
    }

    /// Removes all entries from the journal, including those of pending requests.
    pub fn clear_journal(&self) {
        self.shared.journal.send_modify(Journal::clear);
    }

    /// Waits until the predicate is true for the journal, and returns that journal. The predicate
    /// is evaluated whenever the journal changes: when a request arrives, takes effect or has an
    /// outcome.
    ///
    /// # Errors
    /// Returns an error if the predicate is still false at the deadline.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        mut predicate: impl FnMut(&Journal) -> bool,
    ) -> Result<Journal, TimedOut> {
        let mut journal = self.shared.journal.subscribe();
        match timeout(deadline, journal.wait_for(|journal| predicate(journal))).await {
            Ok(Ok(journal)) => Ok(journal.clone()),
            // The channel stays open because this handle owns the sender, so this is the timeout.
            Ok(Err(_)) | Err(_) => Err(TimedOut {
                deadline,
                journal: self.journal(),
            }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, HubState> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry to the journal, and sets its sequence number and time.
    pub(crate) fn journal_entry(&self, mut entry: Entry) -> Entry {
        entry.at = self.shared.started.elapsed();
        if self.shared.has_journal {
            self.shared
                .journal
                .send_modify(|journal| entry.seq = journal.add(&entry));
        }
        if let Some(callback) = &self.shared.callbacks.arrival {
            callback(&entry);
        }
        entry
    }

    pub(crate) fn journal_update(&self, entry: &Entry) {
        if self.shared.has_journal {
            self.shared
                .journal
                .send_modify(|journal| journal.update(entry));
        }
        if let Some(callback) = self
            .shared
            .callbacks
            .outcome
            .as_ref()
            .filter(|_| entry.is_over())
        {
            callback(entry);
        }
    }

    fn router(&self) -> Router {
        let handle = Self {
            server: None,
            ..self.clone()
        };
        Router::new()
            .nest("/_hub", control::routes())
            .fallback(api::handle)
            .with_state(handle)
    }
}
