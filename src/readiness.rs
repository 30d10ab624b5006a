//! What `/readyz` reports.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Whether the operator is ready: every watch has listed its objects once. It stays ready when the
/// API server is unavailable later, because a restart would not help. A standby has no watches, and
/// is ready to take over.
#[derive(Debug, Default)]
pub struct Readiness {
    expected: AtomicUsize,
    done: AtomicUsize,
    standby: AtomicBool,
}

/// A watch that readiness waits for.
#[derive(Debug)]
pub struct Listed {
    readiness: Arc<Readiness>,
    once: std::sync::Once,
}

impl Readiness {
    /// Makes readiness wait for one more watch.
    #[must_use]
    pub fn expect(self: &Arc<Self>) -> Listed {
        self.expected.fetch_add(1, Ordering::SeqCst);
        Listed {
            readiness: self.clone(),
            once: std::sync::Once::new(),
        }
    }

    /// Sets whether this process is a standby.
    pub fn set_standby(&self, standby: bool) {
        self.standby.store(standby, Ordering::SeqCst);
    }

    /// Returns true when the operator is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        if self.standby.load(Ordering::SeqCst) {
            return true;
        }
        let expected = self.expected.load(Ordering::SeqCst);
        expected > 0 && self.done.load(Ordering::SeqCst) == expected
    }
}

impl Listed {
    /// Reports that the watch has listed its objects.
    pub fn done(&self) {
        self.once.call_once(|| {
            self.readiness.done.fetch_add(1, Ordering::SeqCst);
        });
    }
}
