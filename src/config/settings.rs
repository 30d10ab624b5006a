//! From arguments to a validated configuration.

use std::{net::SocketAddr, time::Duration};

use tracing::warn;

use super::{
    args::{Args, LogFormat},
    authorities::AuthoritiesFile,
    error::ConfigError,
    operator_key::{KeyNamespaces, KeySource, OperatorKey},
    timing::Timing,
};
use crate::{
    decide::Rules,
    hub::{Limits, RateLimits, Route},
    leader,
};

/// The longest request timeout. The Lease's duration follows from it.
const LONGEST_REQUEST: Duration = Duration::from_secs(3600);

/// A validated configuration.
#[derive(Debug)]
pub struct Config {
    /// How the hub is reached.
    pub route: Route,
    /// The file of the certificate authorities, if there is one.
    pub authorities_file: Option<AuthoritiesFile>,
    /// The time between two reads of this file.
    pub authorities_interval: Duration,
    /// The operator's own key and the namespaces that may use it.
    pub operator_key: Option<OperatorKey>,
    /// The namespaces to watch. An empty list means all.
    pub namespaces: Vec<String>,
    /// The names of Secrets to watch.
    pub secret_names: Vec<String>,
    /// Whether OxenBudgets limit the activations.
    pub budgets: bool,
    /// The shortest time between two writes of a budget's status.
    pub budget_interval: Duration,
    /// The rules of every decision.
    pub rules: Rules,
    /// The limits of the hub's client.
    pub limits: Limits,
    /// The rate limits of each API key.
    pub rate_limits: RateLimits,
    /// The address for probes and metrics.
    pub listen: SocketAddr,
    /// The format of logs.
    pub log_format: LogFormat,
    /// The timing of the leader election, or `None` where there is one replica.
    pub election: Option<leader::Timing>,
    /// The longest time that a call to the hub can take.
    pub call_timeout: Duration,
    /// The maximum age of an observation that leads to a call.
    pub max_observation_age: Duration,
    /// The timeout of a request to the Kubernetes API.
    pub kube_timeout: Duration,
    /// The time after which a watch is started again.
    pub watch_timeout: Duration,
    /// How far the metrics of usage are behind. By then, what an observation changed is in the
    /// status, so that no counter goes back.
    pub usage_lag: Duration,
    /// The time from the first lists of objects to the first scan for unmanaged models.
    pub first_scan: Duration,
    /// The time between two scans for unmanaged models, or `None` for no scans.
    pub unmanaged_interval: Option<Duration>,
    /// The time that work in flight has to end after SIGTERM.
    pub shutdown_timeout: Duration,
    /// The number that constant waits are divided by: 1, except in tests and the demo.
    pub time_scale: u32,
}

/// The shortest time between two scans for unmanaged models. Each scan reads the hub's whole list.
const SHORTEST_UNMANAGED: Duration = Duration::from_secs(60);

impl Config {
    /// The namespaces to watch, or `None` alone for a watch of all namespaces.
    pub fn scopes(&self) -> impl Iterator<Item = Option<&str>> {
        let all = self.namespaces.is_empty().then_some(None);
        let each = self
            .namespaces
            .iter()
            .map(|namespace| Some(namespace.as_str()));
        all.into_iter().chain(each)
    }
}

