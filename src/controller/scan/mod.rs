//! The scan for unmanaged models: custom models that may bill, and that no OxenModel manages. It
//! sends one list request for each API key in use, and confirms what the list shows with live GETs.
//! It reports what it finds, and changes nothing.

mod findings;
mod keys;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
    mem,
    ops::ControlFlow,
};

use futures::{StreamExt, stream};
use tokio::time::sleep;
use tracing::{info, warn};

use self::{
    findings::Findings,
    keys::{KeyInUse, Objects, Origin},
};
use super::context::{Context, Scopes};
use crate::{
    api::Identity,
    decide::{HubFault, quote, unmanaged},
    hub::{Model, Permit, Priority, fold},
    metrics::UnmanagedModels,
};

/// The largest number of models that a line of the log names.
const MOST_NAMED: usize = 10;

/// The number of keys that are scanned at the same time.
const CONCURRENT_KEYS: usize = 8;

/// Why a scan of a key ended early.
enum Problem {
    /// The hub gave no usable answer.
    Hub(HubFault),
    /// This process no longer leads.
    NotLeading,
}

/// Scans until the shutdown.
pub(super) async fn run(context: &Context, scopes: &Scopes) -> Infallible {
    if let Some(interval) = context.config.unmanaged_interval {
        let first = interval.min(context.config.first_scan);
        let scans = async {
            let mut found = BTreeMap::new();
            context.index.listed().await;
            sleep(first).await;
            loop {
                context.index.listed().await;
                // An object that can't be listed may manage any of the models.
                if context.index.knows_all() {
                    scan(context, scopes, &mut found).await;
                }
                sleep(interval).await;
            }
        };
        tokio::select! {
            () = scans => {}
            () = context.shutdown.cancelled() => {}
        }
    }
    pending().await
}

/// Scans the models of each key, and reports them.
async fn scan(context: &Context, scopes: &Scopes, found: &mut BTreeMap<Origin, Findings>) {
    let all = scopes.all();
    let keys = Objects::read(context, &all).await.keys().await;
    let before = identities(found);
    let mut kept = mem::take(found);
    let scans = keys.in_use.into_iter().map(|key| {
        let origins = key.origins.keys().cloned();
        let of_origin = |origin| {
            let findings = kept.remove(&origin).unwrap_or_default();
            (origin, findings)
        };
        let mut findings: BTreeMap<Origin, Findings> = origins.map(of_origin).collect();
        async move {
            if let Err(problem) = scan_key(context, &key, &mut findings).await {
                log_problem(&findings, problem);
            }
            findings
        }
    });
    let scanned: Vec<BTreeMap<Origin, Findings>> = stream::iter(scans)
        .buffer_unordered(CONCURRENT_KEYS)
        .collect()
        .await;
    kept.retain(|origin, _| keys.unknown.contains(origin));
    found.extend(kept);
    found.extend(scanned.into_iter().flatten());
    // A model may have been adopted meanwhile.
    if !found.values().all(Findings::is_empty) {
        let managed = Objects::read(context, &all).await.managed;
        for findings in found.values_mut() {
            findings.remove(|identity| managed.manages(identity));
        }
    }
    let after = identities(found);
    if after != before {
        log(&after);
    }
    let listed = found.iter().filter(|(_, findings)| findings.is_known());
    let reported = listed.map(|(origin, findings)| UnmanagedModels {
        namespace: origin.namespace.clone(),
        secret: origin.secret.clone(),
        models: findings.unmanaged().collect(),
    });
    context.metrics.unmanaged().report(reported.collect());
}

