//! The five requests of the models API.

use std::{fmt, ops::ControlFlow, time::Duration};

use http::StatusCode;
use reqwest::{Method, header};
use tokio::time::Instant;
use url::Url;

use super::{
    items::ItemReader,
    key::ApiKey,
    limits::Limits,
    quote::quote,
    response::{Response, read_model},
    route::{Route, SetupError},
    transport_error::TransportError,
    wire::Model,
};
use crate::{
    api::OperationKind,
    decide::{CallOutcome, HubFault},
};

/// The header that carries an operation's id to the hub's logs.
const REQUEST_ID: &str = "x-request-id";

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
            http: route.http_client(&limits)?,
            base,
            limits,
            on_end: Box::new(on_end),
        })
    }

    /// The base URL of the models' endpoints.
    #[must_use]
    pub fn api_base(&self) -> Url {
        self.url(&["api", "ai"])
    }

    /// Lists all models, or those of one developer, or those with one fine-tuning action. An item
    /// that can't be read is lost alone.
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
        let mut models = Vec::new();
        let collect = |model| {
            models.push(model);
            ControlFlow::Continue(())
        };
        self.list_each(key, developer_name, action, collect).await?;
        Ok(models)
    }

    /// Lists the same models as [`list`](Self::list), one at a time, until `on_model` breaks. The
    /// list may be long, and only one of its items is kept in memory. Returns the number of items
    /// that can't be read.
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn list_each(
        &self,
        key: &ApiKey,
        developer_name: Option<&str>,
        action: Option<&str>,
        on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<usize, HubFault> {
        let mut url = self.models(&[]);
        for (name, value) in [("developer_name", developer_name), ("action", action)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.each(key, Endpoint::List, url, on_model).await
    }

    /// Returns true when the hub refuses to list models without an API key, and false when it lists
    /// them.
    ///
    /// # Errors
    ///
    /// The hub's fault, where it did neither.
    pub async fn needs_key(&self) -> Result<bool, HubFault> {
        let started = Instant::now();
        let asked = self.ask_without_key().await;
        let code = asked.as_ref().ok().map(|(code, _)| *code);
        self.report(Endpoint::List, started, code);
        match asked? {
            (StatusCode::OK, _) => Ok(false),
            (_, true) => Ok(true),
            (code, false) => Err(HubFault::Unreachable(code.to_string())),
        }
    }

    /// The code of a list without an API key, and whether the hub refuses it for want of one.
    async fn ask_without_key(&self) -> Result<(StatusCode, bool), TransportError> {
        let request = self.without_key(Method::GET, self.models(&[]));
        let response = request.send().await?;
        // The list itself need not be read.
        if response.status() == StatusCode::OK {
            return Ok((StatusCode::OK, false));
        }
        let response = self.whole(response).await?;
        Ok((response.code, response.refuses_key()))
    }

    /// Lists the models whose name matches. An item that can't be read is lost alone.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn search(&self, key: &ApiKey, search: &str) -> Result<Vec<Model>, HubFault> {
        let mut models = Vec::new();
        let collect = |model| {
            models.push(model);
            ControlFlow::Continue(())
        };
        self.search_each(key, search, collect).await?;
        Ok(models)
    }

    /// Lists the same models as [`search`](Self::search), one at a time, until `on_model` breaks.
    /// Returns the number of items that can't be read.
    ///
    /// # Errors
    ///
    /// The hub's fault.
    pub async fn search_each(
        &self,
        key: &ApiKey,
        search: &str,
        on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<usize, HubFault> {
        let mut url = self.models(&["search"]);
        url.query_pairs_mut().append_pair("search", search);
        self.each(key, Endpoint::Search, url, on_model).await
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
                CallOutcome::Refused(HubFault::Unreachable(words))
            }
            Err(error) => CallOutcome::unknown(error.to_string()),
        }
    }

    /// Reads a list one item at a time.
    async fn each(
        &self,
        key: &ApiKey,
        endpoint: Endpoint,
        url: Url,
        on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<usize, HubFault> {
        let started = Instant::now();
        let request = self.request(key, Method::GET, url);
        let read = self.read_each(request, key, on_model).await;
        let code = read.as_ref().ok().map(|(code, _)| *code);
        self.report(endpoint, started, code);
        read?.1
    }

    /// The code of a list's response, and the number of items that can't be read.
    async fn read_each(
        &self,
        request: reqwest::RequestBuilder,
        key: &ApiKey,
        on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<(StatusCode, Result<usize, HubFault>), TransportError> {
        let response = request.send().await?;
        let code = response.status();
        let unreadable = if code == StatusCode::OK {
            let items = self.items(response, key, on_model).await?;
            items.map_err(HubFault::Unexpected)
        } else {
            let response = self.whole(response).await?;
            Err(response.fault_of_get(key, &self.limits))
        };
        Ok((code, unreadable))
    }

    /// Reads the items of a list while its body arrives.
    async fn items(
        &self,
        mut response: reqwest::Response,
        key: &ApiKey,
        mut on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<Result<usize, String>, TransportError> {
        let mut reader = ItemReader::new(self.limits.max_body);
        let (mut length, mut unreadable) = (0, 0);
        let mut flow = ControlFlow::Continue(());
        while let Some(chunk) = response.chunk().await? {
            length += chunk.len();
            if length > self.limits.max_list {
                return Err(TransportError::TooLarge);
            }
            let on_item = |item: Option<&[u8]>| match item.map(|item| read_model(item, "", key)) {
                Some(Ok(model)) if flow.is_continue() => flow = on_model(model),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => unreadable += 1,
            };
            let fed = reader.feed(&chunk, on_item);
            fed.map_err(|_| TransportError::TooLarge)?;
            if flow.is_break() {
                return Ok(Ok(unreadable));
            }
        }
        let ended = reader.end();
        Ok(ended
            .map(|()| unreadable)
            .map_err(|problem| quote(&key.hide(&problem))))
    }

    fn request(&self, key: &ApiKey, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.without_key(method, url)
            .header(header::AUTHORIZATION, key.header())
    }

    fn without_key(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http
            .request(method, url)
            .header(header::ACCEPT, "application/json")
            // The client decompresses nothing.
            .header(header::ACCEPT_ENCODING, "identity")
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, TransportError> {
        let started = Instant::now();
        let response = match request.send().await {
            Ok(response) => self.whole(response).await,
            Err(error) => Err(error.into()),
        };
        let code = response.as_ref().ok().map(|response| response.code);
        self.report(endpoint, started, code);
        response
    }

    /// Reports a request that ended, with the code of its response if it has one.
    fn report(&self, endpoint: Endpoint, started: Instant, code: Option<StatusCode>) {
        let outcome = code.map_or(Outcome::NoResponse, |code| Outcome::Code(code.as_u16()));
        (self.on_end)(endpoint, outcome, started.elapsed());
    }

    /// The response with its whole body.
    async fn whole(&self, mut response: reqwest::Response) -> Result<Response, TransportError> {
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
