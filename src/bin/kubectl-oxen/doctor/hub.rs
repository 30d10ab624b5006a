//! The way to the hub: from this machine, and from the operator.

use oxen_operator::{
    config::RouteArgs,
    decide::{HubFault, SYNCED, condition},
    hub::ApiKey,
};
use tokio::time::Instant;

use super::{
    paste::quote,
    report::{Check, Mark},
};
use crate::{
    cli::Global,
    console::Console,
    hub::Hub,
    key::{Key, Origin},
    objects::{Objects, Scope},
    outcome::Failure,
};

/// The name of the check from this machine.
pub const FROM_HERE: &str = "hub-reachable";

/// The name of the check from the operator.
pub const BY_OPERATOR: &str = "hub-operator";

/// Takes the place of a key in the request that only asks whether the hub answers.
const NO_KEY: &[u8] = b"kubectl-oxen-doctor";

/// A client of the hub without a key, or why there is none.
pub struct Access(Result<Hub, String>);

impl Access {
    /// Makes the client. It sends no request.
    pub fn new(route: &RouteArgs, flags: &Global, console: &Console) -> Self {
        let key = ApiKey::new(NO_KEY).map_err(|error| error.to_string());
        Self(key.and_then(|key| {
            let origin = Origin::Environment;
            let hub = Hub::unnamed(route, Key { key, origin }, flags, console);
            hub.map_err(|failure| match failure {
                Failure::Because(why) => why,
                Failure::ReaderGone => String::new(),
            })
        }))
    }

    /// The client with a key.
    pub fn with_key(&self, key: Key) -> Option<Hub> {
        self.0.as_ref().ok().map(|hub| hub.with_key(key))
    }

    /// What the checks are about.
    pub fn about(&self) -> String {
        match &self.0 {
            Ok(hub) => format!("{}, from this machine", hub.base()),
            Err(_) => String::new(),
        }
    }

    /// Whether the hub answers. Any answer of its own will do, so no key is needed.
    pub async fn reach(&self) -> Check {
        let hub = match &self.0 {
            Ok(hub) => hub,
            Err(why) => {
                return Check::fail(FROM_HERE, why.clone())
                    .fix("unset OXEN_BASE_URL OXEN_PROXY OXEN_CA_FILE");
            }
        };
        let begun = Instant::now();
        match hub.retrieve("kubectl-oxen-doctor", false).await {
            Err(fault @ (HubFault::Unreachable(_) | HubFault::Unexpected(_))) => {
                let check = Check::fail(FROM_HERE, hub.sentence(&fault, None));
                let url = quote(&format!("{}/api/ai/models", hub.base()));
                check.fix(format!("curl -sS -o /dev/null {url}"))
            }
            Ok(_) | Err(_) => {
                let took = begun.elapsed().as_millis();
                let tls = if hub.base().starts_with("https:") {
                    "TLS is trusted, "
                } else {
                    ""
                };
                Check::ok(
                    FROM_HERE,
                    format!("name resolves, {tls}answers in {took} ms"),
                )
            }
        }
    }
}

/// Returns true when the hub answers.
pub fn is_reached(check: &Check) -> bool {
    check.result == Mark::Ok
}

/// Whether the operator reaches the hub, by the objects' statuses.
pub fn by_operator(objects: &Objects) -> Check {
    if let Scope::None { why } = &objects.scope {
        return Check::skip(BY_OPERATOR, why.clone());
    }
    let all = objects.items().len();
    if all == 0 {
        return Check::skip(BY_OPERATOR, "there are no OxenModels");
    }
    let (mut synced, mut lost) = (0, Vec::new());
    for item in objects.items() {
        match condition(&item.conditions(), SYNCED) {
            Some(condition) if condition.status == "True" => synced += 1,
            Some(condition) if condition.reason == "HubUnreachable" => lost.push(item.full_name()),
            Some(_) | None => {}
        }
    }
    let Some(first) = lost.first() else {
        if synced == 0 {
            let why = "no object is Synced, so whether the operator reaches it is not known";
            return Check::skip(BY_OPERATOR, why);
        }
        let message = format!("the operator reaches it: {synced} of {all} objects are Synced");
        return Check::ok(BY_OPERATOR, message);
    };
    let (namespace, name) = first.split_once('/').unwrap_or_default();
    Check::fail(
        BY_OPERATOR,
        format!(
            "the operator does not reach it: {} of {all} objects are HubUnreachable",
            lost.len()
        ),
    )
    .fix(format!("kubectl oxen status {name} -n {namespace}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::item::Item;

    #[test]
    fn what_no_object_says_of_the_operators_way_is_skipped() {
        let object = |synced: Option<(&str, &str)>| {
            let mut object = json!({"apiVersion": "oxen.ai/v1alpha1", "kind": "OxenModel",
                "metadata": {"namespace": "a", "name": "bot"},
                "spec": {"model": "bot", "state": "active"}});
            if let Some((status, reason)) = synced {
                object["status"] = json!({"conditions": [{"type": "Synced", "status": status,
                    "reason": reason, "message": "",
                    "lastTransitionTime": "2026-11-25T08:00:00Z"}]});
            }
            Item::new(serde_json::from_value(object).unwrap())
        };
        let (yes, no) = (("True", "Active"), ("False", "HubUnreachable"));
        let refused = ("False", "CredentialsNotFound");
        for (objects, mark) in [
            (vec![], Mark::Skip),
            (vec![None, None], Mark::Skip),
            (vec![Some(refused)], Mark::Skip),
            (vec![None, Some(yes)], Mark::Ok),
            (vec![Some(yes), Some(no)], Mark::Fail),
        ] {
            let items = objects.into_iter().map(object).collect();
            let check = by_operator(&Objects::known(items));
            assert_eq!(check.result, mark, "{}", check.message);
        }
    }
}
