//! Flags and environment, made usable once: [`Args`] is what a person wrote, [`Config`] is what
//! the rest of the program can rely on.

mod timing;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use url::Url;

use timing::Timing;

use crate::{
    api::{DEFAULT_SECRET, DeletionPolicy},
    decide::Rules,
    leader::Election,
    oxen::{ApiKey, Bounds, Limits, Route},
};

/// Turns Oxen.ai custom model deployments on and off from Kubernetes manifests.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller.
    Run(Box<Args>),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Ask the hub, with the operator's API key, whether it answers and takes the key. Changes nothing.
    Check(HubArgs),
}

/// The way to the hub, and the operator's own key, as they were written.
#[derive(Debug, ClapArgs)]
pub struct HubArgs {
    /// The hub's URL, http or https.
    #[arg(long, env = "OXEN_BASE_URL", default_value = "https://hub.oxen.ai")]
    base_url: String,

    /// A proxy for requests to the hub, http or https. Unset: none, whatever HTTPS_PROXY says.
    #[arg(long, env = "OXEN_PROXY")]
    proxy: Option<String>,

    /// A file with certificate authorities to trust beside the machine's, as PEM, for the hub. Read at the start.
    #[arg(long, env = "OXEN_CA_FILE")]
    ca_file: Option<PathBuf>,

    /// A file with the operator's own API key; read again for each use, so that it can be rotated.
    /// Or put the key into the environment variable OXEN_API_KEY.
    #[arg(long, env = "OXEN_API_KEY_FILE")]
    api_key_file: Option<PathBuf>,
}

/// The controller's settings as they were written.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    hub: HubArgs,

    /// Namespaces that may use the operator's own API key, or `*` for all.
    #[arg(
        long,
        env = "OXEN_OPERATOR_KEY_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACES"
    )]
    operator_key_namespaces: Vec<String>,

    /// Namespaces to watch. Unset: all.
    #[arg(long, env = "OXEN_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,

    /// Names of Secrets to watch for API keys; a Secret of any other name is read when it is needed.
    #[arg(long, env = "OXEN_SECRET_NAMES", value_delimiter = ',', default_value = DEFAULT_SECRET)]
    secret_names: Vec<String>,

    /// Treat every object as suspended: look and report, never call.
    #[arg(long, env = "OXEN_OBSERVE_ONLY")]
    observe_only: bool,

    /// What deleting an object does where its spec says nothing.
    #[arg(long, env = "OXEN_DELETION_POLICY", default_value_t = DeletionPolicy::Deactivate, ignore_case = true)]
    deletion_policy: DeletionPolicy,

    /// Where probes and metrics are served.
    #[arg(long, env = "OXEN_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,

    /// Whether metrics have series of each object.
    #[arg(long, env = "OXEN_OBJECT_METRICS", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    object_metrics: bool,

    /// How logs are written; `auto` is text on a terminal and json elsewhere. RUST_LOG sets the level.
    #[arg(long, env = "OXEN_LOG_FORMAT", default_value = "auto")]
    log_format: LogFormat,

    /// Requests to the Kubernetes API at the same time.
    #[arg(long, env = "OXEN_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,

    /// Requests to the hub at the same time, with one API key.
    #[arg(long, env = "OXEN_IN_FLIGHT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,

    /// Requests to the hub a second, with one API key, where the hub doesn't ask for less.
    #[arg(long, env = "OXEN_HUB_RATE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    hub_rate: u32,

    /// Requests to the hub at once after a quiet time, with one API key.
    #[arg(long, env = "OXEN_HUB_BURST", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    hub_burst: u32,

    /// Share the work with other replicas: one leads, the others stand by. `false` only where
    /// there is never more than one.
    #[arg(long, env = "OXEN_LEADER_ELECT", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    leader_elect: bool,

    /// The namespace of the Lease that says who leads. Unset: the pod's, else the kubeconfig's.
    #[arg(long, env = "OXEN_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,

    #[command(flatten)]
    timing: Timing,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// Settings that have been checked.
#[derive(Debug)]
pub struct Config {
    /// The way to the hub.
    pub route: Route,
    /// The operator's own key and who may use it.
    pub operator_key: Option<OperatorKey>,
    /// Namespaces to watch; none means all.
    pub namespaces: Vec<String>,
    /// Names of Secrets to watch.
    pub secret_names: Vec<String>,
    /// What the decision knows of the settings.
    pub rules: Rules,
    /// What the hub's client never exceeds.
    pub limits: Limits,
    /// What the pace towards the hub never exceeds.
    pub pace: Bounds,
    /// Where probes and metrics are served.
    pub listen: SocketAddr,
    /// Whether metrics have series of each object.
    pub object_metrics: bool,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Requests to the Kubernetes API at the same time.
    pub concurrency: u16,
    /// The Lease that replicas share; none where there is one replica.
    pub election: Option<Election>,
    /// The longest that a call to the hub can take.
    pub call: Duration,
    /// A look older than this is not acted upon.
    pub freshness: Duration,
    /// For a request to the Kubernetes API.
    pub kube_timeout: Duration,
    /// How long a watch lasts before it is taken up anew.
    pub watch: Duration,
    /// How long what is in flight has to end after a SIGTERM.
    pub drain: Duration,
}