impl Args {
    /// Checks everything that can be checked without a request. `api_key` is the value of the
    /// environment variable `OXEN_API_KEY`, if it is set.
    ///
    /// # Errors
    ///
    /// Names the first setting that can't be used, and why.
    pub fn check(self, api_key: Option<&[u8]>) -> Result<Config, ConfigError> {
        for (setting, duration) in [
            ("--sync-interval", self.sync_interval),
            ("--progress-deadline", self.progress_deadline),
            ("--request-timeout", self.request_timeout),
        ] {
            if duration.0.is_zero() {
                return Err(ConfigError::new(setting, "must be more than 0s"));
            }
        }
        let shortest = SHORTEST_UNMANAGED / self.time_scale;
        if !self.unmanaged_interval.0.is_zero() && self.unmanaged_interval.0 < shortest {
            return Err(ConfigError::new(
                "--unmanaged-interval",
                "must be at least 1m, or 0s for no scans",
            ));
        }
        if self.request_timeout.0 > LONGEST_REQUEST {
            return Err(ConfigError::new("--request-timeout", "must be at most 1h"));
        }
        let timing = Timing {
            scale: self.time_scale,
            request_timeout: self.request_timeout.0,
        };
        let rules = timing.rules(Rules {
            observe_only: self.observe_only,
            deletion_policy: self.deletion_policy,
            sync_interval: self.sync_interval.0,
            progress_deadline: self.progress_deadline.0,
            ..Rules::default()
        });
        let authorities_file = self.hub.route.authorities_file();
        let (route, warnings) = self.hub.route.route_with(authorities_file.as_ref())?;
        for warning in warnings {
            warn!("{warning}");
        }
        let [retry_after_min, retry_after_max] = timing.retry_after();
        Ok(Config {
            route,
            authorities_file,
            authorities_interval: timing.authorities_interval(),
            operator_key: operator_key(self.hub.key(api_key)?, self.operator_key_namespaces)?,
            namespaces: names(self.namespaces),
            secret_names: names(self.secret_names),
            budgets: self.budgets,
            budget_interval: timing.budget_interval(),
            limits: Limits {
                connect_timeout: timing.connect_timeout(),
                request_timeout: timing.request_timeout,
                retry_after_min,
                retry_after_max,
                ..Limits::default()
            },
            rate_limits: RateLimits {
                rate: self.hub_rate,
                burst: self.hub_rate.saturating_mul(2),
                rate_recovery: timing.rate_recovery(),
                unauthorized_retry: rules.unauthorized_retry,
                backoff_first: rules.backoff_first,
                backoff_last: rules.backoff_last,
                ..RateLimits::default()
            },
            rules,
            listen: self.listen,
            log_format: self.log_format,
            election: self.leader_elect.then(|| timing.leader()),
            call_timeout: timing.call_timeout(),
            max_observation_age: timing.max_observation_age(),
            kube_timeout: timing.kube_timeout(),
            watch_timeout: timing.watch_timeout(),
            usage_lag: timing.usage_lag(),
            first_scan: timing.first_scan(),
            unmanaged_interval: Some(self.unmanaged_interval.0).filter(|it| !it.is_zero()),
            shutdown_timeout: timing.shutdown_timeout(),
            time_scale: self.time_scale,
        })
    }
}

fn operator_key(
    source: Option<KeySource>,
    namespaces: Vec<String>,
) -> Result<Option<OperatorKey>, ConfigError> {
    let namespaces = names(namespaces);
    match source {
        Some(source) => Ok(Some(OperatorKey {
            source,
            namespaces: KeyNamespaces(namespaces),
        })),
        None if namespaces.is_empty() => Ok(None),
        None => Err(ConfigError::new(
            "--operator-key-namespaces",
            "the operator has no API key of its own: set OXEN_API_KEY or OXEN_API_KEY_FILE",
        )),
    }
}

