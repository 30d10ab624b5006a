//! The HTTP client, whose certificate authorities can change while it is in use.

use tokio::sync::watch;

use super::{
    limits::Limits,
    route::{Route, SetupError},
};

/// The HTTP client that requests to the hub use. Its clones share one client, so that new
/// certificate authorities reach all of them.
#[derive(Clone, Debug)]
pub struct HttpClient {
    route: Route,
    limits: Limits,
    current: watch::Sender<reqwest::Client>,
}

impl HttpClient {
    pub(super) fn new(route: Route, limits: Limits) -> Result<Self, SetupError> {
        let current = watch::Sender::new(route.http_client(&limits)?);
        Ok(Self {
            route,
            limits,
            current,
        })
    }

    /// The client for a new request.
    pub(super) fn current(&self) -> reqwest::Client {
        self.current.borrow().clone()
    }

    /// Trusts the authorities of these PEM certificates, in addition to the machine's, and no
    /// longer those of the route. New requests use new connections. A request in flight ends on
    /// the connection that it has.
    ///
    /// # Errors
    ///
    /// Fails if the certificates can't be used. The client then stays as it is.
    pub fn trust(&self, authorities: Vec<u8>) -> Result<(), SetupError> {
        let route = Route {
            authorities: Some(authorities),
            ..self.route.clone()
        };
        self.current.send_replace(route.http_client(&self.limits)?);
        Ok(())
    }
}
