//! The API keys that the objects use.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use oxen_operator::{
    api::SecretKeyRef,
    decide::{HubFault, READY, SYNCED, condition, is_true},
};
use serde_json::json;

use super::{
    hub::{Access, is_reached},
    paste::quote,
    report::Check,
};
use crate::{
    clean,
    item::Item,
    key::{self, Key, NoKey, Origin},
    objects::{Objects, Scope, written},
    session::Session,
    when::Now,
};

/// The name of the check.
pub const ACCEPTED: &str = "key-accepted";

/// The number of keys that are tried at the same time.
const AT_ONCE: usize = 4;

/// What was found about a key.
pub struct Tried {
    pub check: Check,
    /// The key, where the hub accepts it.
    pub key: Option<Key>,
    /// The key's namespace.
    pub namespace: String,
}

/// Tries each key that an object uses.
pub async fn check(
    session: &Session,
    objects: &Objects,
    hub: &Access,
    reached: &Check,
) -> Vec<Tried> {
    let skipped = |why: &str| {
        vec![Tried {
            check: Check::skip(ACCEPTED, why),
            key: None,
            namespace: String::new(),
        }]
    };
    if let Scope::None { why } = &objects.scope {
        return skipped(why);
    }
    let keys = objects.keys();
    if keys.is_empty() {
        return skipped("there are no OxenModels that use a key");
    }
    let all = stream::iter(keys).map(|(namespace, named)| async move {
        let one = One {
            items: objects.of_key(&namespace, &named),
            namespace: &namespace,
            named: &named,
        };
        let found = session.key(&namespace, &named).await;
        let (check, key) = one.check(found, hub, is_reached(reached)).await;
        Tried {
            check: check.about(one.full_name()),
            key,
            namespace: namespace.clone(),
        }
    });
    all.buffered(AT_ONCE).collect().await
}

/// One key, and the objects that use it.
struct One<'a> {
    items: Vec<&'a Item>,
    namespace: &'a str,
    named: &'a SecretKeyRef,
}

