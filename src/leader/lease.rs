//! The Lease at the API server. Every write replaces exactly the version that it rests on.

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

use super::machine::{Draft, Record};

/// The name of the Lease.
pub(super) const NAME: &str = "oxen-operator";

/// Who let go of the Lease in good order. Whoever empties the Lease by hand leaves it out.
const RELEASED_BY: &str = "oxen.ai/released-by";

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Kube(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Timeout,
}

pub(super) struct Leases {
    api: Api<Lease>,
    /// For one request: a lost answer or two must not cost the authority.
    patience: Duration,
    seconds: i32,
}

impl Leases {
    pub(super) fn new(
        client: Client,
        namespace: &str,
        lease: Duration,
        patience: Duration,
    ) -> Self {
        let whole = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
        Self {
            api: Api::namespaced(client, namespace),
            patience,
            seconds: i32::try_from(whole).unwrap_or(i32::MAX),
        }
    }

    pub(super) fn api(&self) -> &Api<Lease> {
        &self.api
    }

    pub(super) async fn read(&self) -> Result<Option<Lease>, Error> {
        let read = timeout(self.patience, self.api.get_opt(NAME)).await;
        read.map_or(Err(Error::Timeout), |answer| Ok(answer?))
    }

    /// Writes over `base`, which the API server refuses if it has changed meanwhile.
    pub(super) async fn write(&self, base: Option<&Lease>, draft: &Draft) -> Result<Lease, Error> {
        let lease = self.drawn(base, draft);
        let params = PostParams::default();
        let write = async {
            match base {
                Some(_) => self.api.replace(NAME, &params, &lease).await,
                None => self.api.create(&params, &lease).await,
            }
        };
        let written = timeout(self.patience, write).await;
        written.map_or(Err(Error::Timeout), |answer| Ok(answer?))
    }

    /// What others have put on the Lease stays.
    fn drawn(&self, base: Option<&Lease>, draft: &Draft) -> Lease {
        let mut lease = base.cloned().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(NAME.into()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.remove(RELEASED_BY);
        if let Some(me) = &draft.released_by {
            annotations.insert(RELEASED_BY.into(), me.clone());
        }
        let before = lease.spec.take().unwrap_or_default();
        let holder = Some(draft.holder.clone()).filter(|holder| !holder.is_empty());
        // Times are for people: nobody compares them with a clock.
        let now = Some(MicroTime(Timestamp::now()));
        let taken = holder.is_some() && holder != before.holder_identity;
        lease.spec = Some(LeaseSpec {
            holder_identity: holder,
            lease_duration_seconds: Some(self.seconds),
            lease_transitions: Some(draft.transitions),
            acquire_time: if taken {
                now.clone()
            } else {
                before.acquire_time
            },
            renew_time: now,
            ..before
        });
        lease
    }
}

/// What leadership depends on in a Lease.
pub(super) fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    let annotations = lease.metadata.annotations.as_ref();
    Record {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default(),
        lasts: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        released_by: annotations.and_then(|all| all.get(RELEASED_BY)).cloned(),
    }
}
