//! The permits for requests to the Kubernetes API. A namespace whose requests are slow, because of
//! an admission webhook for example, delays no object of another namespace.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The largest number of requests in flight, not counting slow ones.
const ALL: usize = 32;

/// The largest number of requests in flight in one namespace.
const PER_NAMESPACE: usize = 16;

/// The time after which a request counts as slow. A slow request counts only towards the limit of
/// its namespace, so that slow requests of some namespaces don't delay the others.
const SLOW: Duration = Duration::from_secs(1);

/// Limits the requests to the Kubernetes API, in total and in each namespace.
pub(super) struct KubePermits {
    all: Arc<Semaphore>,
    /// The namespaces that hold permits or wait for them.
    namespaces: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A permit for one request, which ends when it is dropped.
pub(super) struct KubePermit {
    _local: Option<OwnedSemaphorePermit>,
    global: Option<OwnedSemaphorePermit>,
}

impl KubePermit {
    /// Waits for the response to the request that the permit is for.
    pub(super) async fn during<T>(mut self, response: impl Future<Output = T>) -> T {
        let mut response = pin!(response);
        if let Ok(answer) = timeout(SLOW, &mut response).await {
            return answer;
        }
        self.global = None;
        response.await
    }
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
    /// Waits for a permit for a request in this namespace. The namespace's own limit comes first,
    /// so that a request that waits for it holds no permit that others need.
    pub(super) async fn acquire(&self, namespace: &str) -> KubePermit {
        let local = self.namespace(namespace);
        // `acquire` fails only if the semaphore is closed, and it never is.
        KubePermit {
            _local: local.acquire_owned().await.ok(),
            global: self.all.clone().acquire_owned().await.ok(),
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
    use std::future;

    use futures::{FutureExt, future::join_all};

    use super::*;

    #[test]
    fn one_namespace_has_half_of_the_permits() {
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

    #[tokio::test(start_paused = true)]
    async fn slow_requests_count_only_towards_the_limit_of_their_namespace() {
        let permits = KubePermits::default();
        let take = |namespace: &str| permits.acquire(namespace).now_or_never();
        let in_flight = |namespace| take(namespace).unwrap().during(future::pending::<()>());
        let slow = ["a", "b"].map(|namespace| (0..PER_NAMESPACE).map(move |_| namespace));
        let mut slow = join_all(slow.into_iter().flatten().map(in_flight));
        assert!(take("other").is_none(), "all permits are taken");
        let waited = timeout(SLOW + Duration::from_millis(1), &mut slow).await;
        waited.unwrap_err();
        assert!(take("other").is_some());
        assert!(take("a").is_none() && take("b").is_none());
        drop(slow);
        assert!(take("a").is_some());
    }
}
