//! Errors of the Kubernetes API as sentences: what is the case, and what to do. Only the
//! innermost cause is shown, because the outer ones say no more than "client error (Connect)".

use std::{error::Error as _, io};

use hyper_util::client::legacy;
use kube::{Error, core::Status};

use crate::{clean, kubeconfig, outcome::Failure};

mod hub;

pub use hub::hub_fault;

/// The cluster and the user that a request is for, by the names of the kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The context, if one is used.
    pub context: Option<String>,
    /// The API server's URL.
    pub server: String,
    /// The cluster's entry.
    pub cluster: String,
    /// The user's entry.
    pub user: String,
    /// Whether the certificate authority of the cluster's entry is a server's own certificate,
    /// which is not an authority's.
    pub leaf_authority: bool,
}

/// What a request asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The verb of the Kubernetes API: `get`, `list`, `patch` or `watch`.
    pub verb: &'a str,
    /// The objects: `OxenModels` or `events`.
    pub what: &'a str,
    /// The namespace, or `None` for all of them.
    pub namespace: Option<&'a str>,
    /// The object's name, for a request about one.
    pub name: Option<&'a str>,
}

/// Why a request failed.
#[derive(Debug)]
pub struct Trouble {
    /// Whether the API server answered that there is no such object.
    pub no_such_object: bool,
    /// Whether the API server answered that the user may not do this.
    pub forbidden: bool,
    /// Whether the API server answered that it does not accept the credentials.
    pub unauthorized: bool,
    /// Whether the API server knows no such kind of objects.
    pub not_installed: bool,
    /// Whether the API server may have done what was asked, without saying so.
    pub maybe_done: bool,
    /// What is the case, without a full stop.
    pub why: String,
    /// What to do, as a sentence or nothing.
    pub remedy: String,
}

impl Trouble {
    fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            no_such_object: false,
            forbidden: false,
            unauthorized: false,
            not_installed: false,
            maybe_done: false,
            why: why.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let sentence = format!("{}. {}", trouble.why, trouble.remedy);
        Self::Because(sentence.trim_end().to_owned())
    }
}

/// The trouble of a request that was not answered in time.
pub fn timed_out(place: &Place, seconds: f64) -> Trouble {
    Trouble {
        maybe_done: true,
        ..Trouble::new(
            format!("{} did not answer within {seconds} s", place.server()),
            "Is the cluster running? --request-timeout allows more time.",
        )
    }
}

/// The trouble behind an error of kube's client.
pub fn explain(error: &Error, place: &Place, asked: Asked<'_>) -> Trouble {
    match error {
        Error::Api(status) => answered(status, place, asked),
        Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_) | Error::HttpError(_) => {
            unreachable(error, place)
        }
        Error::ProxyProtocolUnsupported { .. } | Error::ProxyProtocolDisabled { .. } => {
            Trouble::new(
                "this program does not support this kind of proxy to the API server",
                "Use an http:// proxy.",
            )
        }
        Error::SerdeError(_) | Error::FromUtf8(_) | Error::LinesCodecMaxLineLengthExceeded => {
            Trouble::new(
                format!("the answer of {} can't be read", place.server()),
                "Is it the URL of a Kubernetes API server?",
            )
        }
        Error::RustlsTls(cause) => unusable(kubeconfig::unusable_for_tls(
            &place.cluster,
            &place.user,
            cause,
        )),
        Error::InferKubeconfig(cause) => {
            unusable(kubeconfig::unusable(&place.cluster, &place.user, cause))
        }
        Error::TlsRequired => Trouble::new(
            format!("TLS to {} can't be set up", place.server()),
            "Check the certificates of the kubeconfig.",
        ),
        Error::Auth(_) => Trouble::new(
            format!(
                "user \"{}\" of the kubeconfig has no usable credentials",
                place.user
            ),
            "Log in again.",
        ),
        Error::BuildRequest(_) | Error::InferConfig(_) | Error::Discovery(_) => {
            Trouble::new(innermost(error), "")
        }
    }
}

/// The trouble of a kubeconfig that can't be used, as this sentence says.
fn unusable(sentence: String) -> Trouble {
    Trouble::new(sentence.trim_end_matches('.'), "")
}