/// The operator's own key and the namespaces that it is lent to.
#[derive(Debug)]
pub struct OperatorKey {
    /// Where it is from.
    pub source: KeySource,
    namespaces: Vec<String>,
}

/// Where the operator's own key is from.
#[derive(Debug)]
pub enum KeySource {
    /// The environment variable `OXEN_API_KEY`.
    Environment(ApiKey),
    /// A file, read for each use.
    File(PathBuf),
}

impl OperatorKey {
    /// Whether a namespace may use it.
    #[must_use]
    pub fn is_lent_to(&self, namespace: &str) -> bool {
        self.namespaces
            .iter()
            .any(|listed| listed == "*" || listed == namespace)
    }
}

/// A setting that can't be used, by the name that a person set it by.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct Invalid {
    setting: &'static str,
    problem: String,
}

fn invalid(setting: &'static str, problem: impl Into<String>) -> Invalid {
    Invalid {
        setting,
        problem: problem.into(),
    }
}

impl Args {
    /// How logs are to be written, which has to be known before anything can be said.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Checks everything that can be checked without asking anyone. `api_key` is what the
    /// environment variable `OXEN_API_KEY` holds, if it is set.
    ///
    /// # Errors
    ///
    /// The first setting that can't be used, and why.
    pub fn check(self, api_key: Option<&[u8]>) -> Result<Config, Invalid> {
        let timing = &self.timing;
        let rules = timing.rules(self.observe_only, self.deletion_policy)?;
        let limits = Limits {
            connect: timing.connect_timeout.0,
            request: timing.request_timeout.0,
            shortest_rest: timing.shortest_rest.0,
            longest_rest: timing.longest_rest.0,
            ..Limits::default()
        };
        let pace = Bounds {
            rate: self.hub_rate,
            burst: self.hub_burst,
            in_flight: self.in_flight,
            raise: timing.hub_raise.0,
            probe: rules.refused_probe,
            rest_first: rules.backoff_first,
            rest_last: rules.backoff_last,
        };
        let election = if self.leader_elect {
            Some(Election {
                namespace: self.lease_namespace.filter(|name| !name.is_empty()),
                terms: timing.terms()?,
            })
        } else {
            None
        };
        Ok(Config {
            election,
            call: timing.call(),
            route: self.hub.route()?,
            operator_key: operator_key(self.hub.key(api_key)?, self.operator_key_namespaces)?,
            namespaces: named(self.namespaces),
            secret_names: named(self.secret_names),
            rules,
            limits,
            pace,
            listen: self.listen,
            object_metrics: self.object_metrics,
            log_format: self.log_format,
            concurrency: self.concurrency,
            freshness: timing.freshness.0,
            kube_timeout: timing.kube_timeout.0,
            watch: timing.watch.0,
            drain: timing.drain.0,
        })
    }
}

impl HubArgs {
    /// The way to the hub.
    ///
    /// # Errors
    ///
    /// The setting that can't be used, and why.
    pub fn route(&self) -> Result<Route, Invalid> {
        let proxy = self.proxy.as_deref().filter(|proxy| !proxy.is_empty());
        Ok(Route {
            base: http_url("OXEN_BASE_URL", &self.base_url)?,
            proxy: proxy
                .map(|proxy| http_url("OXEN_PROXY", proxy))
                .transpose()?,
            authorities: self.ca_file.as_deref().map(authorities).transpose()?,
        })
    }

    /// Where the operator's own key is from, if there is one. `environment` is what the environment variable
    /// `OXEN_API_KEY` holds, if it is set.
    ///
    /// # Errors
    ///
    /// The setting that can't be used, and why.
    pub fn key(&self, environment: Option<&[u8]>) -> Result<Option<KeySource>, Invalid> {
        match (environment, &self.api_key_file) {
            (Some(_), Some(_)) => Err(invalid(
                "OXEN_API_KEY_FILE",
                "set it or OXEN_API_KEY, not both",
            )),
            (Some(key), None) => {
                let key = ApiKey::new(key);
                let key = key.map_err(|error| invalid("OXEN_API_KEY", error.to_string()))?;
                Ok(Some(KeySource::Environment(key)))
            }
            (None, file) => Ok(file.clone().map(KeySource::File)),
        }
    }
}

