//! `/healthz`, `/readyz` and `/metrics`, on one port.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use tokio::net::TcpListener;

use crate::{metrics::Metrics, stop::Stop};

/// Whether every watch has listed its objects once. It is not taken back: an operator whose API
/// server is away for a while is not helped by a restart. One that stands by has no watches, and
/// is ready to take over.
#[derive(Debug, Default)]
pub struct Readiness {
    expected: AtomicUsize,
    done: AtomicUsize,
    standing_by: AtomicBool,
}

/// One watch that readiness waits for.
#[derive(Debug)]
pub struct Listed {
    readiness: Arc<Readiness>,
    once: std::sync::Once,
}

impl Readiness {
    /// Readiness waits for one more watch.
    #[must_use]
    pub fn expect(self: &Arc<Self>) -> Listed {
        self.expected.fetch_add(1, Ordering::SeqCst);
        Listed {
            readiness: self.clone(),
            once: std::sync::Once::new(),
        }
    }

    /// It stands by, or doesn't any more.
    pub fn stands_by(&self, stands_by: bool) {
        self.standing_by.store(stands_by, Ordering::SeqCst);
    }

    fn is_ready(&self) -> bool {
        if self.standing_by.load(Ordering::SeqCst) {
            return true;
        }
        let expected = self.expected.load(Ordering::SeqCst);
        expected > 0 && self.done.load(Ordering::SeqCst) == expected
    }
}

impl Listed {
    /// The watch has listed its objects.
    pub fn done(&self) {
        self.once.call_once(|| {
            self.readiness.done.fetch_add(1, Ordering::SeqCst);
        });
    }
}

#[derive(Clone)]
struct Shown {
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// A server that is bound, and not yet served.
#[derive(Debug)]
pub struct Server(TcpListener);

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// If it can't be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(address).await?))
    }

    /// The port that was taken.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub async fn serve(
        self,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        stop: Stop,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_text))
            .with_state(Shown { metrics, readiness });
        axum::serve(self.0, router)
            .with_graceful_shutdown(stop.wait())
            .await
    }
}

async fn readyz(State(shown): State<Shown>) -> (StatusCode, &'static str) {
    if shown.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the OxenModels have not been listed yet; the log says why\n",
        )
    }
}

async fn metrics_text(State(shown): State<Shown>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    match shown.metrics.text() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            String::new(),
        ),
    }
}