/// Scans the models that one key sees.
async fn scan_key(
    context: &Context,
    key: &KeyInUse,
    findings: &mut BTreeMap<Origin, Findings>,
) -> Result<(), Problem> {
    let api_base = context.hub.api_base();
    let mut listed: BTreeMap<&Origin, BTreeSet<Identity>> = BTreeMap::new();
    let keep = |model: Model| {
        if let Ok(remote) = fold(&model.id, &model, &api_base) {
            let mut origins = key.origins.iter();
            if let Some((origin, _)) = origins.find(|(_, managed)| unmanaged(&remote, managed)) {
                let listed = listed.entry(origin).or_default();
                listed.insert(remote.model.identity());
            }
        }
        ControlFlow::Continue(())
    };
    let unreadable = permit(context, key).await?.list_each(keep).await?;
    if unreadable > 0 {
        info!(
            unreadable,
            "some models of the hub's list can't be read, and are not scanned"
        );
    }
    for (origin, managed) in &key.origins {
        let findings = findings.entry(origin.clone()).or_default();
        for identity in findings.due(listed.remove(origin).unwrap_or_default()) {
            let live = match retrieve(context, key, &identity).await? {
                Ok(model) => fold(&identity.id, &model, &api_base)
                    .ok()
                    .filter(|remote| remote.model.identity() == identity)
                    .filter(|remote| unmanaged(remote, managed))
                    .map(|remote| remote.live),
                Err(HubFault::ModelNotFound(_)) => None,
                // The other models may have an answer.
                Err(_) => continue,
            };
            findings.confirm(identity, live);
        }
    }
    Ok(())
}

/// Retrieves a model with its live status. If the hub answers with another owner's model, it is
/// asked again for `owner/id`.
async fn retrieve(
    context: &Context,
    key: &KeyInUse,
    Identity { id, owner }: &Identity,
) -> Result<Result<Model, HubFault>, Problem> {
    let found = permit(context, key).await?.retrieve(id, true).await;
    if found.as_ref().is_ok_and(|model| model.owned_by != *owner) {
        let named = format!("{owner}/{id}");
        return Ok(permit(context, key).await?.retrieve(&named, true).await);
    }
    Ok(found)
}

/// A permit for a request with this key.
async fn permit<'a>(context: &'a Context, key: &'a KeyInUse) -> Result<Permit<'a>, Problem> {
    let permit = context.hub.permit(&key.key, Priority::Routine).await?;
    // The wait may be long.
    if context.authority.holds() {
        Ok(permit)
    } else {
        Err(Problem::NotLeading)
    }
}

impl From<HubFault> for Problem {
    fn from(fault: HubFault) -> Self {
        Self::Hub(fault)
    }
}

/// The unmanaged models of all keys.
fn identities(found: &BTreeMap<Origin, Findings>) -> BTreeSet<Identity> {
    let all = found.values().flat_map(Findings::unmanaged);
    all.map(|(identity, _)| identity).collect()
}

/// Says why a key was not scanned to the end.
fn log_problem(origins: &BTreeMap<Origin, Findings>, problem: Problem) {
    let problem = match problem {
        Problem::Hub(fault) => format!("{fault:?}"),
        Problem::NotLeading => "this process no longer leads".to_owned(),
    };
    for Origin {
        namespace, secret, ..
    } in origins.keys()
    {
        info!(
            namespace,
            secret,
            problem,
            "the scan of this API key ended early, and keeps earlier results for models not reached"
        );
    }
}

fn log(unmanaged: &BTreeSet<Identity>) {
    if unmanaged.is_empty() {
        info!("no model is unmanaged any more");
        return;
    }
    let named = unmanaged.iter().take(MOST_NAMED);
    let mut models: Vec<String> = named
        .map(|Identity { id, owner }| format!("{}/{}", quote(owner), quote(id)))
        .collect();
    if unmanaged.len() > MOST_NAMED {
        models.push(format!("{} more", unmanaged.len() - MOST_NAMED));
    }
    warn!(
        unmanaged = unmanaged.len(),
        models = models.join(", "),
        "custom models are on and in no OxenModel; create an OxenModel for each, with `suspend: true` \
         to leave it as it is, or turn it off"
    );
}
