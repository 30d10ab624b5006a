//! This process in the leader election.

use std::{future, sync::Arc};

use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;

use super::{
    authority::{Authority, Elected},
    driver::Driver,
    timing::Timing,
};
use crate::{metrics::Metrics, readiness::Readiness};

/// This process as a candidate in the leader election.
pub struct Candidate(Option<Box<Driver>>);

impl Candidate {
    /// Makes a candidate and its authority, for a process that watches these namespaces, or all if
    /// there are none. Without an election, this process always leads.
    #[must_use]
    pub fn new(
        election: Option<Timing>,
        client: Client,
        namespaces: &[String],
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> (Self, Authority) {
        let Some(timing) = election else {
            metrics.set_leader(true);
            return (Self(None), Authority::Permanent);
        };
        let (grants, granted) = watch::channel(None);
        let driver = Driver::new(timing, client, namespaces, grants, metrics, readiness);
        let authority = Authority::Elected(Elected {
            start: driver.start(),
            grants: granted,
        });
        (Self(Some(Box::new(driver))), authority)
    }

    /// Returns once this process leads or another one does, with true if it is this process.
    pub async fn elect(&mut self) -> bool {
        let Some(driver) = &mut self.0 else {
            return true;
        };
        while !driver.leads() && !driver.stands_by() {
            driver.advance().await;
        }
        driver.leads()
    }

    /// Returns once this process leads.
    pub async fn lead(&mut self) {
        if let Some(driver) = &mut self.0 {
            while !driver.leads() {
                driver.advance().await;
            }
        }
    }

    /// Until when another process led, as its last renewal of the Lease says. It is `None` without
    /// an election, and where there was no Lease. The time is of that process's clock, so it may be
    /// used for statistics, and for no decision.
    #[must_use]
    pub fn predecessor_led_until(&self) -> Option<Timestamp> {
        self.0.as_ref().and_then(|driver| driver.last_renewal())
    }

    /// Renews the Lease until leadership is lost, and returns the reason. The future may be
    /// dropped. The next one then reads the Lease first.
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

    /// Releases the Lease, so that another replica can lead at once. All work must have ended
    /// before.
    pub async fn release(self) {
        if let Some(mut driver) = self.0 {
            driver.release().await;
        }
    }
}
