//! The controller. No other module runs kube-runtime's `Controller`.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | the watches, and what starts a reconcile | `watch.rs`, `streams.rs` |
//! | what kube's controller calls; the error policy | `dispatch.rs` |
//! | one reconcile: observe, decide, record, act | `reconcile.rs` |
//! | when an object is reconciled again | `requeue.rs` |
//! | what is known before the live GET | `prepare.rs` |
//! | the wall clock, and waits that it ends | `clock.rs` |
//! | observing an object | `observe.rs` |
//! | the live GET, its permit and Retry-After | `retrieve.rs` |
//! | which API key an object uses | `credentials.rs` |
//! | the scan for unmanaged models | `scan/` |
//! | the Secrets that are watched | `secrets.rs` |
//! | which object controls a model, who is woken, and who uses a Secret | `index/` |
//! | the finalizer, and the call to the hub | `act.rs` |
//! | writing the status | `record.rs` |
//! | publishing events, and repeating an existing event | `events.rs`, `event_series.rs` |
//! | what a process remembers of an object | `memory.rs` |
//! | an object that this version can't decode | `guarded.rs`, `undecodable.rs` |
//! | the watch of budgets, and writing their status | `budgets.rs`, `guarded_budget.rs` |
//! | an object in the store of the watch | `compact.rs` |
//! | a namespace that can't be listed | `listing.rs` |
//! | whether the watches are answered | `health.rs` |
//! | what makes a standby ready | `standby.rs` |
//! | how many reconciles and requests run at once | `admission/`, `permits.rs` |
//! | values that are dropped when nobody uses them | `in_use.rs` |
//! | what all reconciles share | `context.rs` |
//! | a failed request to the Kubernetes API | `error.rs` |

mod act;
mod admission;
mod budgets;
mod clock;
mod compact;
mod context;
mod credentials;
mod dispatch;
mod error;
mod event_series;
mod events;
mod guarded;
mod guarded_budget;
mod health;
mod in_use;
mod index;
mod listing;
mod memory;
mod observe;
mod permits;
mod prepare;
mod reconcile;
mod record;
mod requeue;
mod retrieve;
mod scan;
mod secrets;
mod standby;
mod streams;
mod undecodable;
mod watch;

pub use context::Context;
pub use events::Events;
pub use standby::stand_by;

use std::sync::Arc;

use futures::future;

use context::Scopes;

/// Runs until the shutdown, and then until the work in flight has ended.
pub async fn run(context: Arc<Context>) {
    let scopes = Scopes::default();
    let namespaces = context.config.scopes();
    let namespaces: Vec<Option<String>> = namespaces.map(|one| one.map(Into::into)).collect();
    if context.config.budgets {
        let index = context.index.clone();
        let metrics = context.metrics.budgets();
        metrics.set_source(move || budgets::metrics(&index));
    }
    let limited = namespaces.iter().filter(|_| context.config.budgets);
    let budgets = limited.map(|namespace| budgets::run(&context, namespace.clone()));
    let watches = namespaces
        .iter()
        .map(|namespace| watch::run(context.clone(), namespace.clone(), &scopes));
    // No scope reconciles before all have listed their objects, so all of them run at once.
    let watches = future::join(future::join_all(budgets), future::join_all(watches));
    // The scan never returns, and nothing is lost when it is dropped. The watches come first, so
    // that the scan finds all scopes.
    tokio::select! {
        biased;
        _ = watches => {}
        never = scan::run(&context, &scopes) => match never {},
    }
}