impl One<'_> {
    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, clean::line(&self.named.name))
    }

    async fn check(
        &self,
        found: Result<oxen_operator::hub::ApiKey, NoKey>,
        hub: &Access,
        reached: bool,
    ) -> (Check, Option<Key>) {
        let full = self.full_name();
        if let Some(since) = self.refused_since() {
            // A key that was replaced a moment ago is tried from here.
            if let Some(check) = self.refused_there(&found, reached, since) {
                return (check, None);
            }
        }
        match found {
            Ok(key) if reached => self.tried(key, hub).await,
            Ok(_) => (
                Check::skip(
                    ACCEPTED,
                    format!("{full}: the hub can't be reached from here"),
                ),
                None,
            ),
            Err(no_key) => (self.without(&no_key), None),
        }
    }

    /// Asks the hub for the model of an object.
    async fn tried(&self, key: oxen_operator::hub::ApiKey, hub: &Access) -> (Check, Option<Key>) {
        let full = self.full_name();
        let origin = Origin::Secret {
            namespace: self.namespace.into(),
            named: self.named.clone(),
        };
        let key = Key { key, origin };
        let model = self.items.iter().find_map(|item| item.text("/spec/model"));
        let (Some(hub), Some(model)) = (hub.with_key(key.clone()), model) else {
            return (
                Check::skip(ACCEPTED, format!("{full}: it can't be tried")),
                None,
            );
        };
        match hub.retrieve(model, false).await {
            Err(HubFault::Unauthenticated) => {
                let since = self
                    .refused_since()
                    .map(|since| Now::here().day_and_time(since));
                let since = since.map_or_else(String::new, |since| format!(" since {since}"));
                (
                    self.refused(&format!("{full} is not accepted: 401{since}")),
                    None,
                )
            }
            Err(
                fault @ (HubFault::Unreachable(_)
                | HubFault::RateLimited { .. }
                | HubFault::ProviderFailed(_)
                | HubFault::Unexpected(_)),
            ) => {
                let why = hub.sentence(&fault, Some(model));
                (
                    Check::skip(ACCEPTED, format!("{full}: {}", why.trim_end_matches('.'))),
                    None,
                )
            }
            Err(fault @ HubFault::PaymentRequired(_)) => {
                let why = hub.sentence(&fault, Some(model));
                let why = why.trim_end_matches('.');
                let check = Check::fail(ACCEPTED, format!("{full} is accepted, but {why}"));
                (check.fix(self.status()), Some(key))
            }
            Ok(_) | Err(_) => {
                let message = format!("{full} is accepted (tried from here)");
                (Check::ok(ACCEPTED, message), Some(key))
            }
        }
    }

    /// What the operator's refused requests say, where the key can't be tried from here. For an
    /// object that names no Secret, the operator may have used its own key.
    fn refused_there(
        &self,
        found: &Result<oxen_operator::hub::ApiKey, NoKey>,
        reached: bool,
        since: Timestamp,
    ) -> Option<Check> {
        let (full, since) = (self.full_name(), Now::here().day_and_time(since));
        let may_be_lent = self.items.iter().any(|item| written(item).is_none());
        let check = |message: String| Some(Check::fail(ACCEPTED, message).see(self.status()));
        match found {
            Ok(_) if reached => None,
            Err(NoKey::Invalid(_)) => None,
            Err(NoKey::Missing(_)) if may_be_lent => check(format!(
                "{full} is absent, and the operator's own key is not accepted: 401 since {since}"
            )),
            Err(NoKey::Missing(_)) => None,
            Ok(_) | Err(NoKey::Forbidden(_) | NoKey::Unanswered(_)) if may_be_lent => check(
                format!("{full} or the operator's own key is not accepted: 401 since {since}"),
            ),
            Ok(_) | Err(NoKey::Forbidden(_) | NoKey::Unanswered(_)) => {
                Some(self.refused(&format!("{full} is not accepted: 401 since {since}")))
            }
        }
    }

    /// The line that shows the objects of the namespace.
    fn status(&self) -> String {
        format!("kubectl oxen status -n {}", quote(self.namespace))
    }

    fn refused(&self, message: &str) -> Check {
        Check::fail(ACCEPTED, message).fix(self.replace())
    }

    /// The line that puts another key into the Secret.
    fn replace(&self) -> String {
        let patch = json!({"stringData": {key::entry(self.named): "YOUR_API_KEY"}});
        format!(
            "kubectl -n {} patch secret {} -p {}",
            quote(self.namespace),
            quote(&self.named.name),
            quote(&patch.to_string())
        )
    }

    /// The check of a key that can't be read.
    fn without(&self, no_key: &NoKey) -> Check {
        let full = self.full_name();
        let message = format!("{full}: {}", no_key.why());
        let is_synced = |item: &&Item| is_true(&item.conditions(), SYNCED);
        match no_key {
            NoKey::Missing(_) if self.items.iter().any(is_synced) => Check::ok(
                ACCEPTED,
                format!("{full} is absent: the operator lends its own key"),
            ),
            NoKey::Missing(_) => Check::fail(ACCEPTED, message).fix(format!(
                "kubectl -n {} create secret generic {} {}",
                quote(self.namespace),
                quote(&self.named.name),
                quote(&format!(
                    "--from-literal={}=YOUR_API_KEY",
                    key::entry(self.named)
                ))
            )),
            NoKey::Invalid(_) => self.refused(&message),
            NoKey::Forbidden(_) | NoKey::Unanswered(_) => Check::skip(ACCEPTED, message),
        }
    }

    /// Since when the operator's requests with this key are refused, if they are.
    fn refused_since(&self) -> Option<Timestamp> {
        let times = self.items.iter().filter_map(|item| {
            let conditions = item.conditions();
            let ready = condition(&conditions, READY)?;
            let refused = ready.reason == "Unauthenticated";
            refused.then_some(ready.last_transition_time.0)
        });
        times.min()
    }
}
