//! A server that answers every request with the same bytes, and keeps what it was sent. The
//! property tests use it too.
#![allow(dead_code)] // each of its users needs a part

use std::sync::{Arc, Mutex};

use oxen_operator::oxen::{ApiKey, Client, Limits};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

pub const KEY: &str = "a-very-secret-key-4711";

pub struct Raw {
    pub url: Url,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    reply: Mutex<Vec<u8>>,
    requests: Mutex<Vec<String>>,
}

impl Raw {
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

    /// The bytes of every answer from now on.
    pub fn replies(&self, bytes: impl Into<Vec<u8>>) {
        *self.shared.reply.lock().unwrap() = bytes.into();
    }

    /// A whole answer, its length given.
    pub fn answers(&self, code: u16, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {code} Said\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        self.replies([head.as_bytes(), body].concat());
    }

    /// The head of the one request that came since it was last asked for.
    pub fn request(&self) -> String {
        let mut requests = std::mem::take(&mut *self.shared.requests.lock().unwrap());
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

/// A client of the hub at this URL.
pub fn client(base: &str) -> Client {
    limited(base, Limits::default())
}

pub fn limited(base: &str, limits: Limits) -> Client {
    let base: Url = base.parse().unwrap();
    Client::new(base.into(), limits, |_, _, _| ()).unwrap()
}

pub fn key() -> ApiKey {
    ApiKey::new(KEY.as_bytes()).unwrap()
}

/// The key that a simulator takes.
pub fn hub_key() -> ApiKey {
    ApiKey::new(b"not-a-real-key").unwrap()
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
    let reply = shared.reply.lock().unwrap().clone();
    stream.write_all(&reply).await?;
    stream.shutdown().await
}
