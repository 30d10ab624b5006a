//! A TCP server that answers every request with the same bytes and keeps what it received, and
//! clients of the hub for it.

use std::sync::{Arc, Mutex};

use oxen_operator::hub::{ApiKey, Client, Limits};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// The text of [`key`], which must never be printed.
pub const KEY: &str = "a-very-secret-key-4711";

/// A TCP server that answers every request with the same bytes.
pub struct RawServer {
    /// The server's URL.
    pub url: Url,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    response: Mutex<Vec<u8>>,
    requests: Mutex<Vec<String>>,
}

impl RawServer {
    /// Starts a server, which runs as long as the runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        tokio::spawn(serve(listener, shared.clone()));
        Self {
            url: url.parse().unwrap(),
            shared,
        }
    }

    /// Answers every request from now on with these bytes.
    pub fn respond_with_bytes(&self, bytes: impl Into<Vec<u8>>) {
        *self.shared.response.lock().unwrap() = bytes.into();
    }

    /// Answers every request from now on with a complete response, which has a Content-Length.
    pub fn respond(&self, code: u16, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {code} Reason\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        self.respond_with_bytes([head.as_bytes(), body].concat());
    }

    /// The head of the one request that was received since the last call of this function.
    #[must_use]
    pub fn request(&self) -> String {
        let mut requests = std::mem::take(&mut *self.shared.requests.lock().unwrap());
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

/// A client of the hub at this URL, with the default limits.
#[must_use]
pub fn client(base: &str) -> Client {
    client_with(base, Limits::default())
}

/// A client of the hub at this URL, with these limits.
#[must_use]
pub fn client_with(base: &str, limits: Limits) -> Client {
    let base: Url = base.parse().unwrap();
    Client::new(base.into(), limits, |_, _, _| ()).unwrap()
}

/// An API key that no hub accepts.
#[must_use]
pub fn key() -> ApiKey {
    ApiKey::new(KEY.as_bytes()).unwrap()
}

/// The API key that the simulated hub accepts.
#[must_use]
pub fn hub_key() -> ApiKey {
    ApiKey::new(hub::KEY.as_bytes()).unwrap()
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, shared.clone()));
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    shared.requests.lock().unwrap().push(head);
    let response = shared.response.lock().unwrap().clone();
    stream.write_all(&response).await?;
    stream.shutdown().await
}
