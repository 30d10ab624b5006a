//! Leadership: of several replicas one works, and the others stand by.
//!
//! A Lease says who. The leader renews it, and may call the hub only while more authority remains
//! than a call can take; authority counts from when the last good renewal was sent. A standby takes
//! the Lease when it was let go, or when it has watched it unchanged for as long as it lasts.
//! Where it has not seen the last leader let go it then waits the whole lease and a margin more
//! before its first call. A leader that loses the Lease ends, and is started again as a standby; one
//! that can't reach the API server does nothing, and goes on if the Lease is still its own.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | when to read, take, renew and give up, without clock and client | `machine.rs` |
//! | what the rest of the program may do | `authority.rs` |
//! | what moves the machine: the clock and the API server | `driver.rs` |
//! | the Lease at the API server | `lease.rs` |

mod authority;
mod driver;
mod lease;
mod machine;
#[cfg(test)]
mod tests;

pub use authority::{Authority, Elected, Refusal};
pub use machine::Terms;

use std::{future, sync::Arc};

use kube::Client;
use tokio::sync::watch;

use crate::{metrics::Metrics, serve::Readiness};
use driver::Driver;

/// The Lease that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Where it is. Unset: in the pod's namespace.
    pub namespace: Option<String>,
    /// How long it lasts.
    pub terms: Terms,
}

/// This process as one that leads, or would.
pub struct Candidate(Option<Box<Driver>>);

impl Candidate {
    /// With no election there is one replica, which leads at once and for ever.
    #[must_use]
    pub fn new(
        election: Option<&Election>,
        client: Client,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> (Self, Authority) {
        let Some(election) = election else {
            metrics.leads(true);
            return (Self(None), Authority::Permanent);
        };
        let (grants, granted) = watch::channel(None);
        let driver = Driver::new(election, client, grants, metrics, readiness);
        let authority = Authority::Elected(Elected {
            start: driver.start(),
            grants: granted,
        });
        (Self(Some(Box::new(driver))), authority)
    }

    /// Ends once this process leads.
    pub async fn lead(&mut self) {
        if let Some(driver) = &mut self.0 {
            while !driver.leads() {
                driver.advance().await;
            }
        }
    }

    /// Renews. Ends when leadership is lost, with the reason. It may be dropped and called again:
    /// whatever was under way is found out by reading.
    pub async fn keep(&mut self) -> &'static str {
        let Some(driver) = &mut self.0 else {
            return future::pending().await;
        };
        loop {
            if let Some(why) = driver.advance().await {
                return why;
            }
        }
    }

    /// Lets go, so that another can lead at once. Only for when all work has ended.
    pub async fn release(self) {
        if let Some(mut driver) = self.0 {
            driver.release().await;
        }
    }
}
