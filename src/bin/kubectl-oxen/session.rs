//! A connection to one cluster.

use std::{future::Future, time::Duration};

use http::{HeaderValue, Uri, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, KubeconfigError},
};

use crate::{
    cli::Global,
    exec::{self, Terminal},
    explain::{Asked, Place, Trouble, explain, timed_out},
    kubeconfig::{self, Environment, Source, Target},
    outcome::Failure,
    proxy, verbose,
};

/// Takes the place of a proxy while kube reads the entry, so that kube asks no environment for one.
const NO_PROXY: &str = "http://unused.invalid";

/// A connection to one cluster, as one user.
pub struct Session {
    /// The client. It neither retries a request nor limits its time.
    pub client: Client,
    /// The namespace of `--namespace`, else of the context, else `default`.
    pub namespace: String,
    place: Place,
    timeout: Option<Duration>,
}

impl Session {
    /// Reads the kubeconfig, runs the user's credential plugin once, and makes a client. It sends
    /// no request.
    ///
    /// # Errors
    ///
    /// The kubeconfig or the credentials can't be used.
    pub async fn open(flags: &Global) -> Result<Self, Failure> {
        Self::open_with(flags, Terminal::Shared).await
    }

    /// Does the same as [`Session::open()`], but a credential plugin neither asks nor prints
    /// anything.
    ///
    /// # Errors
    ///
    /// The kubeconfig or the credentials can't be used.
    pub async fn open_quietly(flags: &Global) -> Result<Self, Failure> {
        Self::open_with(flags, Terminal::Withheld).await
    }

    /// Opens a session whose credential plugin may use the terminal as this says.
    ///
    /// # Errors
    ///
    /// The kubeconfig or the credentials can't be used.
    pub async fn open_with(flags: &Global, terminal: Terminal) -> Result<Self, Failure> {
        let (config, place, namespace) = match kubeconfig::read(flags, &Environment::of_process())?
        {
            Source::Files(files) => of_files(kubeconfig::select(&files, flags)?, terminal).await?,
            Source::Pod => of_pod(flags)?,
        };
        let namespace = flags.namespace.clone().or(namespace);
        let client = Client::try_from(prepared(config)).map_err(|error| {
            let asked = Asked {
                verb: "get",
                what: "OxenModels",
                namespace: None,
                name: None,
            };
            explain(&error, &place, asked)
        })?;
        let client = if flags.verbose {
            verbose::told(client)
        } else {
            client
        };
        Ok(Self {
            client,
            namespace: namespace.unwrap_or_else(|| "default".into()),
            place,
            timeout: flags.request_timeout.0,
        })
    }

    /// Waits for a request, for no longer than `--request-timeout`.
    ///
    /// # Errors
    ///
    /// The request failed or took too long.
    pub async fn ask<T>(
        &self,
        asked: Asked<'_>,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Trouble> {
        let answer = match self.timeout {
            Some(limit) => match tokio::time::timeout(limit, request).await {
                Ok(answer) => answer,
                Err(_) => return Err(timed_out(&self.place, limit.as_secs_f64())),
            },
            None => request.await,
        };
        answer.map_err(|error| self.trouble(&error, asked))
    }

    /// The cluster and the user, by the names of the kubeconfig.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The trouble of an API server that has said nothing for so long.
    pub fn silent(&self, limit: Duration) -> Trouble {
        timed_out(&self.place, limit.as_secs_f64())
    }

    /// The trouble behind an error of this session's client.
    pub fn trouble(&self, error: &kube::Error, asked: Asked<'_>) -> Trouble {
        explain(error, &self.place, asked)
    }
}

/// The client's settings that are not kube's defaults.
fn prepared(mut config: Config) -> Config {
    config.default_retry = false;
    // Audit logs show this. A name that begins with `kubectl` would let Flux take fields back.
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let agent = format!(
        "oxen-plugin/{} ({os}/{architecture})",
        env!("CARGO_PKG_VERSION")
    );
    if let Ok(agent) = HeaderValue::from_str(&agent) {
        config.headers.push((USER_AGENT, agent));
    }
    config
}

