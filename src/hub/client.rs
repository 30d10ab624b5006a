//! The five requests of the models API.

use std::{error::Error, fmt, time::Duration};

use reqwest::{Method, header, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    key::ApiKey,
    limits::Limits,
    quote::quote,
    response::Response,
    wire::{Model, ModelList},
};
use crate::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
};

/// The header that carries an operation's id to the hub's logs.
const REQUEST_ID: &str = "x-request-id";

/// How the hub is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The hub's URL.
    pub base: Url,
    /// The proxy for requests to the hub, if there is one.
    pub proxy: Option<Url>,
    /// PEM certificates of authorities to trust in addition to the machine's.
    pub authorities: Option<Vec<u8>>,
}

impl From<Url> for Route {
    fn from(base: Url) -> Self {
        Self {
            base,
            proxy: None,
            authorities: None,
        }
    }
}

/// The hub's endpoints, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /api/ai/models`
    List,
    /// `GET /api/ai/models/search`
    Search,
    /// `GET /api/ai/models/:id`
    Retrieve,
    /// `POST /api/ai/models/:id/activate`
    Activate,
    /// `POST /api/ai/models/:id/deactivate`
    Deactivate,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 5] = [
        Self::List,
        Self::Search,
        Self::Retrieve,
        Self::Activate,
        Self::Deactivate,
    ];

    /// The endpoint's name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Search => "search",
            Self::Retrieve => "retrieve",
            Self::Activate => OperationKind::Activate.as_str(),
            Self::Deactivate => OperationKind::Deactivate.as_str(),
        }
    }
}

/// How a request ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The hub's status code.
    Code(u16),
    /// There was no response.
    NoResponse,
}

/// The hub's client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The TLS stack, the certificate authorities or the proxy's URL is the cause.
    #[error("the HTTP client could not be set up")]
    Http(#[from] reqwest::Error),
}

/// The hub's API over HTTP. It never retries a request and follows no redirect. It has no rate
/// limit: [`LimitedClient`](super::LimitedClient) has one.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    limits: Limits,
    on_end: Box<dyn Fn(Endpoint, Outcome, Duration) + Send + Sync>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
enum TransportError {
    /// No connection was established, so nothing was sent: DNS, TCP or TLS failed.
    NoConnection(String),
    /// The connection broke, or the request timed out.
    Broken(String),
    /// The body is larger than the limit.
    TooLarge,
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
        let builder = reqwest::Client::builder()
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.request_timeout)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(concat!("oxen-operator/", env!("CARGO_PKG_VERSION")));
        let builder = match route.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy)?),
            None => builder.no_proxy(),
        };
        let builder = match route.authorities {
            Some(pem) => builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?),
            None => builder,
        };
        Ok(Self {
            http: builder.build()?,
            base: route.base,
            limits,
            on_end: Box::new(on_end),
        })
    }

    /// The base URL of the models' endpoints.
    #[must_use]
    pub fn api_base(&self) -> Url {
        self.url(&["api", "ai"])
    }

    /// Lists all models, or those of one developer, or those with one fine-tuning action.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn list(
        &self,
        key: &ApiKey,
        developer_name: Option<&str>,
        action: Option<&str>,
    ) -> Result<Vec<Model>, HubFault> {
        let mut url = self.models(&[]);
        for (name, value) in [("developer_name", developer_name), ("action", action)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let list: ModelList = self.get(key, Endpoint::List, url).await?;
        Ok(list.data)
    }

    /// Returns true when the hub refuses to list models without an API key.
    pub async fn needs_key(&self) -> bool {
        let request = self
            .http
            .get(self.models(&[]))
            .header(header::ACCEPT, "application/json");
        let response = self.send(Endpoint::List, request).await;
        response.is_ok_and(|response| matches!(response.code.as_u16(), 401 | 403))
    }

    /// Lists the models whose name matches.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn search(&self, key: &ApiKey, search: &str) -> Result<Vec<Model>, HubFault> {
        let mut url = self.models(&["search"]);
        url.query_pairs_mut().append_pair("search", search);
        let list: ModelList = self.get(key, Endpoint::Search, url).await?;
        Ok(list.data)
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
        self.get(key, Endpoint::Retrieve, url).await
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
                CallOutcome::Refused(HubFault::Unreachable(words))
            }
            Err(error) => CallOutcome::unknown(error.to_string()),
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        key: &ApiKey,
        endpoint: Endpoint,
        url: Url,
    ) -> Result<T, HubFault> {
        let request = self.request(key, Method::GET, url);
        match self.send(endpoint, request).await {
            Ok(response) => response.read(key, &self.limits),
            Err(error @ TransportError::TooLarge) => Err(HubFault::Unexpected(error.to_string())),
            Err(error @ (TransportError::NoConnection(_) | TransportError::Broken(_))) => {
                Err(HubFault::Unreachable(error.to_string()))
            }
        }
    }

    fn request(&self, key: &ApiKey, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http
            .request(method, url)
            .header(header::AUTHORIZATION, key.header())
            .header(header::ACCEPT, "application/json")
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, TransportError> {
        let started = tokio::time::Instant::now();
        let response = self.receive(request).await;
        let outcome = match &response {
            Ok(response) => Outcome::Code(response.code.as_u16()),
            Err(_) => Outcome::NoResponse,
        };
        (self.on_end)(endpoint, outcome, started.elapsed());
        response
    }

    async fn receive(&self, request: reqwest::RequestBuilder) -> Result<Response, TransportError> {
        let mut response = request.send().await?;
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

    fn models(&self, segments: &[&str]) -> Url {
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

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::NoConnection(words) | TransportError::Broken(words) => {
                f.write_str(words)
            }
            TransportError::TooLarge => f.write_str("the body is too large"),
        }
    }
}

/// The innermost cause is the most precise one, and contains no URL.
impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        let why = if error.is_connect() {
            TransportError::NoConnection
        } else {
            TransportError::Broken
        };
        if error.is_timeout() {
            return why("the request timed out".into());
        }
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        why(quote(&cause.to_string()))
    }
}