fn authorities(file: &Path) -> Result<Vec<u8>, Invalid> {
    let problem = |why: String| {
        let file = file.display();
        invalid("OXEN_CA_FILE", format!("{file} {why}"))
    };
    let pem = fs::read(file).map_err(|error| problem(format!("can't be read ({error})")))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(all) if !all.is_empty() => Ok(pem),
        Ok(_) | Err(_) => Err(problem(
            "holds no certificate; it has to be PEM, with BEGIN CERTIFICATE lines".into(),
        )),
    }
}

fn http_url(setting: &'static str, text: &str) -> Result<Url, Invalid> {
    let example = "write one such as https://hub.oxen.ai";
    let url = Url::parse(text)
        .map_err(|error| invalid(setting, format!("{text:?} is no URL ({error}); {example}")))?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
        return Err(invalid(
            setting,
            format!("must be an http or https URL without query; {example}"),
        ));
    }
    Ok(url)
}

fn operator_key(
    source: Option<KeySource>,
    namespaces: Vec<String>,
) -> Result<Option<OperatorKey>, Invalid> {
    let namespaces = named(namespaces);
    match source {
        Some(source) => Ok(Some(OperatorKey { source, namespaces })),
        None if namespaces.is_empty() => Ok(None),
        None => Err(invalid(
            "--operator-key-namespaces",
            "there is no key to lend: set OXEN_API_KEY or OXEN_API_KEY_FILE",
        )),
    }
}

fn named(list: Vec<String>) -> Vec<String> {
    list.into_iter()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leader::Terms;

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
        assert!(config.object_metrics);
        assert_eq!(config.rules, Rules::default());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.pace, Bounds::default());
        assert_eq!(config.secret_names, ["oxen-api-key"]);
        let seconds = Duration::from_secs;
        let terms = Terms {
            lease: seconds(30),
            renew: seconds(20),
            retry: seconds(4),
            margin: seconds(15),
        };
        let election = config.election.unwrap();
        assert_eq!((election.namespace, election.terms), (None, terms));
    }

    #[test]
    fn one_replica_needs_no_lease_and_no_durations_that_fit_it() {
        let alone = check(&["--leader-elect=false", "--request-timeout", "1m"], None);
        assert_eq!(alone.unwrap().election, None);
        assert!(check(&["--leader-elect"], None).unwrap().election.is_some());
    }

    #[test]
    fn a_base_url_that_is_none_is_refused_by_name() {
        for text in [
            "hub.oxen.ai",
            "ftp://hub",
            "https://",
            "https://hub?x=1",
            "",
        ] {
            let error = check(&["--base-url", text], None).unwrap_err();
            assert!(error.starts_with("OXEN_BASE_URL"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named() {
        for (flags, named) in [
            (&["--sync-interval", "soon"][..], "--sync-interval"),
            (&["--sync-interval", "0s"], "--sync-interval"),
            (&["--backoff-last", "10ms"], "--backoff-last"),
            (&["--failure-delays", "1m,2m"], "--failure-delays"),
            (&["--ca-file", "/nowhere"], "OXEN_CA_FILE"),
            (&["--ca-file", "Cargo.toml"], "OXEN_CA_FILE"),
            (&["--lease", "20s"], "--lease"),
            (&["--request-timeout", "17s"], "--lease-renew"),
            (&["--lease-retry", "20s"], "--lease-retry"),
            (&["--leader-elect=perhaps"], "--leader-elect"),
            (&["--concurrency", "0"], "--concurrency"),
            (&["--hub-rate", "0"], "--hub-rate"),
            (&["--hub-raise", "0s"], "--hub-raise"),
            (&["--watch", "500ms"], "--watch"),
            (&["--watch", "1500ms"], "--watch"),
            (&["--watch", "5m"], "--watch"),
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
    fn what_help_shows_can_be_written() {
        let config = check(&["--failure-delays", "1s,2s,3s"], None).unwrap();
        assert_eq!(
            config.rules.failure_delays,
            [1, 2, 3].map(Duration::from_secs)
        );
    }

    #[test]
    fn the_operators_key_is_lent_to_listed_namespaces_only() {
        let lent = |list: &str| {
            check(&["--operator-key-namespaces", list], Some("k"))
                .unwrap()
                .operator_key
                .unwrap()
        };
        assert!(lent("a, b").is_lent_to("b") && !lent("a,b").is_lent_to("c"));
        assert!(lent("*").is_lent_to("c"));
        let unlent = check(&[], Some("k")).unwrap().operator_key.unwrap();
        assert!(!unlent.is_lent_to("a"));
    }

    #[test]
    fn an_operators_key_that_is_none_is_refused_without_showing_it() {
        let error = check(&[], Some("two words")).unwrap_err();
        assert!(
            error.starts_with("OXEN_API_KEY:") && !error.contains("two words"),
            "{error}"
        );
        assert!(check(&["--api-key-file", "/key"], Some("k")).is_err());
    }
}
