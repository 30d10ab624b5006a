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
//! | the Lease at the API server | `lease.rs` |

mod authority;
mod lease;
mod machine;
#[cfg(test)]
mod tests;

pub use authority::{Authority, Elected, Refusal};
pub use machine::Terms;

use std::{future, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Client,
    runtime::{WatchStreamExt, watcher},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::{metrics::Metrics, serve::Readiness};
use lease::{Error, Leases, NAME, record};
use machine::{Draft, Machine, Step};

/// Tries to let go of a Lease that changes meanwhile, as by a renewal that was still under way.
const RELEASES: u32 = 3;

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

/// What moves the machine: the clock and the API server.
struct Driver {
    me: String,
    machine: Machine,
    leases: Leases,
    /// The Lease that the machine's last record was read from.
    base: Option<Lease>,
    /// Says when the Lease may have changed. The leader doesn't listen.
    changes: BoxStream<'static, ()>,
    start: Instant,
    grants: watch::Sender<Option<authority::Grant>>,
    standing: Standing,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// What a person wants to know of it.
#[derive(Clone, PartialEq, Eq)]
enum Standing {
    Unknown,
    Behind(String),
    Leads,
    Lapsed,
    Lost,
}

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
            start: driver.start,
            grants: granted,
        });
        (Self(Some(Box::new(driver))), authority)
    }

    /// Ends once this process leads.
    pub async fn lead(&mut self) {
        if let Some(driver) = &mut self.0 {
            while driver.machine.grant().is_none() {
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
        let Some(mut driver) = self.0 else { return };
        for _ in 0..RELEASES {
            match driver.release().await {
                Ok(()) => break,
                Err(error) if conflicts(&error) => {}
                Err(error) => {
                    warn!(%error, "the Lease was not let go");
                    break;
                }
            }
        }
        driver.grants.send_replace(None);
        driver.metrics.leads(false);
    }
}

impl Driver {
    fn new(
        election: &Election,
        client: Client,
        grants: watch::Sender<Option<authority::Grant>>,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Self {
        let (me, terms) = (identity(), election.terms);
        let namespace = (election.namespace.clone())
            .or_else(|| set("POD_NAMESPACE"))
            .unwrap_or_else(|| client.default_namespace().to_owned());
        info!(
            identity = me,
            namespace, "stands for election by the Lease {NAME}"
        );
        // Two requests may go unanswered before authority ends.
        let leases = Leases::new(client, &namespace, terms.lease, terms.renew / 4);
        Self {
            machine: Machine::new(me.clone(), terms),
            me,
            changes: changes(&leases),
            leases,
            base: None,
            start: Instant::now(),
            grants,
            standing: Standing::Unknown,
            metrics,
            readiness,
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// One step of the machine. Says why, once leadership is lost.
    async fn advance(&mut self) -> Option<&'static str> {
        let now = self.now();
        match self.machine.next(now) {
            Step::Read => self.read(now).await,
            Step::Write(draft) => self.write(now, &draft).await,
            Step::Wait(until) => tokio::select! {
                () = sleep(until.saturating_sub(now)) => {}
                Some(()) = self.changes.next() => self.machine.nudge(self.start.elapsed()),
            },
            Step::Lost(why) => return Some(why),
        }
        self.tell();
        None
    }

    async fn read(&mut self, sent: Duration) {
        match self.leases.read().await {
            Ok(found) => {
                let seen = found.as_ref().map(record);
                self.base = found;
                self.machine.read(sent, self.now(), seen);
            }
            Err(error) => {
                warn!(%error, "the Lease can't be read");
                self.machine.unanswered(sent, self.now());
            }
        }
    }

    async fn write(&mut self, sent: Duration, draft: &Draft) {
        let written = match self.leases.write(self.base.as_ref(), draft).await {
            Ok(lease) => {
                let written = record(&lease);
                self.base = Some(lease);
                Some(written)
            }
            // Another was quicker, which is in the nature of an election.
            Err(error) if conflicts(&error) => None,
            Err(error) => {
                warn!(%error, "the Lease can't be written");
                None
            }
        };
        self.machine.wrote(sent, self.now(), written);
    }

    async fn release(&mut self) -> Result<(), Error> {
        let Some(lease) = self.leases.read().await? else {
            return Ok(());
        };
        if let Some(draft) = self.machine.release(self.now(), &record(&lease)) {
            self.leases.write(Some(&lease), &draft).await?;
            info!(identity = self.me, "the Lease is let go");
        }
        Ok(())
    }

    /// Tells the rest of the program how things stand, and a person what has changed.
    fn tell(&mut self) {
        let (now, grant) = (self.now(), self.machine.grant());
        self.grants.send_replace(grant);
        let standing = match grant {
            Some(grant) if grant.lapsed(now) => Standing::Lapsed,
            Some(_) => Standing::Leads,
            None => match (self.machine.leader(), self.machine.next(now)) {
                (_, Step::Lost(_)) => Standing::Lost,
                (Some(holder), _) if !holder.is_empty() => Standing::Behind(holder.to_owned()),
                (Some(_) | None, _) => return,
            },
        };
        if standing == self.standing {
            return;
        }
        let waits = grant.map(|grant| grant.calls_from.saturating_sub(now));
        match &standing {
            Standing::Unknown => {}
            Standing::Behind(leader) => info!(leader, "stands by"),
            Standing::Leads if self.standing == Standing::Lapsed => {
                info!("leads again: nobody has taken the Lease meanwhile");
            }
            Standing::Leads => match waits.filter(|wait| !wait.is_zero()) {
                None => info!("leads: the last leader was seen to let go"),
                Some(wait) => warn!(
                    "leads, and makes no call for {:.1} s: the last leader was not seen to let go",
                    wait.as_secs_f64()
                ),
            },
            Standing::Lapsed => {
                warn!("the Lease could not be renewed in time: no passes until it is");
            }
            Standing::Lost => {}
        }
        self.readiness
            .stands_by(matches!(standing, Standing::Behind(_)));
        self.metrics.leads(standing == Standing::Leads);
        if grant.is_some() {
            self.changes = stream::pending().boxed();
        }
        self.standing = standing;
    }
}

/// A watch of the Lease. What it tells is not relied upon, only that there is something to read;
/// where it fails, the next look comes in its time.
fn changes(leases: &Leases) -> BoxStream<'static, ()> {
    let only = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    watcher(leases.api().clone(), only)
        .default_backoff()
        .touched_objects()
        .filter_map(|change| {
            if let Err(error) = &change {
                debug!(%error, "the Lease can't be watched");
            }
            future::ready(change.ok().map(drop))
        })
        .boxed()
}

/// What the write rested on has changed meanwhile.
fn conflicts(error: &Error) -> bool {
    matches!(error, Error::Kube(kube::Error::Api(status)) if status.code == 409)
}

/// The pod's name, for people, and something that no other process has.
fn identity() -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = set("POD_NAME").or_else(host).unwrap_or_default();
    format!("{}_{}", name.trim(), Uuid::new_v4())
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}