/// The trouble behind an answer of the API server.
fn answered(status: &Status, place: &Place, asked: Asked<'_>) -> Trouble {
    let Asked {
        verb,
        what,
        namespace,
        name,
    } = asked;
    let whose = quoted_user(&status.message).unwrap_or(&place.user);
    match status.code {
        401 => Trouble {
            unauthorized: true,
            ..Trouble::new(
                format!(
                    "{} does not accept the credentials of user \"{}\"",
                    place.server(),
                    place.user
                ),
                "Log in again, or choose another context.",
            )
        },
        403 => {
            let (within, there) = match namespace {
                Some(namespace) => (format!("in {namespace}"), "there"),
                None => ("in all namespaces".into(), "for all namespaces"),
            };
            let grant = match (what, verb) {
                ("OxenModels", "patch") => "the verbs get and patch on oxenmodels.oxen.ai",
                ("OxenModels", _) => "the verbs get, list and watch on oxenmodels.oxen.ai",
                _ => "the ClusterRole view",
            };
            Trouble {
                forbidden: true,
                ..Trouble::new(
                    format!("user {} may not {verb} {what} {within}", clean::line(whose)),
                    format!("Ask for {grant} {there}."),
                )
            }
        }
        404 if status
            .details
            .as_ref()
            .is_some_and(|details| !details.name.is_empty()) =>
        {
            let name = name.unwrap_or_default();
            let namespace = namespace.unwrap_or_default();
            Trouble {
                no_such_object: true,
                ..Trouble::new(
                    format!("there is no OxenModel \"{name}\" in namespace {namespace}"),
                    "",
                )
            }
        }
        404 => Trouble {
            not_installed: true,
            ..Trouble::new(
                format!(
                    "OxenModels are not installed in this cluster{}",
                    place.in_context()
                ),
                "Install the operator, or choose another context.",
            )
        },
        _ => {
            let message = clean::line(&status.message);
            let message = message.trim_end_matches('.');
            Trouble {
                // A proxy got no valid answer, or the API server's own backend was too late.
                maybe_done: matches!(status.code, 502 | 504) || status.reason == "ServerTimeout",
                ..Trouble::new(format!("the API server refuses: {message}"), "")
            }
        }
    }
}

/// The name of the user that the API server refused, which need not be the kubeconfig's.
fn quoted_user(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("User \"")?;
    Some(after.split_once('"')?.0)
}

/// The trouble behind a request without an answer.
fn unreachable(error: &Error, place: &Place) -> Trouble {
    let cause = innermost(error);
    if cause.contains("UnknownIssuer") || cause.contains("CaUsedAsEndEntity") {
        let (server, cluster) = (&place.server, &place.cluster);
        return if place.leaf_authority {
            Trouble::new(
                format!(
                    "the certificate authority that the kubeconfig has for cluster {cluster} holds \
                     the server's own certificate"
                ),
                "Replace it with its issuer's certificate (kubectl accepts both).",
            )
        } else {
            Trouble::new(
                format!(
                    "the certificate of {server} is not signed by the certificate authority that \
                     the kubeconfig has for cluster {cluster}"
                ),
                "Fetch the kubeconfig again.",
            )
        };
    }
    if cause.contains("invalid peer certificate") {
        let cause = cause.replace("invalid peer certificate: ", "");
        return Trouble::new(
            format!("the certificate of {} is not valid: {cause}", place.server),
            "Fetch the kubeconfig again.",
        );
    }
    Trouble {
        maybe_done: !is_unconnected(error),
        ..Trouble::new(
            format!("{} cannot be reached: {cause}", place.server()),
            "Is the cluster running?",
        )
    }
}

/// Returns true when there was no connection on which the request could have been sent.
fn is_unconnected(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref().is_some_and(legacy::Error::is_connect) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The innermost cause of an error.
fn innermost(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut refused = false;
    let mut source = error.source();
    while let Some(inner) = source {
        let io = inner.downcast_ref::<io::Error>();
        refused |= io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused);
        cause = inner;
        source = inner.source();
    }
    if refused {
        "connection refused".into()
    } else {
        clean::line(&cause.to_string())
    }
}

impl Place {
    fn server(&self) -> String {
        format!("the API server {}{}", self.server, self.in_context())
    }

    fn in_context(&self) -> String {
        let context = self.context.as_ref();
        context.map_or_else(String::new, |context| format!(" (context {context})"))
    }
}

#[cfg(test)]
mod tests;