/// The names of a list in their order, without duplicates.
fn names(list: Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in list {
        let name = name.trim();
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Cli, Command};

    fn check(flags: &[&str], key: Option<&str>) -> Result<Config, String> {
        let all = ["oxen-operator", "run"]
            .into_iter()
            .chain(flags.iter().copied());
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        let Command::Run(args) = cli.command else {
            panic!("run was asked for")
        };
        args.check(key.map(str::as_bytes))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = check(&[], None).unwrap();
        assert_eq!(config.route.base.as_str(), "https://hub.oxen.ai/");
        assert_eq!((config.route.proxy, config.route.authorities), (None, None));
        assert_eq!(config.rules, Rules::default());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.rate_limits, RateLimits::default());
        assert_eq!(config.secret_names, ["oxen-api-key"]);
        assert!(!config.budgets);
        assert_eq!(config.budget_interval, Duration::from_secs(10));
        let seconds = Duration::from_secs;
        let timing = leader::Timing {
            lease_duration: seconds(30),
            renew_deadline: seconds(20),
            retry_period: seconds(4),
            takeover_wait: seconds(25),
        };
        assert_eq!(config.election, Some(timing));
        assert_eq!(config.max_observation_age, seconds(25));
        assert_eq!(config.call_timeout, seconds(13));
        assert!(config.authorities_file.is_none());
        assert_eq!(config.authorities_interval, seconds(10));
        assert_eq!(config.kube_timeout, seconds(10));
        assert_eq!(config.listen.to_string(), "[::]:8080");
        assert_eq!(config.watch_timeout, seconds(60));
        assert_eq!(config.shutdown_timeout, seconds(15));
    }

    #[test]
    fn every_request_timeout_fits_the_lease_and_the_age_of_an_observation() {
        for timeout in ["100ms", "1s", "10s", "17s", "20s", "5m"] {
            for scale in ["1", "7", "100", "1000"] {
                let flags = ["--request-timeout", timeout, "--time-scale", scale];
                let config = check(&flags, None).unwrap();
                let timing = config.election.unwrap();
                assert!(timing.renew_deadline > config.call_timeout, "{timeout}");
                assert!(timing.lease_duration > timing.renew_deadline, "{timeout}");
                assert!(timing.takeover_wait > timing.renew_deadline, "{timeout}");
                assert!(timing.retry_period < timing.renew_deadline, "{timeout}");
                let request = config.limits.request_timeout;
                assert!(config.max_observation_age > request, "{timeout}");
                assert!(config.limits.connect_timeout <= request, "{timeout}");
            }
        }
        let slow = check(&["--request-timeout", "20s"], None).unwrap();
        let timing = slow.election.unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(timing.renew_deadline, seconds(30));
        assert_eq!(timing.lease_duration, seconds(40));
        assert_eq!(timing.takeover_wait, seconds(35));
        assert_eq!(slow.max_observation_age, seconds(35));
    }

    #[test]
    fn the_time_scale_divides_waits_and_no_settings() {
        let config = check(&["--time-scale", "100"], None).unwrap();
        let millis = Duration::from_millis;
        assert_eq!(config.time_scale, 100);
        assert_eq!(config.rules.transition_first, millis(50));
        assert_eq!(config.rules.correction_window, millis(36_000));
        assert_eq!(config.limits.retry_after_max, millis(9_000));
        assert_eq!(config.rules.sync_interval, Rules::default().sync_interval);
        assert_eq!(
            config.rules.progress_deadline,
            Rules::default().progress_deadline
        );
        assert_eq!(config.limits.request_timeout, millis(10_000));
        // Time limits stay as long as a busy machine needs.
        assert_eq!(config.kube_timeout, millis(3_000));
        assert_eq!(config.shutdown_timeout, millis(3_000));
        assert_eq!(config.watch_timeout, millis(1_000));
        let quick = check(&["--time-scale", "100", "--request-timeout", "1s"], None).unwrap();
        let timing = quick.election.unwrap();
        assert_eq!(timing.renew_deadline, millis(3_000));
        assert_eq!(timing.lease_duration, millis(4_000));
        assert_eq!(timing.takeover_wait, millis(4_000));
    }

    #[test]
    fn one_replica_needs_no_lease() {
        let alone = check(&["--leader-elect=false"], None);
        assert_eq!(alone.unwrap().election, None);
        assert!(check(&["--leader-elect"], None).unwrap().election.is_some());
    }

    #[test]
    fn the_public_settings_are_eighteen_flags() {
        use clap::CommandFactory;
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        let public = run.get_arguments().filter(|flag| !flag.is_hide_set());
        assert_eq!(public.filter(|flag| flag.get_long().is_some()).count(), 18);
    }

    #[test]
    fn a_name_that_is_listed_twice_counts_once() {
        let config = check(
            &["--namespaces", "b,a, b,,a", "--secret-names", "k,k,other"],
            None,
        );
        let config = config.unwrap();
        assert_eq!(config.namespaces, ["b", "a"]);
        assert_eq!(config.secret_names, ["k", "other"]);
        let repeated = check(&["--namespaces", "a", "--namespaces", "a"], None).unwrap();
        assert_eq!(repeated.namespaces, ["a"]);
        assert!(
            check(&["--namespaces", ","], None)
                .unwrap()
                .namespaces
                .is_empty()
        );
    }

    #[test]
    fn an_invalid_setting_is_named() {
        for (flags, named) in [
            (&["--sync-interval", "soon"][..], "--sync-interval"),
            (&["--sync-interval", "0s"], "--sync-interval"),
            (&["--progress-deadline", "0s"], "--progress-deadline"),
            (&["--request-timeout", "0s"], "--request-timeout"),
            (&["--request-timeout", "2h"], "--request-timeout"),
            (&["--ca-file", "/nowhere"], "OXEN_CA_FILE"),
            (&["--ca-file", "Cargo.toml"], "OXEN_CA_FILE"),
            (&["--leader-elect=perhaps"], "--leader-elect"),
            (&["--hub-rate", "0"], "--hub-rate"),
            (&["--deletion-policy", "Orphan"], "--deletion-policy"),
            (
                &["--operator-key-namespaces", "team"],
                "--operator-key-namespaces",
            ),
        ] {
            let error = check(flags, None).unwrap_err();
            assert!(error.contains(named), "{flags:?}: {error}");
        }
    }

    #[test]
    fn the_operators_key_is_allowed_in_listed_namespaces_only() {
        let allowed = |list: &str| {
            check(&["--operator-key-namespaces", list], Some("k"))
                .unwrap()
                .operator_key
                .unwrap()
                .namespaces
        };
        assert!(allowed("a, b").contains("b") && !allowed("a,b").contains("c"));
        assert!(allowed("*").contains("c"));
        let unused = check(&[], Some("k")).unwrap().operator_key.unwrap();
        assert!(!unused.namespaces.contains("a"));
    }

    #[test]
    fn an_invalid_operator_key_is_refused_without_showing_it() {
        let error = check(&[], Some("two words")).unwrap_err();
        assert!(
            error.starts_with("OXEN_API_KEY:") && !error.contains("two words"),
            "{error}"
        );
        assert!(check(&["--api-key-file", "/key"], Some("k")).is_err());
    }
}
