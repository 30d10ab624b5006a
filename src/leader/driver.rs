//! What moves the machine: the clock and the API server.

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

use super::{
    Election,
    authority::Grant,
    lease::{Error, Leases, NAME, record},
    machine::{Draft, Machine, Step},
};
use crate::{metrics::Metrics, serve::Readiness};

/// Tries to let go of a Lease that changes meanwhile, as by a renewal that was still under way.
const RELEASES: u32 = 3;

/// What moves the machine: the clock and the API server.
pub(super) struct Driver {
    me: String,
    machine: Machine,
    leases: Leases,
    /// The Lease that the machine's last record was read from.
    base: Option<Lease>,
    /// Says when the Lease may have changed. The leader doesn't listen.
    changes: BoxStream<'static, ()>,
    start: Instant,
    grants: watch::Sender<Option<Grant>>,
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

impl Driver {
    pub(super) fn new(
        election: &Election,
        client: Client,
        grants: watch::Sender<Option<Grant>>,
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

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    pub(super) fn leads(&self) -> bool {
        self.machine.grant().is_some()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// One step of the machine. Says why, once leadership is lost.
    pub(super) async fn advance(&mut self) -> Option<&'static str> {
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

    /// Lets go of the Lease if it is this process's own.
    pub(super) async fn release(&mut self) {
        for _ in 0..RELEASES {
            match self.let_go().await {
                Err(error) if conflicts(&error) => {}
                Err(error) => return warn!(%error, "the Lease was not let go"),
                Ok(()) => break,
            }
        }
        self.grants.send_replace(None);
        self.metrics.leads(false);
    }

    async fn let_go(&self) -> Result<(), Error> {
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
        let grant = self.machine.grant();
        self.grants.send_replace(grant);
        let standing = self.standing(grant);
        if standing == self.standing {
            return;
        }
        self.announce(&standing, grant);
        let (behind, leads) = (
            matches!(standing, Standing::Behind(_)),
            standing == Standing::Leads,
        );
        self.readiness.stands_by(behind);
        self.metrics.leads(leads);
        if leads {
            self.changes = stream::pending().boxed();
        }
        self.standing = standing;
    }

    fn standing(&self, grant: Option<Grant>) -> Standing {
        let now = self.now();
        match (grant, self.machine.next(now), self.machine.leader()) {
            (Some(grant), ..) if grant.lapsed(now) => Standing::Lapsed,
            (Some(_), ..) => Standing::Leads,
            (None, Step::Lost(_), _) => Standing::Lost,
            (None, _, Some(holder)) if !holder.is_empty() => Standing::Behind(holder.to_owned()),
            // It is about to be known.
            (None, _, Some(_) | None) => self.standing.clone(),
        }
    }

    fn announce(&self, standing: &Standing, grant: Option<Grant>) {
        let waits = grant.map(|grant| grant.calls_from.saturating_sub(self.now()));
        match standing {
            // The end of the process tells the reason.
            Standing::Unknown | Standing::Lost => {}
            Standing::Behind(leader) => info!(leader, "stands by"),
            Standing::Lapsed => {
                warn!("the Lease could not be renewed in time: no passes until it is");
            }
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
        }
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
