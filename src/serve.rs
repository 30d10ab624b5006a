//! `/healthz`, `/readyz` and `/metrics`, on one port.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use tokio::{net::TcpListener, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, readiness::Readiness};

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// A server that is bound to its port.
#[derive(Debug)]
pub struct Server(TcpListener);

impl Server {
    /// Binds the port. If the address is `[::]` and the machine has no IPv6, binds it on `0.0.0.0`
    /// instead.
    ///
    /// # Errors
    ///
    /// Fails if the port can't be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(bind_with(address, TcpListener::bind).await?))
    }

    /// The address that the server is bound to.
    ///
    /// # Errors
    ///
    /// Fails with the socket's error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until the shutdown.
    ///
    /// # Errors
    ///
    /// Fails with the socket's error.
    pub async fn serve(
        self,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_text))
            .with_state(Shared { metrics, readiness });
        axum::serve(self.0, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
    }
}

/// Binds an address with this function, and `0.0.0.0` instead of `[::]` if the machine has no IPv6.
async fn bind_with<L, B>(address: SocketAddr, bind: impl Fn(SocketAddr) -> B) -> io::Result<L>
where
    B: Future<Output = io::Result<L>>,
{
    match bind(address).await {
        // The error for a missing address family has no kind of its own, and its number differs
        // between systems. A port that is in use on `[::]` may be free on `0.0.0.0`, and IPv6
        // connections would then reach the other process.
        Err(error)
            if address.ip() == Ipv6Addr::UNSPECIFIED
                && error.kind() != io::ErrorKind::AddrInUse =>
        {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into()).await
        }
        bound => bound,
    }
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let report = shared.readiness.report();
    let code = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, report.text)
}

async fn metrics_text(State(shared): State<Shared>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    // The metrics of thousands of objects take a while, in which the thread can do nothing else.
    let metrics = shared.metrics;
    match spawn_blocking(move || metrics.text()).await {
        Ok(Ok(text)) => (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text),
        Ok(Err(_)) | Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            String::new(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future};

    use super::*;

    /// Binds an address on a machine where these addresses fail with these numbers of Linux.
    /// Returns the addresses that were tried, and the last result.
    async fn bind_where(
        failing: &[(&str, i32)],
        address: &str,
    ) -> (Vec<String>, Result<String, Option<i32>>) {
        let tried = RefCell::new(Vec::new());
        let bind = |address: SocketAddr| {
            let address = address.to_string();
            tried.borrow_mut().push(address.clone());
            let error = failing.iter().find(|(name, _)| *name == address);
            future::ready(match error {
                Some((_, number)) => Err(io::Error::from_raw_os_error(*number)),
                None => Ok(address),
            })
        };
        let bound = bind_with(address.parse().unwrap(), bind).await;
        let bound = bound.map_err(|error| error.raw_os_error());
        (tried.into_inner(), bound)
    }

    #[tokio::test]
    async fn ipv4_replaces_ipv6_only_where_the_machine_has_none() {
        let (v6, v4) = ("[::]:8080", "0.0.0.0:8080");
        // The numbers are those of Linux.
        let (access, family, in_use, not_available) = (13, 97, 98, 99);
        for (failing, address, tried, bound) in [
            (vec![], v6, vec![v6], Ok(v6)),
            (vec![(v6, family)], v6, vec![v6, v4], Ok(v4)),
            (vec![(v6, not_available)], v6, vec![v6, v4], Ok(v4)),
            (
                vec![(v6, family), (v4, in_use)],
                v6,
                vec![v6, v4],
                Err(Some(in_use)),
            ),
            (vec![(v6, in_use)], v6, vec![v6], Err(Some(in_use))),
            (
                vec![(v6, access), (v4, access)],
                v6,
                vec![v6, v4],
                Err(Some(access)),
            ),
            (vec![], v4, vec![v4], Ok(v4)),
            (vec![(v4, family)], v4, vec![v4], Err(Some(family))),
            (
                vec![("[::1]:8080", family)],
                "[::1]:8080",
                vec!["[::1]:8080"],
                Err(Some(family)),
            ),
        ] {
            let expected = (
                tried.into_iter().map(str::to_owned).collect(),
                bound.map(str::to_owned),
            );
            let found = bind_where(&failing, address).await;
            assert_eq!(found, expected, "{failing:?} {address}");
        }
    }

    #[tokio::test]
    async fn the_default_address_takes_ipv4_connections() {
        let any = (Ipv6Addr::UNSPECIFIED, 0).into();
        let server = Server::bind(any).await.unwrap();
        let port = server.address().unwrap().port();
        let address = (Ipv4Addr::LOCALHOST, port);
        assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    }
}
