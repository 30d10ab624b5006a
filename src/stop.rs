//! The word to stop, for every part of the program.

use std::future::Future;

use tokio::sync::watch;

/// Tells every part of the program to stop: no new work from then on.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// The sender says when.
    #[must_use]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether it was said.
    #[must_use]
    pub fn said(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends once it is said.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + Sync + 'static {
        let mut receiver = self.0.clone();
        async move {
            // A sender that is gone can't say anything else any more.
            let _ = receiver.wait_for(|said| *said).await;
        }
    }
}
