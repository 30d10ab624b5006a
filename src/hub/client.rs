//! The client of the models API, and the requests about one model.

use std::{fmt, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use reqwest::{Method, header};
use tokio::time::Instant;
use url::Url;

use super::{
    endpoint::{Endpoint, Outcome},
    http_client::HttpClient,
    hub_clock::HubClock,
    key::ApiKey,
    limits::Limits,
    response::Response,
    route::{Route, SetupError},
    transport_error::TransportError,
    wire::Model,
};
use crate::{
    api::OperationKind,
    decide::{Agreement, CallOutcome, HubFault},
};

/// The header that carries an operation's id to the hub's logs.
const REQUEST_ID: &str = "x-request-id";

/// The hub's API over HTTP. It never retries a request and follows no redirect. It has no rate
/// limit: [`LimitedClient`](super::LimitedClient) has one.
pub struct Client {
    http: HttpClient,
    base: Url,
    pub(super) limits: Limits,
    clock: HubClock,
    on_end: Box<dyn Fn(Endpoint, Outcome, Duration) + Send + Sync>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the hub. `on_end` is called for every request that ended.
    ///
    /// # Errors
    ///
    /// Fails if the TLS stack, the certificate authorities or the proxy can't be set up.
    pub fn new(
        route: Route,
        limits: Limits,
        on_end: impl Fn(Endpoint, Outcome, Duration) + Send + Sync + 'static,
    ) -> Result<Self, SetupError> {
        let base = route.base.clone();
        Ok(Self {
            http: HttpClient::new(route, limits.clone())?,
            base,
            limits,
            clock: HubClock::default(),
            on_end: Box::new(on_end),
        })
    }

    /// The HTTP client that this client's requests use.
    #[must_use]
    pub fn http(&self) -> HttpClient {
        self.http.clone()
    }

    /// The base URL of the models' endpoints.
    #[must_use]
    pub fn api_base(&self) -> Url {
        self.url(&["api", "ai"])
    }

    /// Returns whether the hub's clock, by the `Date` of its last response about a model, agrees
    /// with `now`.
    #[must_use]
    pub fn agreement(&self, now: Timestamp) -> Agreement {
        self.clock.agreement(now)
    }

    /// Retrieves one model. With `live`, the hub asks its provider for the deployments' status
    /// first.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn retrieve(&self, key: &ApiKey, model: &str, live: bool) -> Result<Model, HubFault> {
        let mut url = self.models(&[model]);
        if live {
            url.query_pairs_mut()
                .append_pair("deployment_status", "live");
        }
        let request = self.request(key, Method::GET, url);
        let response = self.send(Endpoint::Retrieve, request).await?;
        response.read(model, key, &self.limits)
    }

    /// Activates or deactivates a model. `id` is sent as `X-Request-Id`, so that the hub's logs and
    /// the object's status have the same id for the operation.
    pub async fn call(
        &self,
        key: &ApiKey,
        model: &str,
        kind: OperationKind,
        id: &str,
    ) -> CallOutcome {
        let endpoint = match kind {
            OperationKind::Activate => Endpoint::Activate,
            OperationKind::Deactivate => Endpoint::Deactivate,
        };
        let url = self.models(&[model, kind.as_str()]);
        // Some proxies answer 411 to a POST without a length.
        let request = self
            .request(key, Method::POST, url)
            .header(header::CONTENT_LENGTH, 0)
            .header(REQUEST_ID, id);
        match self.send(endpoint, request).await {
            Ok(response) => response.outcome(key, &self.limits),
            // Nothing was sent, so the call had no effect.
            Err(TransportError::NoConnection(words)) => {
                CallOutcome::refused(HubFault::Unreachable(words))
            }
            Err(error) => CallOutcome::unknown(error.to_string()),
        }
    }

    pub(super) fn request(
        &self,
        key: &ApiKey,
        method: Method,
        url: Url,
    ) -> reqwest::RequestBuilder {
        self.without_key(method, url)
            .header(header::AUTHORIZATION, key.header())
    }

    pub(super) fn without_key(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http
            .current()
            .request(method, url)
            .header(header::ACCEPT, "application/json")
            // The client doesn't decompress responses.
            .header(header::ACCEPT_ENCODING, "identity")
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, TransportError> {
        let started = Instant::now();
        let response = match request.send().await {
            Ok(response) => {
                self.clock.note(response.headers());
                self.whole(response).await
            }
            Err(error) => Err(error.into()),
        };
        let code = response.as_ref().ok().map(|response| response.code);
        self.report(endpoint, started, code);
        response
    }

    /// Reports a request that ended, with the code of its response if it has one.
    pub(super) fn report(&self, endpoint: Endpoint, started: Instant, code: Option<StatusCode>) {
        let outcome = code.map_or(Outcome::NoResponse, |code| Outcome::Code(code.as_u16()));
        (self.on_end)(endpoint, outcome, started.elapsed());
    }

    /// The response with its whole body.
    pub(super) async fn whole(
        &self,
        mut response: reqwest::Response,
    ) -> Result<Response, TransportError> {
        let body = match self.body(&mut response).await {
            // The code decides, even if the body can't be read.
            Err(_) if !response.status().is_success() => Vec::new(),
            body => body?,
        };
        Ok(Response {
            code: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }

    async fn body(&self, response: &mut reqwest::Response) -> Result<Vec<u8>, TransportError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.limits.max_body {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn models(&self, segments: &[&str]) -> Url {
        let all: Vec<&str> = ["api", "ai", "models"]
            .into_iter()
            .chain(segments.iter().copied())
            .collect();
        self.url(&all)
    }

    /// A URL below the base. Each segment is percent-encoded, so that a model's name can't add path
    /// segments or a query.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}
