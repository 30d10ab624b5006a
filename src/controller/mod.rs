//! The controller: the only code that knows kube-runtime.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | one pass: observe, decide, record, act | `reconcile.rs` |
//! | what a decision needs, gathered | `observe.rs` |
//! | the look at the hub, in its turn | `look.rs` |
//! | which API key is an object's | `credentials.rs` |
//! | the Secrets that are watched | `secrets.rs` |
//! | whose a remote model is | `claims.rs` |
//! | the finalizer, and the call to the hub | `act.rs` |
//! | the status and the event | `record.rs` |
//! | what a process remembers of an object | `memory.rs` |
//! | an object that this version can't decode | `invalid.rs` |
//! | the watches, and what wakes a pass | `watch.rs` |
//! | what all passes share | `context.rs` |

mod act;
mod claims;
mod context;
mod credentials;
mod invalid;
mod look;
mod memory;
mod observe;
mod reconcile;
mod record;
mod secrets;
mod watch;

pub use context::Context;

use std::sync::Arc;

use futures::future;

/// Runs until `stop`, and then until what is in flight has ended.
pub async fn run(context: Arc<Context>) {
    let namespaces = context.config.namespaces.clone();
    if namespaces.is_empty() {
        return watch::run(context, None).await;
    }
    let scopes = namespaces
        .into_iter()
        .map(|namespace| watch::run(context.clone(), Some(namespace)));
    // Each of them waits for all.
    future::join_all(scopes).await;
}
