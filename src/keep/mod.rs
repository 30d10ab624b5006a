//! The keeper, `oxen-operator keep`: a model is active while a process runs.
//!
//! The keeper renews the override `active until TIME` of one OxenModel. When the process ends for
//! any reason, the override is no longer renewed and ends at its time.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | what the keeper reads of an object | `object.rs` |
//! | what is written, from the object and the time | `renewal.rs` |
//! | whether the model is active, from the object and the time | `readiness.rs` |
//! | the requests, and trying again | `driver.rs` |

mod driver;
mod object;
mod readiness;
mod renewal;

use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use driver::{REQUEST_TIMEOUT, WaitError};

use crate::{
    api::OxenModel,
    config::{Keep, KeepTask},
};

/// Renews the override until the shutdown, or waits until the model is active.
///
/// # Errors
///
/// A wait ended without an active model.
pub async fn run(
    client: Client,
    keep: &Keep,
    shutdown: &CancellationToken,
) -> Result<(), WaitError> {
    let namespace = keep.namespace.as_deref();
    let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
    let kind = ApiResource::erase::<OxenModel>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    let name = &keep.name;
    let task = async {
        match keep.task {
            KeepTask::Wait(limit) => driver::wait(&api, name, limit).await,
            KeepTask::Renew { lasts, every } => {
                driver::renew(&api, name, lasts, every).await;
                // A process that ended would be started again, and would replace the `none`.
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        ended = task => ended,
        () = shutdown.cancelled() => match keep.task {
            KeepTask::Wait(_) => Err(WaitError::Interrupted { name: name.clone() }),
            KeepTask::Renew { .. } => {
                info!(name, "nothing more is renewed; an override stays in force until its end");
                Ok(())
            }
        },
    }
}

#[cfg(test)]
mod tests;
