//! The scan for unmanaged models: custom models that may bill, and that no OxenModel manages. It
//! sends one list request for each API key in use, and confirms what the list shows with live GETs.
//! It reports what it finds, and changes nothing.

mod findings;
mod keys;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::pending,
    ops::ControlFlow,
};

use tokio::time::sleep;
use tracing::{info, warn};

use self::{
    findings::Findings,
    keys::{KeyInUse, Origin, keys_in_use},
};
use super::context::{Context, Scopes};
use crate::{
    api::Identity,
    decide::{HubFault, quote, unmanaged},
    hub::{Model, Priority, fold},
    metrics::UnmanagedModels,
};

/// The largest number of models that a line of the log names.
const MOST_NAMED: usize = 10;

/// Scans for as long as the process works.
pub(super) async fn run(context: &Context, scopes: &Scopes) -> Infallible {
    let Some(interval) = context.config.unmanaged_interval else {
        return pending().await;
    };
    let mut found = BTreeMap::new();
    context.index.listed().await;
    sleep(interval.min(context.config.first_scan)).await;
    loop {
        // An object that can't be listed may manage any of the models.
        if context.index.knows_all() {
            scan(context, scopes, &mut found).await;
        }
        sleep(interval).await;
    }
}

/// Scans the models of each key, and reports them.
async fn scan(context: &Context, scopes: &Scopes, found: &mut BTreeMap<Origin, Findings>) {
    let keys = keys_in_use(context, &scopes.all()).await;
    let before = names(found);
    found.retain(|origin, _| keys.contains_key(origin));
    for (origin, key) in &keys {
        let findings = found.entry(origin.clone()).or_default();
        if let Err(fault) = scan_key(context, key, findings).await {
            // What was found earlier is still the best answer.
            let Origin {
                namespace, secret, ..
            } = origin;
            info!(
                namespace,
                secret,
                ?fault,
                "the models of this API key can't be scanned now"
            );
        }
    }
    let after = names(found);
    if after != before {
        log(&after);
    }
    let reported = found.iter().map(|(origin, findings)| UnmanagedModels {
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
    findings: &mut Findings,
) -> Result<(), HubFault> {
    let api_base = context.hub.api_base();
    let is_unmanaged = |asked: &str, model: &Model| {
        let remote = fold(asked, model, &api_base).ok()?;
        let identity = remote.model.identity();
        unmanaged(&remote, &key.managed).then_some((identity, remote.live))
    };
    let mut listed = BTreeSet::new();
    let permit = context.hub.permit(&key.key, Priority::Routine).await?;
    let keep = |model: Model| {
        listed.extend(is_unmanaged(&model.id, &model).map(|(identity, _)| identity));
        ControlFlow::Continue(())
    };
    permit.list_each(keep).await?;
    for identity in findings.due(listed) {
        let permit = context.hub.permit(&key.key, Priority::Routine).await?;
        let live = match permit.retrieve(&identity.id, true).await {
            Ok(model) => is_unmanaged(&identity.id, &model)
                .filter(|(confirmed, _)| *confirmed == identity)
                .map(|(_, live)| live),
            Err(HubFault::ModelNotFound(_)) => None,
            Err(fault) => return Err(fault),
        };
        findings.confirm(identity, live);
    }
    Ok(())
}

/// The unmanaged models of all keys.
fn names(found: &BTreeMap<Origin, Findings>) -> BTreeSet<Identity> {
    let all = found.values().flat_map(Findings::unmanaged);
    all.map(|(identity, _)| identity).collect()
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
