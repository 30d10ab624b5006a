//! The requests that list models. Their responses are read one item at a time.

use std::ops::ControlFlow;

use http::StatusCode;
use reqwest::Method;
use tokio::time::Instant;
use url::Url;

use super::{
    client::Client, endpoint::Endpoint, key::ApiKey, list_reader::ListReader, response::encoded,
    transport_error::TransportError, wire::Model,
};
use crate::decide::HubFault;

impl Client {
    /// Lists all models, or those of one developer, or those with one fine-tuning action. An item
    /// that can't be read is left out.
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

    /// Lists the same models as [`list`](Self::list), one at a time, until `on_model` returns
    /// `Break`. The list may be long, and only one of its items is kept in memory. Returns the
    /// number of items that can't be read.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
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
    /// Fails with the hub's fault if the hub does neither.
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

    /// The status code of a list without an API key, and whether the hub refuses the list because
    /// there is no key.
    async fn ask_without_key(&self) -> Result<(StatusCode, bool), TransportError> {
        let request = self.without_key(Method::GET, self.models(&[]));
        let response = request.send().await?;
        // The status code is enough, so the list itself is not read.
        if response.status() == StatusCode::OK {
            return Ok((StatusCode::OK, false));
        }
        let response = self.whole(response).await?;
        Ok((response.code, response.refuses_key()))
    }

    /// Lists the models whose name matches. An item that can't be read is left out.
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

    /// Lists the same models as [`search`](Self::search), one at a time, until `on_model` returns
    /// `Break`.
    /// Returns the number of items that can't be read.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
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

    /// The status code of a list's response, and the number of items that can't be read.
    async fn read_each(
        &self,
        request: reqwest::RequestBuilder,
        key: &ApiKey,
        on_model: impl FnMut(Model) -> ControlFlow<()>,
    ) -> Result<(StatusCode, Result<usize, HubFault>), TransportError> {
        let response = request.send().await?;
        let code = response.status();
        let unreadable = if code == StatusCode::OK {
            self.items(response, key, on_model).await?
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
    ) -> Result<Result<usize, HubFault>, TransportError> {
        let mut list = ListReader::new(key, &self.limits);
        while let Some(chunk) = response.chunk().await? {
            match list.feed(&chunk, &mut on_model) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(Ok(list.unreadable())),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let encoded = encoded(response.headers());
        Ok(list
            .end()
            .map_err(|fault| encoded.map_or(fault, HubFault::Unexpected)))
    }
}
