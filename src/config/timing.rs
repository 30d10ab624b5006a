//! Every duration of the program is a setting, so that tests and the demo can use small ones.

use std::{ops::RangeInclusive, time::Duration};

use clap::Args as ClapArgs;

use super::{Invalid, invalid};
use crate::{
    api::{DeletionPolicy, Span},
    decide::Rules,
    leader::Terms,
};

/// The API server counts whole seconds, and kube knows no watch of five minutes.
const WATCH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(240);

/// Every duration that the controller knows.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Timing")]
pub(super) struct Timing {
    /// How often a settled model is looked at where its spec says nothing.
    #[arg(long, env = "OXEN_SYNC_INTERVAL", default_value = "5m")]
    pub(super) sync_interval: Span,
    /// How long a transition may take where the spec says nothing.
    #[arg(long, env = "OXEN_PROGRESS_DEADLINE", default_value = "30m")]
    pub(super) progress_deadline: Span,
    /// The first look in a transition comes after this.
    #[arg(long, env = "OXEN_TRANSITION_FIRST", default_value = "5s")]
    pub(super) transition_first: Span,
    /// Later looks in a transition come further apart, up to this.
    #[arg(long, env = "OXEN_TRANSITION_LAST", default_value = "30s")]
    pub(super) transition_last: Span,
    /// How long a call that shows no effect is left alone before it may be repeated.
    #[arg(long, env = "OXEN_OPERATION_PATIENCE", default_value = "2m")]
    pub(super) operation_patience: Span,
    /// How long a failed deployment is left alone before the first, second and third try.
    #[arg(
        long,
        env = "OXEN_FAILURE_DELAYS",
        value_delimiter = ',',
        default_value = "1m,5m,15m"
    )]
    pub(super) failure_delays: Vec<Span>,
    /// The window in which at most three corrections of drift are made.
    #[arg(long, env = "OXEN_CORRECTION_WINDOW", default_value = "1h")]
    pub(super) correction_window: Span,
    /// The first retry after an unanswered request; it doubles with each.
    #[arg(long, env = "OXEN_BACKOFF_FIRST", default_value = "1s")]
    pub(super) backoff_first: Span,
    /// The longest such retry.
    #[arg(long, env = "OXEN_BACKOFF_LAST", default_value = "5m")]
    pub(super) backoff_last: Span,
    /// Between probes with a key that the hub refused, and looks after an answer that can't be read.
    #[arg(long, env = "OXEN_REFUSED_PROBE", default_value = "5m")]
    pub(super) refused_probe: Span,
    /// Between looks while the account can't pay.
    #[arg(long, env = "OXEN_PAYMENT_PROBE", default_value = "15m")]
    pub(super) payment_probe: Span,
    /// Between looks past the progress deadline.
    #[arg(long, env = "OXEN_OVERDUE_PROBE", default_value = "1m")]
    pub(super) overdue_probe: Span,
    /// The longest that Ready outlives the hub's last answer.
    #[arg(long, env = "OXEN_STALE_READY", default_value = "15m")]
    pub(super) stale_ready: Span,
    /// The least that a Retry-After is taken for.
    #[arg(long, env = "OXEN_SHORTEST_REST", default_value = "1s")]
    pub(super) shortest_rest: Span,
    /// The most that a Retry-After is taken for.
    #[arg(long, env = "OXEN_LONGEST_REST", default_value = "15m")]
    pub(super) longest_rest: Span,
    /// How long the hub answers no 429 before the rate of requests is raised by a step.
    #[arg(long, env = "OXEN_HUB_RAISE", default_value = "10s")]
    pub(super) hub_raise: Span,
    /// For a connection to the hub.
    #[arg(long, env = "OXEN_CONNECT_TIMEOUT", default_value = "3s")]
    pub(super) connect_timeout: Span,
    /// For a whole request to the hub.
    #[arg(long, env = "OXEN_REQUEST_TIMEOUT", default_value = "10s")]
    pub(super) request_timeout: Span,
    /// A look older than this is not acted upon.
    #[arg(long, env = "OXEN_FRESHNESS", default_value = "10s")]
    pub(super) freshness: Span,
    /// For a request to the Kubernetes API.
    #[arg(long, env = "OXEN_KUBE_TIMEOUT", default_value = "10s")]
    pub(super) kube_timeout: Span,
    /// How long a watch of the Kubernetes API lasts before it is taken up anew; one whose connection is dead is noticed
    /// a little later.
    #[arg(long, env = "OXEN_WATCH", default_value = "1m")]
    pub(super) watch: Span,
    /// How long what is in flight has to end after a SIGTERM.
    #[arg(long, env = "OXEN_DRAIN", default_value = "15s")]
    pub(super) drain: Span,
    /// How long a Lease that isn't renewed lasts: then another replica takes over.
    #[arg(long, env = "OXEN_LEASE", default_value = "30s")]
    lease: Span,
    /// How long a renewal of the Lease lets the leader work.
    #[arg(long, env = "OXEN_LEASE_RENEW", default_value = "20s")]
    lease_renew: Span,
    /// Between renewals of the Lease.
    #[arg(long, env = "OXEN_LEASE_RETRY", default_value = "4s")]
    lease_retry: Span,
    /// What a new leader that hasn't seen the last one let go waits beyond a whole lease, before its
    /// first call.
    #[arg(long, env = "OXEN_LEASE_QUARANTINE_MARGIN", default_value = "15s")]
    lease_quarantine_margin: Span,
}