async fn of_files(
    mut target: Target,
    terminal: Terminal,
) -> Result<(Config, Place, Option<String>), Failure> {
    exec::resolve(&mut target, terminal).await?;
    target.check_token()?;
    let server: Option<Uri> = target
        .cluster
        .server
        .as_ref()
        .and_then(|url| url.parse().ok());
    let own = target.cluster.proxy_url.as_deref();
    let chosen = match &server {
        Some(server) => proxy::choose(server, own, &proxy::Environment::of_process())?,
        None => None,
    };
    let namespace = target.namespace.clone();
    let copy = target.clone();
    let text = chosen
        .as_ref()
        .map_or_else(|| NO_PROXY.into(), Uri::to_string);
    let single = target.into_kubeconfig(&text);
    let config = Config::from_custom_kubeconfig(single, &KubeConfigOptions::default()).await;
    let config = match (config, server) {
        // kube parses NO_PROXY, whose value is not used here, and last of all.
        (Err(KubeconfigError::ParseNoProxy(_)), Some(server)) => Ok(copy.config(server)),
        (config, _) => config,
    };
    let (cluster, user) = (&copy.cluster_name, &copy.user_name);
    let mut config = config.map_err(|error| kubeconfig::unusable(cluster, user, &error))?;
    if config.root_cert.as_ref().is_some_and(Vec::is_empty) {
        return Err(kubeconfig::no_authority(cluster).into());
    }
    config.proxy_url = chosen;
    let authorities = config.root_cert.as_deref().unwrap_or_default();
    let place = Place {
        context: copy.context,
        server: without_user_info(copy.cluster.server.unwrap_or_default()),
        cluster: copy.cluster_name,
        user: copy.user_name,
        leaf_authority: authorities.len() == 1 && authorities.iter().all(|der| !is_authority(der)),
    };
    Ok((config, place, namespace))
}

/// The URL without a user name and a password, which no message may show.
fn without_user_info(url: String) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

fn of_pod(flags: &Global) -> Result<(Config, Place, Option<String>), Failure> {
    let given = [
        ("--server", flags.server.is_some()),
        ("--token", flags.token.is_some()),
        (
            "--certificate-authority",
            flags.certificate_authority.is_some(),
        ),
        ("--client-certificate", flags.client_certificate.is_some()),
        ("--client-key", flags.client_key.is_some()),
        ("--tls-server-name", flags.tls_server_name.is_some()),
        ("--insecure-skip-tls-verify", flags.insecure_skip_tls_verify),
    ];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
        return Err(format!(
            "{flag} has no effect on the account of this pod, which is used because there is no \
             kubeconfig. Pass --kubeconfig FILE, or leave {flag} out."
        )
        .into());
    }
    let config = Config::incluster();
    let mut config =
        config.map_err(|error| format!("the account of this pod can't be used: {error}."))?;
    kubeconfig::act_as(&mut config.auth_info, flags)?;
    let place = Place {
        server: config.cluster_url.to_string().trim_end_matches('/').into(),
        user: "of this pod".into(),
        ..Place::default()
    };
    let namespace = config.default_namespace.clone();
    Ok((config, place, Some(namespace)))
}

/// Returns true when the certificate says that it is an authority's: its extension basicConstraints
/// (2.5.29.19) has CA TRUE. This reads the extension's bytes, and checks nothing.
fn is_authority(der: &[u8]) -> bool {
    const OID: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x13];
    const TRUE: [u8; 3] = [0x01, 0x01, 0xff];
    let Some(at) = der.windows(OID.len()).position(|window| window == OID) else {
        return false;
    };
    let after = &der[at + OID.len()..];
    let after = after.strip_prefix(&TRUE).unwrap_or(after);
    // An octet string that holds a sequence; its first element is CA.
    matches!(after, [0x04, _, 0x30, _, inner @ ..] if inner.starts_with(&TRUE))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown() {
        for (url, shown) in [
            ("https://u:SECRET@host:6443/a", "https://host:6443/a"),
            ("https://u:a@b@host", "https://host"),
            ("https://host/p@th", "https://host/p@th"),
            ("host:1", "host:1"),
        ] {
            assert_eq!(without_user_info(url.into()), shown);
        }
    }

    #[test]
    fn a_servers_own_certificate_is_told_from_an_authority() {
        let key = KeyPair::generate().unwrap();
        for (is_ca, authority) in [
            (IsCa::Ca(BasicConstraints::Unconstrained), true),
            (IsCa::Ca(BasicConstraints::Constrained(1)), true),
            (IsCa::ExplicitNoCa, false),
            (IsCa::NoCa, false),
        ] {
            let mut params = CertificateParams::new(["a".to_owned()]).unwrap();
            params.is_ca = is_ca;
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(is_authority(certificate.der()), authority, "{is_ca:?}");
        }
    }
}
