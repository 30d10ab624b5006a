//! A gate in front of the API server. What passes through it can be refused, held back, or cut off without a word.

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
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Far more than any object here.
const LARGEST: usize = 16 << 20;

/// A gate in front of the API server: plain HTTP at a port of its own, with the rights of whoever opened it.
/// Dropping it closes it, with every connection.
pub struct Gate {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    serving: JoinHandle<()>,
}

struct Shared {
    client: kube::Client,
    rules: Mutex<Vec<Rule>>,
    witness: OnceLock<Witness>,
    /// Streams that began before it last changed give nothing any more.
    mutes: watch::Sender<u64>,
}

/// Is shown what the API server made of a write.
type Witness = Box<dyn Fn(&serde_json::Value) + Send + Sync>;

/// Which requests: their method, and a part of `PATH?QUERY`.
#[derive(Debug)]
struct Rule {
    method: &'static str,
    part: String,
    times: Option<u32>,
    effect: Effect,
}

#[derive(Debug)]
enum Effect {
    Answer(StatusCode, String),
    Hold(Option<Hold>),
}

#[derive(Debug)]
struct Hold {
    after: bool,
    arrived: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

/// A request that waits at the gate, or will. Dropping this lets it go on.
#[derive(Debug)]
pub struct Held {
    arrived: Option<oneshot::Receiver<()>>,
    _release: oneshot::Sender<()>,
}

impl Held {
    /// Returns when the request has come.
    pub async fn arrived(&mut self) {
        if let Some(arrived) = self.arrived.take() {
            // A gate that is gone holds nothing up.
            let _ = arrived.await;
        }
    }
}

impl Gate {
    pub(crate) async fn open(client: kube::Client, kubeconfig: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.map_err(|_| Error::NoPort)?;
        let address = listener.local_addr().map_err(|_| Error::NoPort)?;
        let shared = Arc::new(Shared {
            client,
            rules: Mutex::default(),
            witness: OnceLock::new(),
            mutes: watch::Sender::new(0),
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
        let router = Router::new().fallback(pass).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            // It ends with its task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            shared,
            kubeconfig,
            serving,
        })
    }

    /// A kubeconfig that leads through the gate.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on such requests are refused with this code.
    pub fn refuse(&self, method: &'static str, part: &str, code: StatusCode) {
        let status = failure(code).to_string();
        self.rule(method, part, None, Effect::Answer(code, status));
    }

    /// The next such request is refused with this code.
    pub fn refuse_once(&self, method: &'static str, part: &str, code: StatusCode) {
        let status = failure(code).to_string();
        self.rule(method, part, Some(1), Effect::Answer(code, status));
    }

    /// The next such request is answered with this, as a 200.
    pub fn answer(&self, method: &'static str, part: &str, body: impl Into<String>) {
        let effect = Effect::Answer(StatusCode::OK, body.into());
        self.rule(method, part, Some(1), effect);
    }

    /// The next such request waits before it reaches the API server.
    pub fn hold(&self, method: &'static str, part: &str) -> Held {
        self.hold_up(method, part, false)
    }

    /// The next such request reaches the API server, and the answer waits.
    pub fn hold_answer(&self, method: &'static str, part: &str) -> Held {
        self.hold_up(method, part, true)
    }

    fn hold_up(&self, method: &'static str, part: &str, after: bool) -> Held {
        let (arrived, has_arrived) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let hold = Hold {
            after,
            arrived,
            release: released,
        };
        self.rule(method, part, Some(1), Effect::Hold(Some(hold)));
        Held {
            arrived: Some(has_arrived),
            _release: release,
        }
    }

    fn rule(&self, method: &'static str, part: &str, times: Option<u32>, effect: Effect) {
        let part = part.to_owned();
        lock(&self.shared.rules).push(Rule {
            method,
            part,
            times,
            effect,
        });
    }

    /// Shows the object that comes of each patch, before whoever sent the patch has the answer. For the first that
    /// asks.
    pub fn show_writes(&self, witness: impl Fn(&serde_json::Value) + Send + Sync + 'static) {
        let _ = self.shared.witness.set(Box::new(witness));
    }

    /// Whatever was refused passes again.
    pub fn clear(&self) {
        lock(&self.shared.rules).clear();
    }

    /// What streams now stays connected and brings nothing any more, as behind a dead router. New requests pass.
    pub fn mute_streams(&self) {
        self.shared.mutes.send_modify(|mutes| *mutes += 1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// What happens to this request instead of, or beside, its passing.
    fn effect(&self, line: (&str, &str)) -> Option<Effect> {
        let mut rules = lock(&self.rules);
        let fits = |rule: &Rule| rule.method == line.0 && line.1.contains(&rule.part);
        let at = rules.iter().position(fits)?;
        let rule = &mut rules[at];
        let effect = match &mut rule.effect {
            Effect::Answer(code, body) => Effect::Answer(*code, body.clone()),
            Effect::Hold(hold) => Effect::Hold(hold.take()),
        };
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                rules.remove(at);
            }
        }
        Some(effect)
    }

    async fn forward(&self, request: Request) -> Response {
        let patch = request.method() == Method::PATCH;
        let answer = async {
            let response = self.ask(request).await?;
            match self.witness.get() {
                Some(witness) if patch && response.status().is_success() => {
                    let (head, body) = response.into_parts();
                    let body = to_bytes(body, LARGEST).await?;
                    witness(&serde_json::from_slice(&body)?);
                    Ok::<_, Box<dyn std::error::Error>>((head, body).into_response())
                }
                Some(_) | None => Ok(response),
            }
        };
        answer
            .await
            .unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
    }

    async fn ask(&self, request: Request) -> Result<Response, Box<dyn std::error::Error>> {
        let (mut head, body) = request.into_parts();
        let body = to_bytes(body, LARGEST).await?;
        strip(&mut head.headers);
        let request = http::Request::from_parts(head, kube::client::Body::from(body.to_vec()));
        let (mut head, body) = self.client.clone().send(request).await?.into_parts();
        strip(&mut head.headers);
        let mut mutes = self.mutes.subscribe();
        mutes.mark_unchanged();
        let pieces = (Body::new(body).into_data_stream(), mutes);
        let stream = stream::unfold(pieces, |(mut pieces, mut mutes)| async move {
            tokio::select! {
                biased;
                // Neither a piece comes any more, nor the end.
                _ = mutes.changed() => future::pending().await,
                piece = pieces.next() => Some((piece?, (pieces, mutes))),
            }
        });
        Ok(Response::from_parts(head, Body::from_stream(stream)))
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    match shared.effect((request.method().as_str(), &path)) {
        None | Some(Effect::Hold(None)) => shared.forward(request).await,
        Some(Effect::Answer(code, body)) => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (code, json, body).into_response()
        }
        Some(Effect::Hold(Some(hold))) if hold.after => {
            let response = shared.forward(request).await;
            hold.up().await;
            response
        }
        Some(Effect::Hold(Some(hold))) => {
            hold.up().await;
            shared.forward(request).await
        }
    }
}

impl Hold {
    /// Until it is let go, or nobody is there any more to do it.
    async fn up(self) {
        let _ = self.arrived.send(());
        let _ = self.release.await;
    }
}

/// What belongs to one connection, and not to the request.
fn strip(headers: &mut HeaderMap) {
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
