//! The permits for requests to the Kubernetes API. A namespace whose requests are slow, because of
//! an admission webhook for example, delays no object of another one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest number of requests in flight.
const ALL: usize = 32;

/// The largest number of requests in flight in one namespace.
const PER_NAMESPACE: usize = 16;

/// Bounds the requests to the Kubernetes API, in all and in each namespace.
pub(super) struct KubePermits {
    all: Arc<Semaphore>,
    /// The namespaces that hold permits or wait for some.
    namespaces: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A permit for one request, which ends when it is dropped.
pub(super) struct KubePermit {
    _local: Option<OwnedSemaphorePermit>,
    _global: Option<OwnedSemaphorePermit>,
}

impl Default for KubePermits {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            namespaces: Mutex::default(),
        }
    }
}

impl KubePermits {
    /// Waits for a permit for a request in this namespace. The namespace's own limit comes first:
    /// whoever waits for it holds nothing that others need.
    pub(super) async fn acquire(&self, namespace: &str) -> KubePermit {
        let local = self.namespace(namespace);
        // No semaphore is ever closed, which is the only error that there is.
        KubePermit {
            _local: local.acquire_owned().await.ok(),
            _global: self.all.clone().acquire_owned().await.ok(),
        }
    }

    fn namespace(&self, namespace: &str) -> Arc<Semaphore> {
        // Every change under this lock is a single insertion or removal, so a poisoned lock is
        // usable.
        let namespaces = self.namespaces.lock();
        let mut namespaces = namespaces.unwrap_or_else(PoisonError::into_inner);
        namespaces.retain(|_, local| Arc::strong_count(local) > 1);
        let local = namespaces.entry(namespace.to_owned());
        local
            .or_insert_with(|| Arc::new(Semaphore::new(PER_NAMESPACE)))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_slow_namespace_delays_no_other_one() {
        let permits = KubePermits::default();
        let take = |namespace: &str| permits.acquire(namespace).now_or_never();
        let slow: Vec<_> = (0..PER_NAMESPACE).map(|_| take("slow").unwrap()).collect();
        assert!(take("slow").is_none());
        let other: Vec<_> = (0..ALL - PER_NAMESPACE)
            .map(|_| take("other").unwrap())
            .collect();
        assert!(take("third").is_none(), "all permits are taken");
        drop(other);
        assert!(take("slow").is_none());
        drop(slow);
        let slow = take("slow");
        assert!(slow.is_some());
        drop(slow);
        take("third").unwrap();
        assert!(
            permits.namespaces.lock().unwrap().len() <= 2,
            "idle ones are forgotten"
        );
    }
}
