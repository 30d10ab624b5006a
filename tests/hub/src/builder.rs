//! The builder of a hub.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::handle::{Callbacks, Hub};
use crate::journal::Entry;
use crate::limit::Limit;
use crate::model::{Delays, Model};
use crate::models::Models;
use crate::state::HubState;
use crate::switches::Switches;

/// A builder of a hub; [`Hub::builder`] creates it.
pub struct Builder {
    address: SocketAddr,
    keys: BTreeMap<String, Vec<String>>,
    models: Vec<Model>,
    delays: Delays,
    limit: Option<Limit>,
    switches: Switches,
    callbacks: Callbacks,
    has_journal: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let delay = Duration::from_millis(100);
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            keys: BTreeMap::new(),
            models: Vec::new(),
            delays: Delays {
                activate: delay,
                deactivate: delay,
            },
            limit: None,
            switches: Switches::default(),
            callbacks: Callbacks::default(),
            has_journal: true,
        }
    }

    /// Sets the address to listen on. The default is a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Adds a key of an account. A hub that is given any key doesn't have the default key.
    #[must_use]
    pub fn key(self, account: &str, key: &str) -> Self {
        self.key_of([account], key)
    }

    /// Adds a key that belongs to several accounts, such as a person's and a team's. If several of
    /// them own a model of one name, that name means the model of the first such account.
    #[must_use]
    pub fn key_of<S: Into<String>>(
        mut self,
        accounts: impl IntoIterator<Item = S>,
        key: &str,
    ) -> Self {
        let accounts = accounts.into_iter().map(Into::into).collect();
        self.keys.insert(key.into(), accounts);
        self
    }

    /// Adds a model. It replaces an earlier model with the same owner and name.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.models.push(model);
        self
    }

    /// Adds the models of [`crate::samples`]. The default account owns the custom models.
    #[must_use]
    pub fn with_samples(self) -> Self {
        self.with_samples_of(crate::ACCOUNT)
    }

    /// Adds the models of [`crate::samples`]. This account owns the custom models.
    #[must_use]
    pub fn with_samples_of(mut self, account: &str) -> Self {
        self.models.extend(crate::samples(account));
        self
    }

    /// Sets how long `deploying` lasts. The default is 100 ms; a model can have its own delay.
    #[must_use]
    pub fn activate_delay(mut self, delay: Duration) -> Self {
        self.delays.activate = delay;
        self
    }

    /// Sets how long `deactivating` lasts. The default is 100 ms; a model can have its own delay.
    #[must_use]
    pub fn deactivate_delay(mut self, delay: Duration) -> Self {
        self.delays.deactivate = delay;
        self
    }

    /// Limits each key to this many requests in any period of one second. The hub refuses further
    /// requests with a 429 and a `Retry-After` of one second.
    #[must_use]
    pub fn limit(mut self, per_second: usize) -> Self {
        self.limit = Some(Limit::new(per_second));
        self
    }

    /// Sends `Model not found` as `{"error": {"message": "..."}}`, the other documented format.
    #[must_use]
    pub fn not_found_as_message(mut self) -> Self {
        self.switches.not_found_as_message = true;
        self
    }

    /// Processes a request with an invalid key as one without a key, and not as a 401. The list
    /// then has no private models, and a private model is not found.
    #[must_use]
    pub fn invalid_key_is_none(mut self) -> Self {
        self.switches.invalid_key_is_none = true;
        self
    }

    /// Adds the prefix `oxen:` to the id of each custom model in responses.
    #[must_use]
    pub fn prefixed_ids(mut self) -> Self {
        self.switches.prefixed_ids = true;
        self
    }

    /// Turns off a custom model that was active without a request for this time. By default a model
    /// stays active. A model can have its own time-out.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.switches.idle_timeout = Some(timeout);
        self
    }

    /// Sets a callback that gets each request when it arrives, before the hub processes it.
    #[must_use]
    pub fn on_arrival(mut self, callback: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        self.callbacks.arrival = Some(Box::new(callback));
        self
    }

    /// Sets a callback that gets each request when it has an outcome.
    #[must_use]
    pub fn on_request(mut self, callback: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        self.callbacks.outcome = Some(Box::new(callback));
        self
    }

    /// Keeps no journal, so that any number of requests takes no memory. The callbacks still get
    /// each request.
    #[must_use]
    pub fn without_journal(mut self) -> Self {
        self.has_journal = false;
        self
    }

    /// Starts the hub on the current tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the hub can't listen on the address.
    // This function awaits nothing. It is async so that it can only run within a runtime.
    pub async fn start(mut self) -> io::Result<Hub> {
        if self.keys.is_empty() {
            self = self.key(crate::ACCOUNT, crate::KEY);
        }
        let mut state = HubState {
            keys: self.keys,
            models: Models::default(),
            delays: self.delays,
            limit: self.limit,
            switches: self.switches,
            faults: Vec::new(),
            last_fault: 0,
        };
        self.models
            .into_iter()
            .for_each(|model| state.models.insert(model));
        Hub::serve(self.address, state, self.callbacks, self.has_journal)
    }
}
