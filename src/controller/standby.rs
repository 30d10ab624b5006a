//! What a standby does before it is ready: it lists the OxenModels once, by the rules of a leader's
//! first lists, because a replica that can't list them could not take over. It opens no watch.

use std::{convert::Infallible, sync::Arc};

use futures::future;
use kube::{Api, Client, api::ListParams, runtime::watcher};
use tokio::time::{Instant, sleep, timeout};

use super::{
    health::words,
    listing::{FirstList, PATIENCE},
    streams::{BACKOFF_FIRST, BACKOFF_LAST, list_refused, scoped},
    watch::log_error,
};
use crate::{
    api::OxenModel,
    backoff::doubled,
    config::Config,
    readiness::{Readiness, WatchHealth, Watched},
};

/// Lists the OxenModels of each namespace, and reports the lists to `/readyz` until this future is
/// dropped. It is for a standby, and never ends.
pub async fn stand_by(config: &Config, client: &Client, readiness: &Arc<Readiness>) -> Infallible {
    let added = config.scopes().map(|namespace| {
        let watched = Watched::objects(namespace);
        let health = readiness.add_watch(watched, PATIENCE / config.time_scale);
        (namespace, health)
    });
    // All are added before the first one is listed.
    let added: Vec<_> = added.collect();
    let lists = added
        .iter()
        .map(|(namespace, health)| list(config, client, *namespace, health));
    future::join_all(lists).await;
    future::pending().await
}

/// Lists one object of a namespace, or of all, until the API server answers.
async fn list(config: &Config, client: &Client, namespace: Option<&str>, health: &WatchHealth) {
    let api: Api<OxenModel> = scoped(client.clone(), namespace);
    // One object proves as much as all of them.
    let one = ListParams::default().limit(1);
    let mut first = FirstList::new(PATIENCE / config.time_scale);
    let mut failures = 0_u32;
    loop {
        let answer = timeout(config.kube_timeout, api.list_metadata(&one)).await;
        let timed_out = |_| Err(kube::Error::Service("the request timed out".into()));
        let Err(problem) = answer.unwrap_or_else(timed_out) else {
            return health.listed();
        };
        let problem = watcher::Error::InitialListFailed(problem);
        log_error(&problem, namespace);
        health.failed(words(&problem));
        if list_refused(&problem) && first.refused(Instant::now()).is_some() {
            health.left_out();
        }
        sleep(doubled(BACKOFF_FIRST, failures, BACKOFF_LAST)).await;
        failures = failures.saturating_add(1);
    }
}
