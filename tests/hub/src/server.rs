//! The HTTP server. It drives hyper directly, because `axum::serve` can't close a connection
//! without a response.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

const BACKLOG: u32 = 1024;

/// A response extension: the server closes the connection and doesn't send the response.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a fault closes the connection")]
pub(crate) struct Cut;

/// A server that runs until it is stopped or dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Mutex<State>,
    /// A socket that never listens. It reserves the port while the server is stopped.
    _reservation: TcpSocket,
}

enum State {
    /// The server's task, which ends when the sender is dropped.
    Running(oneshot::Sender<()>, JoinHandle<()>),
    Stopped,
}

impl Server {
    pub(crate) fn start(address: SocketAddr, router: Router) -> io::Result<Self> {
        if address.port() != 0 {
            // Without SO_REUSEPORT, this fails if another process uses the port.
            bind(address, false)?;
        }
        let reservation = bind(address, true)?;
        let address = reservation.local_addr()?;
        let listener = bind(address, true)?.listen(BACKLOG)?;
        Ok(Self {
            address,
            state: Mutex::new(run(listener, router)),
            _reservation: reservation,
        })
    }

    pub(crate) async fn stop(&self) -> io::Result<()> {
        if let State::Running(stop, task) = self.replace(State::Stopped) {
            drop(stop);
            task.await?;
        }
        Ok(())
    }

    pub(crate) async fn restart(&self, router: Router) -> io::Result<()> {
        self.stop().await?;
        let listener = bind(self.address, true)?.listen(BACKLOG)?;
        self.replace(run(listener, router));
        Ok(())
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(
            &mut self.state.lock().unwrap_or_else(PoisonError::into_inner),
            state,
        )
    }
}

fn run(listener: TcpListener, router: Router) -> State {
    let (stop, stopped) = oneshot::channel();
    State::Running(stop, tokio::spawn(serve(listener, router, stopped)))
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn serve(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            // An accept fails if the client is gone or the process has no free file descriptor.
            // Later accepts can still succeed.
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(connection(stream, router.clone()));
            }
            else => {}
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<Cut>() {
                Some(cut) => Err(*cut),
                None => Ok(response),
            }
        }
    });
    // The connection fails if a fault closes it or the client is gone, and neither is a problem of
    // the server.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
