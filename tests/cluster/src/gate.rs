//! A gate: a proxy in front of the API server that can refuse, hold and answer requests, and stall
//! streams.

use crate::hold::{Held, HeldAll, Hold, HoldAll, Holds};
use crate::{Error, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, future, stream};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The size limit of a body in bytes, which is far above the size of any object in the tests.
const MAX_BODY: usize = 16 << 20;

/// A proxy in front of the API server. It serves plain HTTP on its own port, and sends all requests
/// with the credentials that it was created with. Dropping it closes it and every connection.
pub struct Gate {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    serving: JoinHandle<()>,
}

struct Shared {
    client: kube::Client,
    rules: Mutex<Vec<Rule>>,
    on_patch: OnceLock<Callback>,
    /// The number of calls of [`Gate::mute_streams`]. A change stalls all open streams.
    mute_count: watch::Sender<u64>,
}

/// A callback that gets an object from the API server.
type Callback = Box<dyn Fn(&serde_json::Value) + Send + Sync>;

/// A rule for requests with this method whose `PATH?QUERY` contains this part.
#[derive(Debug)]
struct Rule {
    method: &'static str,
    part: String,
    times: Option<u32>,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Answer(StatusCode, String),
    /// The value is taken when the rule applies for the first time.
    Hold(Option<Hold>),
    HoldAll(HoldAll),
    Delay(Duration),
}

