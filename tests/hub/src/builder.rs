//! The builder of a hub.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::handle::{Callbacks, Hub};
use crate::journal::Entry;
use crate::limit::Limit;
use crate::model::{Delays, Model};
use crate::state::HubState;

/// A builder of a hub; [`Hub::builder`] creates it.
pub struct Builder {
    address: SocketAddr,
    keys: BTreeMap<String, String>,
    models: Vec<Model>,
    delays: Delays,
    limit: Option<Limit>,
    callbacks: Callbacks,
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
            callbacks: Callbacks::default(),
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
    pub fn key(mut self, account: &str, key: &str) -> Self {
        self.keys.insert(key.into(), account.into());
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

    /// Starts the hub on the current tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the hub can't listen on the address.
    // This function awaits nothing. It is async so that it can only run within a runtime.
    pub async fn start(mut self) -> io::Result<Hub> {
        if self.keys.is_empty() {
            self.keys.insert(crate::KEY.into(), crate::ACCOUNT.into());
        }
        let mut state = HubState {
            keys: self.keys,
            models: Vec::new(),
            delays: self.delays,
            limit: self.limit,
            faults: Vec::new(),
            last_fault: 0,
        };
        self.models
            .into_iter()
            .for_each(|model| state.insert(model));
        Hub::serve(self.address, state, self.callbacks)
    }
}
