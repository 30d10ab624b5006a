//! What the models have cost: a pure report on objects at a time.
//!
//! # Layout
//!
//! | what | where |
//! |---|---|
//! | an earlier report, and the difference to it | `earlier.rs` |
//! | the tables | `text.rs` |
//! | the words below them | `notes.rs` |

mod earlier;
mod notes;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;
use oxen_operator::{
    api::{Identity, LiveStatus, ModelStatus, OxenModelStatus},
    decide,
};
use serde::{Deserialize, Serialize};

use crate::{amount::Amount, item::Item, price, usage::Used};

pub use earlier::{Missing, read};
pub use notes::notes;
pub use text::tables;

/// The report, as `-o json` prints it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it was made.
    pub at: Timestamp,
    /// The time of the earlier report that this one is the difference to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The objects, the one with the highest cost first.
    pub items: Vec<Row>,
    /// The sums of each namespace, the one with the highest cost first.
    pub namespaces: Vec<Total>,
    /// The sums of all objects.
    pub total: Total,
    /// The objects whose status can't be read, by full name and UID.
    #[serde(skip)]
    pub unread: Vec<(String, String)>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// The live status, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// The price of a second that the model is active.
    #[serde(skip)]
    pub price: Option<Amount>,
    /// The price of an hour that the model is active, as `status` prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<String>,
    /// What the model costs per hour now.
    #[serde(skip)]
    pub bills: Bills,
    /// The model, which several objects can name.
    #[serde(skip)]
    pub model: Option<Identity>,
    #[serde(flatten)]
    pub used: Used,
}

/// The sums of several objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// The namespace, or nothing for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip)]
    pub bills: Bills,
    #[serde(flatten)]
    pub used: Used,
}

/// What costs money now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bills {
    /// What the active models with a known price cost per hour.
    pub per_hour: Option<Amount>,
    /// Whether some model is deploying or in error, of which the hub doesn't say whether it bills.
    pub maybe: bool,
}

impl Bills {
    fn of(status: &OxenModelStatus) -> Self {
        let active = status.live == Some(LiveStatus::Active);
        let counted = status.live.and_then(decide::counted);
        Self {
            per_hour: price::per_hour(status.pricing.as_ref()).filter(|_| active),
            maybe: counted.is_some() && !active,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            per_hour: Amount::sum_of_known(self.per_hour, other.per_hour),
            maybe: self.maybe || other.maybe,
        }
    }
}

impl Row {
    /// The object, or `None` if its usage has not been counted.
    fn of(item: &Item, now: Timestamp) -> Option<Self> {
        let status = item.status();
        Some(Self {
            namespace: item.namespace(),
            name: item.name(),
            uid: item.raw.uid().unwrap_or_default(),
            live: status.live.map(|live| live.to_string()),
            price: price::per_second(status.pricing.as_ref()),
            per_hour: price::per_hour(status.pricing.as_ref()).map(Amount::rounded),
            bills: Bills::of(&status),
            model: status.model.as_ref().map(ModelStatus::identity),
            used: Used::of(&status, now)?,
        })
    }

    /// The namespace and the name.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Report {
    /// The report on objects. Those whose usage has not been counted are left out.
    pub fn new(items: &[Item], now: Timestamp) -> Self {
        let rows = items.iter().filter_map(|item| Row::of(item, now));
        let unread = items.iter().filter(|item| !item.is_status_read());
        let unread = unread.map(|item| (item.full_name(), item.raw.uid().unwrap_or_default()));
        Self {
            unread: unread.collect(),
            ..Self::of(rows.collect(), now, None)
        }
    }

    fn of(mut items: Vec<Row>, at: Timestamp, since: Option<Timestamp>) -> Self {
        let begin = since.unwrap_or(at);
        let none = |namespace: Option<&str>| Total {
            namespace: namespace.map(str::to_owned),
            bills: Bills::default(),
            used: Used::none(begin),
        };
        let mut namespaces = BTreeMap::new();
        let mut total = none(None);
        let mut billed = BTreeSet::new();
        for row in &items {
            let namespace = row.namespace.as_str();
            let entry = namespaces.entry(namespace);
            let entry = entry.or_insert_with(|| none(Some(namespace)));
            for sum in [entry, &mut total] {
                sum.used = sum.used.plus(row.used);
                // What two objects name is billed once.
                let model = row.model.as_ref();
                let first = model.is_none_or(|it| billed.insert((sum.namespace.clone(), it)));
                if first {
                    sum.bills = sum.bills.plus(row.bills);
                }
            }
        }
        let mut namespaces: Vec<Total> = namespaces.into_values().collect();
        namespaces.sort_by_key(|total| std::cmp::Reverse(weight(&total.used)));
        items.sort_by_cached_key(|row| {
            let name = (row.namespace.clone(), row.name.clone());
            (std::cmp::Reverse(weight(&row.used)), name)
        });
        Self {
            at,
            since,
            items,
            namespaces,
            total,
            unread: Vec::new(),
        }
    }
}

/// What rows are sorted by.
fn weight(used: &Used) -> (Option<Amount>, i64) {
    (used.cost, used.active_seconds)
}

#[cfg(test)]
mod tests;