impl Timing {
    pub(super) fn rules(
        &self,
        observe_only: bool,
        policy: DeletionPolicy,
    ) -> Result<Rules, Invalid> {
        self.check()?;
        let delays: Vec<Duration> = self.failure_delays.iter().map(|span| span.0).collect();
        let failure_delays = delays
            .try_into()
            .map_err(|_| invalid("--failure-delays", "takes three durations"))?;
        Ok(Rules {
            observe_only,
            deletion_policy: policy,
            sync_interval: self.sync_interval.0,
            progress_deadline: self.progress_deadline.0,
            transition_first: self.transition_first.0,
            transition_last: self.transition_last.0,
            operation_patience: self.operation_patience.0,
            failure_delays,
            correction_window: self.correction_window.0,
            backoff_first: self.backoff_first.0,
            backoff_last: self.backoff_last.0,
            refused_probe: self.refused_probe.0,
            payment_probe: self.payment_probe.0,
            overdue_probe: self.overdue_probe.0,
            stale_ready: self.stale_ready.0,
        })
    }

    /// The longest that a call to the hub can take.
    pub(super) fn call(&self) -> Duration {
        self.request_timeout.0 + self.connect_timeout.0
    }

    /// A Lease outlasts its leader's authority, and that every call.
    pub(super) fn terms(&self) -> Result<Terms, Invalid> {
        let call = Span(self.call());
        for (setting, more, less, what) in [
            ("--lease", self.lease, self.lease_renew, "--lease-renew"),
            (
                "--lease-renew",
                self.lease_renew,
                call,
                "--request-timeout and --connect-timeout",
            ),
        ] {
            if more <= less {
                return Err(invalid(
                    setting,
                    format!("must be more than {what} ({less})"),
                ));
            }
        }
        if self.lease_retry.0.is_zero() || self.lease_retry >= self.lease_renew {
            let problem = format!(
                "must be more than 0s and less than --lease-renew ({})",
                self.lease_renew
            );
            return Err(invalid("--lease-retry", problem));
        }
        Ok(Terms {
            lease: self.lease.0,
            renew: self.lease_renew.0,
            retry: self.lease_retry.0,
            margin: self.lease_quarantine_margin.0,
        })
    }

    fn check(&self) -> Result<(), Invalid> {
        for (setting, span) in [
            ("--sync-interval", self.sync_interval),
            ("--progress-deadline", self.progress_deadline),
            ("--transition-first", self.transition_first),
            ("--operation-patience", self.operation_patience),
            ("--correction-window", self.correction_window),
            ("--backoff-first", self.backoff_first),
            ("--refused-probe", self.refused_probe),
            ("--payment-probe", self.payment_probe),
            ("--overdue-probe", self.overdue_probe),
            ("--stale-ready", self.stale_ready),
            ("--shortest-rest", self.shortest_rest),
            ("--hub-raise", self.hub_raise),
            ("--connect-timeout", self.connect_timeout),
            ("--request-timeout", self.request_timeout),
            ("--freshness", self.freshness),
            ("--kube-timeout", self.kube_timeout),
            ("--drain", self.drain),
        ] {
            if span.0.is_zero() {
                return Err(invalid(setting, "must be more than 0s"));
            }
        }
        if !WATCH.contains(&self.watch.0) || self.watch.0.subsec_nanos() > 0 {
            return Err(invalid("--watch", "must be whole seconds, from 1s to 4m"));
        }
        for (setting, less, more) in [
            (
                "--transition-last",
                self.transition_first,
                self.transition_last,
            ),
            ("--backoff-last", self.backoff_first, self.backoff_last),
            ("--longest-rest", self.shortest_rest, self.longest_rest),
            (
                "--request-timeout",
                self.connect_timeout,
                self.request_timeout,
            ),
        ] {
            if less > more {
                return Err(invalid(setting, format!("must be at least {less}")));
            }
        }
        Ok(())
    }
}
