//! The Lease in the API server. Every write replaces exactly the version that was read.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::timeout;

use super::{machine::LeaseUpdate, view::LeaseState};

/// The name of the Lease.
pub(super) const NAME: &str = "oxen-operator";

/// The annotation that names who released the Lease after its work had ended. A person who empties
/// the Lease doesn't set it.
const RELEASED_BY: &str = "oxen.ai/released-by";

/// The annotation that lists the namespaces that the last holder watches, so that a replica of
/// another release can see that it stands by for other objects. Leadership doesn't depend on it.
const NAMESPACES: &str = "oxen.ai/namespaces";

#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    #[error("the request for the Lease {NAME} failed: {0}")]
    Kube(#[from] kube::Error),
    #[error("the request for the Lease {NAME} timed out")]
    Timeout,
}

pub(super) struct Leases {
    api: Api<Lease>,
    /// The timeout of one request. Two lost responses must not end the authority.
    timeout: Duration,
    /// The namespaces that this process watches, as the annotation lists them.
    namespaces: String,
}

impl Leases {
    /// The Lease in this namespace, for a process that watches the namespaces `watched`, or all if
    /// that is empty.
    pub(super) fn new(
        client: Client,
        namespace: &str,
        timeout: Duration,
        watched: &[String],
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            timeout,
            namespaces: listed(watched),
        }
    }

    /// The namespaces that this process watches, as the annotation lists them.
    pub(super) fn namespaces(&self) -> &str {
        &self.namespaces
    }

    pub(super) fn api(&self) -> &Api<Lease> {
        &self.api
    }

    pub(super) async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        let read = timeout(self.timeout, self.api.get_opt(NAME)).await;
        read.map_or(Err(LeaseError::Timeout), |answer| Ok(answer?))
    }

    /// Replaces `base`. The API server refuses the write if `base` has changed meanwhile.
    pub(super) async fn write(
        &self,
        base: Option<&Lease>,
        update: &LeaseUpdate,
    ) -> Result<Lease, LeaseError> {
        let lease = updated(base, update, &self.namespaces);
        let params = PostParams::default();
        let write = async {
            match base {
                Some(_) => self.api.replace(NAME, &params, &lease).await,
                None => self.api.create(&params, &lease).await,
            }
        };
        let written = timeout(self.timeout, write).await;
        written.map_or(Err(LeaseError::Timeout), |answer| Ok(answer?))
    }
}

/// Namespaces in alphabetical order with commas, or `*` for all.
fn listed(namespaces: &[String]) -> String {
    if namespaces.is_empty() {
        return "*".into();
    }
    let mut namespaces = namespaces.to_vec();
    namespaces.sort_unstable();
    namespaces.join(",")
}

/// The namespaces that the last holder of a Lease watches, if the Lease lists them.
pub(super) fn namespaces(lease: &Lease) -> Option<&str> {
    let annotations = lease.metadata.annotations.as_ref()?;
    annotations.get(NAMESPACES).map(String::as_str)
}

/// When a Lease was last renewed or released, as its holder's clock showed it.
pub(super) fn last_renewal(lease: &Lease) -> Option<Timestamp> {
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?;
    Some(renewed.0)
}

/// The Lease with the update applied, of a process that watches these namespaces. Everything else
/// on it is kept.
fn updated(base: Option<&Lease>, update: &LeaseUpdate, namespaces: &str) -> Lease {
    let mut lease = base.cloned().unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(NAME.into()),
            ..ObjectMeta::default()
        },
        spec: None,
    });
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(NAMESPACES.into(), namespaces.into());
    annotations.remove(RELEASED_BY);
    if let Some(identity) = &update.released_by {
        annotations.insert(RELEASED_BY.into(), identity.clone());
    }
    let before = lease.spec.take().unwrap_or_default();
    let holder = Some(update.holder.clone()).filter(|holder| !holder.is_empty());
    // The times are for people and for the usage. Leadership depends on neither.
    let now = Some(MicroTime(Timestamp::now()));
    let acquired = holder.is_some() && holder != before.holder_identity;
    lease.spec = Some(LeaseSpec {
        holder_identity: holder,
        lease_duration_seconds: Some(whole_seconds(update.duration)),
        lease_transitions: Some(update.transitions),
        acquire_time: if acquired {
            now.clone()
        } else {
            before.acquire_time
        },
        renew_time: now,
        ..before
    });
    lease
}

/// The duration in seconds, rounded up, so that nobody acquires the Lease too early.
fn whole_seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// The fields of a Lease that leadership depends on.
pub(super) fn state(lease: &Lease) -> LeaseState {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    let annotations = lease.metadata.annotations.as_ref();
    LeaseState {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default(),
        duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        released_by: annotations.and_then(|all| all.get(RELEASED_BY)).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lists_the_namespaces_of_its_last_holder() {
        let update = LeaseUpdate {
            holder: "me".into(),
            transitions: 1,
            duration: Duration::from_secs(30),
            released_by: None,
        };
        let [all, two] = [&[][..], &["b".to_owned(), "a".to_owned()]].map(listed);
        assert_eq!((all.as_str(), two.as_str()), ("*", "a,b"));
        let first = updated(None, &update, &all);
        assert_eq!(namespaces(&first), Some("*"));
        let second = updated(Some(&first), &update, &two);
        assert_eq!(namespaces(&second), Some("a,b"));
        assert_eq!(namespaces(&Lease::default()), None);
    }
}