impl Gate {
    pub(crate) async fn open(client: kube::Client, kubeconfig: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.map_err(|_| Error::NoPort)?;
        let address = listener.local_addr().map_err(|_| Error::NoPort)?;
        let shared = Arc::new(Shared {
            client,
            rules: Mutex::default(),
            on_patch: OnceLock::new(),
            mute_count: watch::Sender::new(0),
        });
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "gate",
            "clusters": [{"name": "gate", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "gate", "user": {}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
        });
        let written = std::fs::write(&kubeconfig, format!("{text:#}\n"));
        written.map_err(Error::io("a kubeconfig could not be written"))?;
        let router = Router::new().fallback(handle).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            // The server runs until `drop` aborts this task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            shared,
            kubeconfig,
            serving,
        })
    }

    /// Returns the path of a kubeconfig whose requests go through the gate.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Refuses all requests with this method whose `PATH?QUERY` contains this part. The response
    /// has this status code.
    pub fn refuse(&self, method: &'static str, part: &str, code: StatusCode) {
        let status = failure(code).to_string();
        self.add_rule(method, part, None, Action::Answer(code, status));
    }

    /// Refuses the next request with this method whose `PATH?QUERY` contains this part. The
    /// response has this status code.
    pub fn refuse_once(&self, method: &'static str, part: &str, code: StatusCode) {
        let status = failure(code).to_string();
        self.add_rule(method, part, Some(1), Action::Answer(code, status));
    }

    /// Answers the next request with this method whose `PATH?QUERY` contains this part. The
    /// response is a 200 with this body, and the request doesn't reach the API server.
    pub fn answer(&self, method: &'static str, part: &str, body: impl Into<String>) {
        let action = Action::Answer(StatusCode::OK, body.into());
        self.add_rule(method, part, Some(1), action);
    }

    /// Answers all requests with this method whose `PATH?QUERY` contains this part, as
    /// [`Self::answer`] does.
    pub fn answer_all(&self, method: &'static str, part: &str, body: impl Into<String>) {
        let action = Action::Answer(StatusCode::OK, body.into());
        self.add_rule(method, part, None, action);
    }

    /// Holds the next request with this method whose `PATH?QUERY` contains this part, before it
    /// reaches the API server.
    pub fn hold(&self, method: &'static str, part: &str) -> Held {
        self.add_hold(method, part, Holds::Request)
    }

    /// Holds the next request with this method whose `PATH?QUERY` contains this part, before it
    /// reaches the API server. It does so when it is released, even if its client has given up.
    pub fn hold_late(&self, method: &'static str, part: &str) -> Held {
        self.add_hold(method, part, Holds::LateRequest)
    }

    /// Holds the response to the next request with this method whose `PATH?QUERY` contains this
    /// part.
    pub fn hold_answer(&self, method: &'static str, part: &str) -> Held {
        self.add_hold(method, part, Holds::Response)
    }

    /// Holds all requests with this method whose `PATH?QUERY` contains this part, before they reach
    /// the API server.
    pub fn hold_all(&self, method: &'static str, part: &str) -> HeldAll {
        let (hold, held) = HoldAll::new();
        self.add_rule(method, part, None, Action::HoldAll(hold));
        held
    }

    /// Delays all requests with this method whose `PATH?QUERY` contains this part, before they
    /// reach the API server.
    pub fn delay_all(&self, method: &'static str, part: &str, delay: Duration) {
        self.add_rule(method, part, None, Action::Delay(delay));
    }

    fn add_hold(&self, method: &'static str, part: &str, holds: Holds) -> Held {
        let (hold, held) = Hold::new(holds);
        self.add_rule(method, part, Some(1), Action::Hold(Some(hold)));
        held
    }

    fn add_rule(&self, method: &'static str, part: &str, times: Option<u32>, action: Action) {
        let part = part.to_owned();
        lock(&self.shared.rules).push(Rule {
            method,
            part,
            times,
            action,
        });
    }

    /// Sets a callback that gets the resulting object of each successful patch before the client
    /// gets the response. Only the first call has an effect.
    pub fn show_writes(&self, callback: impl Fn(&serde_json::Value) + Send + Sync + 'static) {
        let _ = self.shared.on_patch.set(Box::new(callback));
    }

    /// Removes the rules for requests with this method whose `PATH?QUERY` contains this part. A
    /// request that is already held stays held.
    pub fn remove(&self, method: &'static str, part: &str) {
        lock(&self.shared.rules).retain(|rule| rule.method != method || rule.part != part);
    }

    /// Removes all rules. A request that is already held stays held.
    pub fn clear(&self) {
        lock(&self.shared.rules).clear();
    }

    /// Stalls all open streams: they stay connected, but deliver nothing more, as after a network
    /// failure. New requests are not affected.
    pub fn mute_streams(&self) {
        self.shared.mute_count.send_modify(|count| *count += 1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// Returns the action of the first rule that applies to this request, and removes the rule if
    /// it is used up.
    fn take_action(&self, method: &str, path: &str) -> Option<Action> {
        let mut rules = lock(&self.rules);
        let applies = |rule: &Rule| rule.method == method && path.contains(&rule.part);
        let index = rules.iter().position(applies)?;
        let rule = &mut rules[index];
        let action = match &mut rule.action {
            Action::Answer(code, body) => Action::Answer(*code, body.clone()),
            Action::Hold(hold) => Action::Hold(hold.take()),
            Action::HoldAll(hold) => Action::HoldAll(hold.clone()),
            Action::Delay(delay) => Action::Delay(*delay),
        };
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                rules.remove(index);
            }
        }
        Some(action)
    }

    async fn forward(&self, request: Request) -> Response {
        let is_patch = request.method() == Method::PATCH;
        let response = async {
            let response = self.send(request).await?;
            match self.on_patch.get() {
                Some(callback) if is_patch && response.status().is_success() => {
                    let (head, body) = response.into_parts();
                    let body = to_bytes(body, MAX_BODY).await?;
                    callback(&serde_json::from_slice(&body)?);
                    Ok::<_, Box<dyn std::error::Error>>((head, body).into_response())
                }
                Some(_) | None => Ok(response),
            }
        };
        response
            .await
            .unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
    }

    async fn send(&self, request: Request) -> Result<Response, Box<dyn std::error::Error>> {
        let (mut head, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await?;
        remove_connection_headers(&mut head.headers);
        let request = http::Request::from_parts(head, kube::client::Body::from(body.to_vec()));
        let (mut head, body) = self.client.clone().send(request).await?.into_parts();
        remove_connection_headers(&mut head.headers);
        let mut mute_count = self.mute_count.subscribe();
        mute_count.mark_unchanged();
        let chunks = (Body::new(body).into_data_stream(), mute_count);
        let stream = stream::unfold(chunks, |(mut chunks, mut mute_count)| async move {
            tokio::select! {
                biased;
                // A stalled stream delivers neither a chunk nor its end.
                _ = mute_count.changed() => future::pending().await,
                chunk = chunks.next() => Some((chunk?, (chunks, mute_count))),
            }
        });
        Ok(Response::from_parts(head, Body::from_stream(stream)))
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    match shared.take_action(request.method().as_str(), &path) {
        None | Some(Action::Hold(None)) => shared.forward(request).await,
        Some(Action::Answer(code, body)) => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (code, json, body).into_response()
        }
        Some(Action::Delay(delay)) => {
            sleep(delay).await;
            shared.forward(request).await
        }
        Some(Action::HoldAll(hold)) => {
            hold.wait_for_release().await;
            shared.forward(request).await
        }
        Some(Action::Hold(Some(hold))) => match hold.holds {
            Holds::Response => {
                let response = shared.forward(request).await;
                hold.wait_for_release().await;
                response
            }
            Holds::Request => {
                hold.wait_for_release().await;
                shared.forward(request).await
            }
            Holds::LateRequest => {
                // A task of its own goes on when the client's connection ends.
                let late = tokio::spawn(async move {
                    hold.wait_for_release().await;
                    shared.forward(request).await
                });
                let gone = |_| StatusCode::BAD_GATEWAY.into_response();
                late.await.unwrap_or_else(gone)
            }
        },
    }
}

/// Removes the headers that apply to one connection and must not be forwarded.
fn remove_connection_headers(headers: &mut HeaderMap) {
    for name in [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
}

fn failure(code: StatusCode) -> serde_json::Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "refused at the gate",
        "reason": code.canonical_reason().unwrap_or_default().replace(' ', ""),
        "code": code.as_u16(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
