//! The driver of the leader election: it gives the state machine its clock and its API server.

use std::{future, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
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
    authority::Grant,
    lease::{LeaseError, Leases, NAME, last_renewal, namespaces, state},
    machine::{LeaseUpdate, Machine, Step},
    timing::Timing,
    view::{LeaseState, Takeover},
};
use crate::{metrics::Metrics, readiness::Readiness};

/// The number of tries to release a Lease that changes meanwhile, such as by a renewal in flight.
const RELEASE_TRIES: u32 = 3;

/// Drives the state machine with the clock and the API server.
pub(super) struct Driver {
    identity: String,
    machine: Machine,
    leases: Leases,
    /// The Lease as it was last read or written, which the next write replaces.
    base: Option<Lease>,
    /// When the Lease was last renewed by another process, as that process's clock showed it.
    last_renewal: Option<Timestamp>,
    /// An item for each possible change of the Lease. The leader doesn't watch it.
    changes: BoxStream<'static, ()>,
    start: Instant,
    grants: watch::Sender<Option<Grant>>,
    role: Role,
    /// The namespaces of the leader that this process stands by for, if they are not its own.
    other_namespaces: Option<String>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// This process's role, for log and metrics.
#[derive(Clone, PartialEq, Eq)]
enum Role {
    Unknown,
    /// Another process, with this identity, leads.
    Standby(String),
    Leader,
    /// The Lease is this process's own and could not be renewed in time.
    Lapsed,
    Lost,
}

impl Driver {
    pub(super) fn new(
        timing: Timing,
        client: Client,
        watched: &[String],
        grants: watch::Sender<Option<Grant>>,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
    ) -> Self {
        let identity = identity();
        let namespace =
            environment("POD_NAMESPACE").unwrap_or_else(|| client.default_namespace().to_owned());
        info!(identity, namespace, "leader election uses the Lease {NAME}");
        // Two requests may time out before the authority ends.
        let timeout = timing.renew_deadline / 4;
        let leases = Leases::new(client, &namespace, timeout, watched);
        Self {
            machine: Machine::new(identity.clone(), timing),
            identity,
            changes: changes(&leases),
            leases,
            base: None,
            last_renewal: None,
            start: Instant::now(),
            grants,
            role: Role::Unknown,
            other_namespaces: None,
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

    /// When the Lease was last renewed by another process, or `None` if that is not known.
    pub(super) fn last_renewal(&self) -> Option<Timestamp> {
        self.last_renewal
    }

    /// Returns true when another process leads.
    pub(super) fn stands_by(&self) -> bool {
        matches!(self.role, Role::Standby(_))
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Performs one step of the machine. Returns the reason once leadership is lost.
    pub(super) async fn advance(&mut self) -> Option<&'static str> {
        let now = self.now();
        match self.machine.next(now) {
            Step::Read => self.read(now).await,
            Step::Write(update) => self.write(now, &update).await,
            Step::Wait(until) => tokio::select! {
                () = sleep(until.saturating_sub(now)) => {}
                Some(()) = self.changes.next() => self.machine.wake(self.start.elapsed()),
            },
            Step::Lost(why) => return Some(why),
        }
        self.publish();
        None
    }

    async fn read(&mut self, sent: Duration) {
        match self.leases.read().await {
            Ok(found) => {
                let found_state = found.as_ref().map(state);
                let own = |state: &LeaseState| state.holder == self.identity;
                if !found_state.as_ref().is_some_and(own) {
                    self.last_renewal = found.as_ref().and_then(last_renewal);
                }
                self.base = found;
                self.machine.read(sent, self.now(), found_state);
            }
            Err(error) => {
                warn!(%error, "the Lease can't be read; retrying");
                self.machine.failed(sent, self.now());
            }
        }
    }

    async fn write(&mut self, sent: Duration, update: &LeaseUpdate) {
        let written = match self.leases.write(self.base.as_ref(), update).await {
            Ok(lease) => {
                let written = state(&lease);
                self.base = Some(lease);
                Some(written)
            }
            // Another process was faster, which is normal in an election.
            Err(error) if conflicts(&error) => None,
            Err(error) => {
                warn!(%error, "the Lease can't be written; retrying");
                None
            }
        };
        self.machine.wrote(sent, self.now(), written);
    }

    /// Releases the Lease if this process holds it.
    pub(super) async fn release(&mut self) {
        for _ in 0..RELEASE_TRIES {
            match self.try_release().await {
                Err(error) if conflicts(&error) => {}
                Err(error) => return warn!(%error, "the Lease was not released"),
                Ok(()) => break,
            }
        }
        self.grants.send_replace(None);
        self.metrics.set_leader(false);
    }

    async fn try_release(&self) -> Result<(), LeaseError> {
        let Some(lease) = self.leases.read().await? else {
            return Ok(());
        };
        if let Some(update) = self.machine.release(self.now(), &state(&lease)) {
            self.leases.write(Some(&lease), &update).await?;
            info!(identity = self.identity, "released the Lease");
        }
        Ok(())
    }

    /// Publishes the authority to the other modules, and logs a change of the role.
    fn publish(&mut self) {
        let grant = self.machine.grant();
        self.grants.send_replace(grant);
        let role = self.role(grant);
        if role != self.role {
            self.log_role(&role);
            let leader = role == Role::Leader;
            self.metrics.set_leader(leader);
            if leader {
                self.changes = stream::pending().boxed();
            }
            self.role = role;
        }
        self.compare_namespaces();
    }

    /// Says once in the log, and in `/readyz` for as long as it is so, that this process stands by
    /// for a leader with other namespaces. It stays ready, because an upgrade that changes the
    /// namespaces looks the same as a second release.
    fn compare_namespaces(&mut self) {
        let lease = self.base.as_ref().filter(|_| self.stands_by());
        let own = self.leases.namespaces();
        let other = lease.and_then(namespaces).filter(|theirs| *theirs != own);
        if other == self.other_namespaces.as_deref() {
            return;
        }
        let words = other.map(|theirs| {
            format!(
                "the leader watches different namespaces ({theirs}) from this replica ({own}): unless \
                 an upgrade is just changing them, another release in this namespace leads, and \
                 this one does nothing; install it in a namespace of its own"
            )
        });
        if let Some(words) = &words {
            warn!("standby: {words}");
        }
        self.readiness.set_note(words.as_deref());
        self.other_namespaces = other.map(str::to_owned);
    }

    fn role(&self, grant: Option<Grant>) -> Role {
        let now = self.now();
        let led = matches!(self.role, Role::Leader | Role::Lapsed);
        match (grant, self.machine.next(now), self.machine.leader()) {
            (Some(grant), ..) if !grant.lapsed(now) => Role::Leader,
            (Some(_), ..) if led => Role::Lapsed,
            // The response to the acquisition was lost, and no renewal has succeeded yet.
            (Some(_), ..) => self.role.clone(),
            (None, Step::Lost(_), _) => Role::Lost,
            (None, _, Some(holder)) if !holder.is_empty() => Role::Standby(holder.to_owned()),
            // The role stays the same until the next step shows another one.
            (None, _, Some(_) | None) => self.role.clone(),
        }
    }

    fn log_role(&self, role: &Role) {
        match role {
            // The reason is logged when the process ends.
            Role::Unknown | Role::Lost => {}
            Role::Standby(leader) => info!(leader, "standby: another replica leads"),
            Role::Lapsed => {
                warn!("the Lease could not be renewed in time; no reconciles until it is");
            }
            Role::Leader if self.role == Role::Lapsed => {
                info!("leading again: no other replica acquired the Lease meanwhile");
            }
            Role::Leader => self.log_takeover(),
        }
    }

    fn log_takeover(&self) {
        match self.machine.takeover() {
            None => {}
            Some(Takeover::Released) => info!("leading: the last leader released the Lease"),
            Some(Takeover::Expired) => info!("leading: the Lease of the last leader expired"),
            Some(Takeover::Unobserved) => {
                let calls_from = self.machine.grant().map(|grant| grant.calls_from);
                let wait = calls_from.unwrap_or_default().saturating_sub(self.now());
                warn!(
                    "leading, but making no call for {:.1} s: this replica observed neither that the \
                     last leader released the Lease nor that the Lease expired",
                    wait.as_secs_f64()
                );
            }
        }
    }
}

/// A watch of the Lease. Its items only say that the Lease should be read. If the watch fails, the
/// Lease is read after the retry period.
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

/// Returns true when the Lease has changed since it was read.
fn conflicts(error: &LeaseError) -> bool {
    matches!(error, LeaseError::Kube(kube::Error::Api(status)) if status.code == 409)
}

/// The pod's name, for people, with a unique suffix.
fn identity() -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = environment("POD_NAME").or_else(host).unwrap_or_default();
    format!("{}_{}", name.trim(), Uuid::new_v4())
}

fn environment(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}
