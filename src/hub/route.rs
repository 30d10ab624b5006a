//! How the hub is reached: its URL, the proxy, and the certificate authorities to trust.

use std::fmt;

use reqwest::redirect;
use url::Url;

use super::limits::Limits;

/// How the hub is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Route {
    /// The hub's URL.
    pub base: Url,
    /// The proxy for requests to the hub, if there is one. Its URL may contain a password, so it
    /// is never printed.
    pub proxy: Option<Url>,
    /// PEM certificates of authorities to trust in addition to the machine's.
    pub authorities: Option<Vec<u8>>,
    /// The program that sends the requests, for the header `User-Agent`.
    pub agent: &'static str,
}

/// The error that the hub's client could not be built. The message doesn't contain the proxy's URL.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The cause is the proxy's URL.
    #[error("OXEN_PROXY: the proxy's URL can't be used")]
    Proxy,
    /// The cause is the TLS stack or the certificate authorities.
    #[error("the HTTP client could not be set up")]
    Http(#[from] reqwest::Error),
}

/// The operator's route to this URL, without a proxy and without further authorities.
impl From<Url> for Route {
    fn from(base: Url) -> Self {
        Self {
            base,
            proxy: None,
            authorities: None,
            agent: concat!("oxen-operator/", env!("CARGO_PKG_VERSION")),
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("base", &self.base.as_str())
            .field("proxy", &self.proxy.as_ref().map(|_| ".."))
            .field("authorities", &self.authorities.as_ref().map(Vec::len))
            .field("agent", &self.agent)
            .finish()
    }
}

impl Route {
    /// Makes an HTTP client for this route. The client never retries a request, follows no
    /// redirect, and uses no proxy of the environment.
    ///
    /// # Errors
    ///
    /// Fails if the TLS stack, the certificate authorities or the proxy can't be set up.
    pub(super) fn http_client(&self, limits: &Limits) -> Result<reqwest::Client, SetupError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.request_timeout)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(self.agent);
        let builder = match &self.proxy {
            Some(proxy) => {
                // The error may contain the URL.
                let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|_| SetupError::Proxy)?;
                builder.proxy(proxy)
            }
            None => builder.no_proxy(),
        };
        let builder = match &self.authorities {
            Some(pem) => builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?),
            None => builder,
        };
        Ok(builder.build()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_never_prints_its_proxy() {
        let base: Url = "https://hub.oxen.ai".parse().unwrap();
        let route = Route {
            proxy: Some("http://user:s3cret@gate:3128".parse().unwrap()),
            ..base.into()
        };
        let debug = format!("{route:?}");
        assert!(debug.contains("hub.oxen.ai"), "{debug}");
        for hidden in ["user", "s3cret", "gate"] {
            assert!(!debug.contains(hidden), "{debug}");
        }
    }
}
