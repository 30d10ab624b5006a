//! The five requests of the models API.

use std::{error::Error, fmt, time::Duration};

use reqwest::{Method, header, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    ApiKey,
    answer::quote,
    reply::Reply,
    wire::{Model, ModelList},
};
use crate::{
    api::Direction,
    decide::{Answer, Fault},
};

/// Names a call, for the hub's logs.
const REQUEST_ID: &str = "x-request-id";

/// What the client never exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For a whole request, its body included.
    pub request: Duration,
    /// Of an answer's body, in bytes.
    pub body: usize,
    /// The least that a Retry-After is taken for.
    pub shortest_rest: Duration,
    /// The most that a Retry-After is taken for.
    pub longest_rest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            request: Duration::from_secs(10),
            body: 4 << 20,
            shortest_rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(900),
        }
    }
}

/// The way to the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The hub's URL.
    pub base: Url,
    /// Through this, if there is one.
    pub proxy: Option<Url>,
    /// Certificate authorities to trust beside the machine's, as PEM.
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

/// The requests that the hub knows, for metrics.
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

/// How a request ended, for metrics: the status code, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The hub's status code.
    Code(u16),
    /// No answer.
    NoAnswer,
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The TLS stack, the certificate authorities or the proxy's URL.
    #[error("the HTTP client could not be set up")]
    Http(#[from] reqwest::Error),
}

/// The hub, over HTTP. It never repeats a request by itself and follows no redirect. It has no
/// pace: that is [`Hub`](super::Hub).
pub struct Client {
    http: reqwest::Client,
    base: Url,
    limits: Limits,
    watch: Box<dyn Fn(Endpoint, Outcome, Duration) + Send + Sync>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Why there is no reply.
enum Silence {
    /// There was no connection to send anything on: DNS, TCP or TLS failed.
    NoConnection(String),
    /// The connection broke, or the time was up.
    Broken(String),
    /// The body was over the limit.
    TooLarge,
}

impl Client {
    /// A client of the hub. `watch` is told of every request that ended.
    ///
    /// # Errors
    ///
    /// If the TLS stack, the certificate authorities or the proxy can't be set up.
    pub fn new(
        route: Route,
        limits: Limits,
        watch: impl Fn(Endpoint, Outcome, Duration) + Send + Sync + 'static,
    ) -> Result<Self, SetupError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .timeout(limits.request)
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
            watch: Box::new(watch),
        })
    }

    /// The URL that models' endpoints are below.
    #[must_use]
    pub fn api_base(&self) -> Url {
        self.url(&["api", "ai"])
    }

    /// All models, or those of a developer, or those that can be fine-tuned in a way.
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn list(
        &self,
        key: &ApiKey,
        developer_name: Option<&str>,
        action: Option<&str>,
    ) -> Result<Vec<Model>, Fault> {
        let mut url = self.models(&[]);
        for (name, value) in [("developer_name", developer_name), ("action", action)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let list: ModelList = self.look(key, Endpoint::List, url).await?;
        Ok(list.data)
    }

    /// The models whose name matches.
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn search(&self, key: &ApiKey, search: &str) -> Result<Vec<Model>, Fault> {
        let mut url = self.models(&["search"]);
        url.query_pairs_mut().append_pair("search", search);
        let list: ModelList = self.look(key, Endpoint::Search, url).await?;
        Ok(list.data)
    }

    /// One model; `live` has the hub ask its provider for the deployments' status first.
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn retrieve(&self, key: &ApiKey, model: &str, live: bool) -> Result<Model, Fault> {
        let mut url = self.models(&[model]);
        if live {
            url.query_pairs_mut()
                .append_pair("deployment_status", "live");
        }
        self.look(key, Endpoint::Retrieve, url).await
    }

    /// Activates or deactivates a model. `id` goes along as `X-Request-Id`, so that the hub's logs and the object's status name a call alike.
    pub async fn call(&self, key: &ApiKey, model: &str, direction: Direction, id: &str) -> Answer {
        let (endpoint, verb) = match direction {
            Direction::Activate => (Endpoint::Activate, "activate"),
            Direction::Deactivate => (Endpoint::Deactivate, "deactivate"),
        };
        let url = self.models(&[model, verb]);
        // Some proxies refuse a POST that doesn't say its length, with a 411.
        let request = self
            .request(key, Method::POST, url)
            .header(header::CONTENT_LENGTH, 0)
            .header(REQUEST_ID, id);
        match self.send(endpoint, request).await {
            Ok(reply) => reply.answer(key, &self.limits),
            // Nothing went out, so nothing happened.
            Err(Silence::NoConnection(words)) => Answer::Refused(Fault::Unreachable(words)),
            Err(silence) => Answer::unknown(silence.to_string()),
        }
    }

    async fn look<T: DeserializeOwned>(
        &self,
        key: &ApiKey,
        endpoint: Endpoint,
        url: Url,
    ) -> Result<T, Fault> {
        let request = self.request(key, Method::GET, url);
        match self.send(endpoint, request).await {
            Ok(reply) => reply.read(key, &self.limits),
            Err(silence @ Silence::TooLarge) => Err(Fault::Unexpected(silence.to_string())),
            Err(silence @ (Silence::NoConnection(_) | Silence::Broken(_))) => {
                Err(Fault::Unreachable(silence.to_string()))
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
    ) -> Result<Reply, Silence> {
        let started = tokio::time::Instant::now();
        let reply = self.receive(request).await;
        let outcome = match &reply {
            Ok(reply) => Outcome::Code(reply.code.as_u16()),
            Err(_) => Outcome::NoAnswer,
        };
        (self.watch)(endpoint, outcome, started.elapsed());
        reply
    }

    async fn receive(&self, request: reqwest::RequestBuilder) -> Result<Reply, Silence> {
        let mut response = request.send().await?;
        let body = match self.body(&mut response).await {
            // The code of a fault decides, whatever becomes of its words.
            Err(_) if !response.status().is_success() => Vec::new(),
            body => body?,
        };
        Ok(Reply {
            code: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }

    async fn body(&self, response: &mut reqwest::Response) -> Result<Vec<u8>, Silence> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.limits.body {
                return Err(Silence::TooLarge);
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

    /// A path below the base. Each segment is percent-encoded whole, so that a model's name
    /// can't become more path, or a query.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::NoConnection(words) | Silence::Broken(words) => f.write_str(words),
            Silence::TooLarge => f.write_str("a body too large to be an answer"),
        }
    }
}

/// The innermost cause says it best, and no URL is in it.
impl From<reqwest::Error> for Silence {
    fn from(error: reqwest::Error) -> Self {
        let why = if error.is_connect() {
            Silence::NoConnection
        } else {
            Silence::Broken
        };
        if error.is_timeout() {
            return why("no answer in time".into());
        }
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        why(quote(&cause.to_string()))
    }
}
