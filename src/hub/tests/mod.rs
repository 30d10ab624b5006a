//! Tests of the client against a server in the same process.

mod key_proof;
mod limits;
mod lists;
mod requests;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};

use super::{ApiKey, Client, Limits};

/// A response: its code, headers and body.
type Answer = (StatusCode, HeaderMap, String);

type Answers = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// A request that the server received.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
}

impl Seen {
    fn has_key(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }
}

/// A server that answers each request as a function says.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers: Answers = Arc::new(answer);
        let router = Router::new()
            .fallback(respond)
            .with_state((answers, Arc::clone(&seen)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// A client of this server.
    fn client(&self, limits: Limits) -> Client {
        let base: url::Url = self.url.parse().unwrap();
        Client::new(base.into(), limits, |_, _, _| ()).unwrap()
    }

    /// The requests since the last call of this function.
    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn respond(
    State((answers, seen)): State<(Answers, Arc<Mutex<Vec<Seen>>>)>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let request = Seen {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
    };
    seen.lock().unwrap().push(request.clone());
    answers(&request).into_response()
}

fn answer(code: u16, body: &str) -> Answer {
    let code = StatusCode::from_u16(code).unwrap();
    (code, HeaderMap::new(), body.to_owned())
}

fn key() -> ApiKey {
    ApiKey::new(b"very-secret").unwrap()
}
