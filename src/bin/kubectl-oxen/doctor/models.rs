//! The objects that need a person, and the models that no object manages.

use std::collections::{BTreeMap, BTreeSet};

use oxen_operator::decide::{self, Managed, STALLED, headline, is_true};

use super::{keys::Tried, report::Check};
use crate::{
    amount::Amount,
    clean,
    doctor::hub::Access,
    hub::{Hub, Shown, Wanted, Which},
    objects::{Objects, Scope},
    outcome::Failure,
    price::per_hour,
    session::Session,
};

/// The names of the checks.
pub const IDS: [&str; 2] = ["models-stalled", "models-unmanaged"];

/// Makes the checks.
pub async fn check(
    session: &Session,
    objects: &Objects,
    hub: &Access,
    keys: &[Tried],
) -> Vec<Check> {
    let mut checks = stalled(objects);
    checks.push(unmanaged(session, objects, hub, keys).await);
    checks
}

/// One check for each namespace with stalled objects, or one where there are none.
fn stalled(objects: &Objects) -> Vec<Check> {
    if let Scope::None { why } = &objects.scope {
        return vec![Check::skip(IDS[0], why.clone())];
    }
    let mut namespaces: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for item in objects.items() {
        let conditions = item.conditions();
        if is_true(&conditions, STALLED) {
            let (count, reasons) = namespaces.entry(item.namespace()).or_default();
            *count += 1;
            reasons.extend(headline(&conditions).map(clean::line));
        }
    }
    if namespaces.is_empty() {
        return vec![Check::ok(IDS[0], "no object is stalled")];
    }
    let checks = namespaces.into_iter().map(|(namespace, (count, reasons))| {
        let objects = match count {
            1 => format!("1 object of {namespace} is stalled"),
            count => format!("{count} objects of {namespace} are stalled"),
        };
        let keys = if reasons.contains("Unauthenticated") {
            " (see KEYS)"
        } else {
            ""
        };
        let reasons: Vec<String> = reasons.into_iter().collect();
        let message = format!("{objects}: {}{keys}", reasons.join(", "));
        let check = Check::fail(IDS[0], message).about(namespace.clone());
        Check {
            of_objects: true,
            ..check.fix(format!("kubectl oxen status -n {namespace}"))
        }
    });
    checks.collect()
}

/// The models that may bill and that no object manages, with each key that the hub accepts.
async fn unmanaged(session: &Session, objects: &Objects, hub: &Access, keys: &[Tried]) -> Check {
    let id = IDS[1];
    match &objects.scope {
        Scope::All => {}
        Scope::One { why, .. } | Scope::None { why } => return Check::skip(id, why.clone()),
    }
    let (mut found, mut where_) = (BTreeMap::new(), BTreeSet::new());
    let (mut asked, mut faults) = (false, Vec::new());
    for tried in keys {
        let Some(hub) = tried.key.clone().and_then(|key| hub.with_key(key)) else {
            continue;
        };
        let managed = objects.managed(hub.origin(), &session.namespace);
        if !managed.knows_an_owner() {
            continue;
        }
        asked = true;
        match active(&hub, &managed).await {
            Ok(models) => {
                for shown in models {
                    where_.insert(tried.namespace.clone());
                    let price = shown.remote.pricing.as_ref().and_then(per_hour);
                    found.insert(shown.identity(), price);
                }
            }
            Err(Failure::Because(why)) => faults.push(why),
            Err(Failure::ReaderGone) => {}
        }
    }
    if let (true, Some(fault)) = (found.is_empty(), faults.first()) {
        return Check::skip(id, fault.trim_end_matches('.'));
    }
    if !asked {
        return Check::skip(
            id,
            "no key is known that the hub accepts and an object uses",
        );
    }
    if found.is_empty() {
        return Check::ok(
            id,
            "every active model of these keys' accounts has an OxenModel",
        );
    }
    let price: Amount = found.values().flatten().copied().sum();
    let models = match found.len() {
        1 => "1 active model has".into(),
        count => format!("{count} active models have"),
    };
    let check = Check::warn(
        id,
        format!("{models} no OxenModel: {} an hour", price.rounded()),
    );
    where_.into_iter().fold(check, |check, namespace| {
        check.see(format!("kubectl oxen models --unmanaged -n {namespace}"))
    })
}

/// The models that may bill and that no object manages, each as a live retrieve shows it, because a
/// list may be older than the models' statuses.
async fn active(hub: &Hub, managed: &Managed) -> Result<Vec<Shown>, Failure> {
    let which = Which::All {
        developer: None,
        action: None,
    };
    let is_unmanaged = |shown: &Shown| decide::unmanaged(&shown.remote, managed);
    let listed = hub.list(which, is_unmanaged).await?;
    let wanted: Vec<Wanted> = listed.models.iter().map(Shown::wanted).collect();
    let retrieved = hub.retrieve_all(&wanted).await?.into_iter();
    let shown = retrieved.filter_map(|one| one.result.ok());
    Ok(shown.filter(is_unmanaged).collect())
}
