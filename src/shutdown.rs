//! The shutdown signal.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Cancels the token on SIGTERM and SIGINT. No new work begins from then on, and the work in flight
/// ends.
///
/// # Errors
///
/// Fails if the signals can't be handled.
pub fn cancel_on_signals(shutdown: CancellationToken) -> io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("shutting down: no new work begins, and the work in flight ends");
        shutdown.cancel();
    }))
}
