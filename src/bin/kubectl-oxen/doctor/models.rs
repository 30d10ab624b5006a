//! The objects that need a person, and the models that no object manages.

use std::collections::{BTreeMap, BTreeSet};

use oxen_operator::{
    api::Identity,
    decide::{STALLED, headline, is_true},
};

use super::{keys::Tried, paste::quote, report::Check};
use crate::{
    amount::Amount,
    clean,
    doctor::hub::Access,
    hub::{Unmanaged, Which},
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
            ..check.fix(format!("kubectl oxen status -n {}", quote(&namespace)))
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
    let (mut asked, mut unknown, mut faults) = (false, 0, Vec::new());
    for tried in keys {
        let Some(hub) = tried.key.clone().and_then(|key| hub.with_key(key)) else {
            continue;
        };
        let managed = objects.managed(hub.origin(), &session.namespace);
        if !managed.knows_an_owner() {
            continue;
        }
        asked = true;
        match hub.unmanaged(Which::ALL, &managed).await {
            Ok(Unmanaged { models, unreadable }) => {
                if !models.is_empty() || unreadable > 0 {
                    where_.insert(tried.namespace.clone());
                }
                unknown += unreadable;
                for retrieved in models {
                    let Ok(shown) = retrieved.result else {
                        unknown += 1;
                        continue;
                    };
                    let price = per_hour(shown.remote.pricing.as_ref());
                    found.insert(shown.identity(), price);
                }
            }
            Err(Failure::Because(why)) => faults.push(why),
            Err(Failure::ReaderGone) => {}
        }
    }
    if let (true, 0, Some(fault)) = (found.is_empty(), unknown, faults.first()) {
        return Check::skip(id, fault.trim_end_matches('.'));
    }
    if !asked {
        return Check::skip(
            id,
            "no key is known that the hub accepts and an object uses",
        );
    }
    let check = result(&found, unknown);
    where_.into_iter().fold(check, |check, namespace| {
        let namespace = quote(&namespace);
        check.see(format!("kubectl oxen models --unmanaged -n {namespace}"))
    })
}

/// The check of these unmanaged models, each with its price, and of a number of models that can't
/// be read.
fn result(found: &BTreeMap<Identity, Option<Amount>>, unknown: usize) -> Check {
    let prices: Vec<Amount> = found.values().flatten().copied().collect();
    let (priced, all) = (prices.len(), found.len());
    let price: Amount = prices.into_iter().sum();
    let price = match priced {
        0 => String::new(),
        priced if priced == all => format!(": {} an hour", price.rounded()),
        _ => format!(
            ": {} an hour, and {} without a known price",
            price.rounded(),
            all - priced
        ),
    };
    let found = match all {
        0 => None,
        1 => Some(format!("1 active model has no OxenModel{price}")),
        count => Some(format!("{count} active models have no OxenModel{price}")),
    };
    let unread = match unknown {
        0 => None,
        1 => Some("1 model can't be read, so whether it needs an OxenModel is not known".into()),
        count => Some(format!(
            "{count} models can't be read, so whether they need an OxenModel is not known"
        )),
    };
    let parts: Vec<String> = found.into_iter().chain(unread).collect();
    if parts.is_empty() {
        let message = "every active model of these keys' accounts has an OxenModel";
        return Check::ok(IDS[1], message);
    }
    Check::warn(IDS[1], parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Mark;

    #[test]
    fn only_known_prices_are_told_and_what_cannot_be_read_is_counted() {
        let ok = "every active model of these keys' accounts has an OxenModel";
        let unread = "1 model can't be read, so whether it needs an OxenModel is not known";
        let both = "2 active models have no OxenModel: 4.50 an hour, and 1 without a known price; 2 \
                    models can't be read, so whether they need an OxenModel is not known";
        for (prices, unknown, words) in [
            (vec![], 0, ok),
            (vec![], 1, unread),
            (vec![None], 0, "1 active model has no OxenModel"),
            (vec![Some("4.5"), None], 2, both),
        ] {
            let found = prices.into_iter().enumerate().map(|(at, price)| {
                let (owner, id) = ("acme".into(), at.to_string());
                (Identity { owner, id }, price.and_then(Amount::parse))
            });
            let check = result(&found.collect(), unknown);
            assert_eq!(check.message, words);
            assert_eq!(check.result == Mark::Ok, words == ok);
        }
    }
}
