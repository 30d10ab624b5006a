//! What a hub starts with.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::handle::{Hub, Listeners};
use crate::journal::Entry;
use crate::limit::Limit;
use crate::model::{Delays, Model};
use crate::world::World;

/// What a hub starts with.
pub struct Builder {
    address: SocketAddr,
    keys: BTreeMap<String, String>,
    models: Vec<Model>,
    delays: Delays,
    limit: Option<Limit>,
    listeners: Listeners,
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
            listeners: Listeners::default(),
        }
    }

    /// The address to listen at, where not a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A key of an account. The first one takes the place of the default key.
    #[must_use]
    pub fn key(mut self, account: &str, key: &str) -> Self {
        self.keys.insert(key.into(), account.into());
        self
    }

    /// A model.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.models.push(model);
        self
    }

    /// The believable set of [`crate::samples`], its custom models owned by the default account.
    #[must_use]
    pub fn with_samples(self) -> Self {
        self.with_samples_of(crate::ACCOUNT)
    }

    /// The believable set of [`crate::samples`], its custom models owned by this account.
    #[must_use]
    pub fn with_samples_of(mut self, account: &str) -> Self {
        self.models.extend(crate::samples(account));
        self
    }

    /// How long `deploying` takes: 100 ms, unless said otherwise here or by the model.
    #[must_use]
    pub fn activate_delay(mut self, delay: Duration) -> Self {
        self.delays.activate = delay;
        self
    }

    /// How long `deactivating` takes: 100 ms, unless said otherwise here or by the model.
    #[must_use]
    pub fn deactivate_delay(mut self, delay: Duration) -> Self {
        self.delays.deactivate = delay;
        self
    }

    /// Lets so many requests of a key pass in any one second, and answers 429 to the others, with a
    /// `Retry-After` of one second.
    #[must_use]
    pub fn limit(mut self, per_second: usize) -> Self {
        self.limit = Some(Limit::new(per_second));
        self
    }

    /// Is called with each request as it comes, before anything is done about it.
    #[must_use]
    pub fn on_arrival(mut self, listener: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        self.listeners.arrival = Some(Box::new(listener));
        self
    }

    /// Is called with each request that is over.
    #[must_use]
    pub fn on_request(mut self, listener: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        self.listeners.end = Some(Box::new(listener));
        self
    }

    /// Starts it, on the runtime that this is called in.
    ///
    /// # Errors
    /// The address can't be listened at.
    // Async, although nothing waits, because it must be called within a runtime.
    pub async fn start(mut self) -> io::Result<Hub> {
        if self.keys.is_empty() {
            self.keys.insert(crate::KEY.into(), crate::ACCOUNT.into());
        }
        let mut world = World {
            keys: self.keys,
            models: Vec::new(),
            delays: self.delays,
            limit: self.limit,
            faults: Vec::new(),
            last_fault: 0,
        };
        self.models.into_iter().for_each(|model| world.put(model));
        Hub::serve(self.address, world, self.listeners)
    }
}
