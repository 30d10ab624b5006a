//! The socket. Served by hand, because a connection must be cut on demand with no byte of an answer.

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

/// On a response: it is not sent, and the connection is closed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is cut on demand")]
pub(crate) struct Cut;

/// Serves until it is stopped or dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Mutex<State>,
    /// It never listens; it keeps the port from being given to somebody else while nothing else does.
    _held: TcpSocket,
}

enum State {
    /// Dropping the sender ends the task.
    Running(oneshot::Sender<()>, JoinHandle<()>),
    Stopped,
}

impl Server {
    pub(crate) fn start(address: SocketAddr, router: Router) -> io::Result<Self> {
        if address.port() != 0 {
            // Somebody else's port is not to be shared.
            bind(address, false)?;
        }
        let held = bind(address, true)?;
        let address = held.local_addr()?;
        let listener = bind(address, true)?.listen(BACKLOG)?;
        Ok(Self {
            address,
            state: Mutex::new(run(listener, router)),
            _held: held,
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
            // A failed accept is the client's (it went away) or for want of file handles; the next one may do better.
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
    // What ends a connection early is a fault on demand, or the client going away: neither is ours to report.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
