//! The permits for requests to the Kubernetes API. A namespace whose requests are slow, because of
//! an admission webhook for example, delays no object of another namespace.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    admission::{ROUTINE, URGENT},
    in_use::InUse,
};

/// The largest number of requests in flight in one namespace. It is as many as the reconciles that
/// are admitted for one Secret, so that these never wait for each other.
const PER_NAMESPACE: usize = URGENT + ROUTINE;

/// The largest number of requests in flight, not counting slow ones.
const ALL: usize = 2 * PER_NAMESPACE;

/// The time after which a request counts as slow. A slow request counts only towards the limit of
/// its namespace, so that slow requests of some namespaces don't delay the others.
const SLOW: Duration = Duration::from_secs(1);

/// Limits the requests to the Kubernetes API, in total and in each namespace.
pub(super) struct KubePermits {
    all: Arc<Semaphore>,
    namespaces: InUse<String, Semaphore>,
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
            namespaces: InUse::default(),
        }
    }
}

impl KubePermits {
    /// Waits for a permit for a request in this namespace. The namespace's own limit comes first,
    /// so that a request that waits for it holds no permit that others need.
    pub(super) async fn acquire(&self, namespace: &str) -> KubePermit {
        let make = || Semaphore::new(PER_NAMESPACE);
        let local = self.namespaces.get(namespace, make);
        // `acquire` fails only if the semaphore is closed, and it never is.
        KubePermit {
            _local: local.acquire_owned().await.ok(),
            global: self.all.clone().acquire_owned().await.ok(),
        }
    }

    /// Waits until the requests that wait now, and are not held up by their own namespace, have
    /// their permits.
    pub(super) async fn ready(&self) {
        drop(self.all.acquire().await);
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use futures::{FutureExt, future::join_all};
    use tokio::task::unconstrained;

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
    }

    #[tokio::test(start_paused = true)]
    async fn slow_requests_count_only_towards_the_limit_of_their_namespace() {
        let permits = KubePermits::default();
        // The test takes more permits at once than tokio lets one task take.
        let take = |namespace: &str| unconstrained(permits.acquire(namespace)).now_or_never();
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
