//! Requests and responses that wait at a gate.

use tokio::sync::{oneshot, watch};

/// A request or response that waits at the gate, or will wait there. Dropping this value releases
/// it.
#[derive(Debug)]
pub struct Held {
    arrived: Option<oneshot::Receiver<()>>,
    _release: oneshot::Sender<()>,
}

/// All requests of a kind, which wait at the gate. Dropping this value releases them, and lets
/// later ones pass.
#[derive(Debug)]
pub struct HeldAll {
    arrived: watch::Receiver<usize>,
    _release: watch::Sender<()>,
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Request,
    /// The request, which is forwarded even if its client has given up meanwhile.
    LateRequest,
    Response,
}

/// The gate's end of a [`Held`].
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) holds: Holds,
    arrived: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

/// The gate's end of a [`HeldAll`].
#[derive(Clone, Debug)]
pub(crate) struct HoldAll {
    arrived: watch::Sender<usize>,
    /// Closed when the requests are released.
    released: watch::Receiver<()>,
}

impl Held {
    /// Waits until the request or response has arrived at the gate.
    pub async fn arrived(&mut self) {
        if let Some(arrived) = self.arrived.take() {
            // The sender is dropped if the gate is closed, and then nothing will arrive.
            let _ = arrived.await;
        }
    }
}

impl HeldAll {
    /// Waits until this number of requests has arrived at the gate.
    pub async fn arrived(&mut self, number: usize) {
        // The sender is dropped if the gate is closed, and then nothing will arrive.
        let _ = self.arrived.wait_for(|arrived| *arrived >= number).await;
    }

    /// Returns the number of requests that have arrived at the gate, including those whose client
    /// has given up.
    #[must_use]
    pub fn number(&self) -> usize {
        *self.arrived.borrow()
    }
}

impl Hold {
    /// Creates both ends.
    pub(crate) fn new(holds: Holds) -> (Self, Held) {
        let (arrived, has_arrived) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let hold = Self {
            holds,
            arrived,
            release: released,
        };
        let held = Held {
            arrived: Some(has_arrived),
            _release: release,
        };
        (hold, held)
    }

    /// Waits until [`Held`] is dropped.
    pub(crate) async fn wait_for_release(self) {
        let _ = self.arrived.send(());
        let _ = self.release.await;
    }
}

impl HoldAll {
    /// Creates both ends.
    pub(crate) fn new() -> (Self, HeldAll) {
        let (arrived, has_arrived) = watch::channel(0);
        let (release, released) = watch::channel(());
        let hold = Self { arrived, released };
        let held = HeldAll {
            arrived: has_arrived,
            _release: release,
        };
        (hold, held)
    }

    /// Waits until [`HeldAll`] is dropped.
    pub(crate) async fn wait_for_release(mut self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        // Nothing is ever sent, so this ends when the sender is dropped.
        let _ = self.released.changed().await;
    }
}
