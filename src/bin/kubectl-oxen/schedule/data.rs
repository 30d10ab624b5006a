//! `-o json` and `yaml`.

use jiff::Timestamp;
use serde::Serialize;

use super::{Days, Planned, cost};
use crate::amount::Amount;

/// An object's plan.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    namespace: String,
    name: String,
    from: Timestamp,
    to: Timestamp,
    active_seconds: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Amount>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    at: Timestamp,
    to: String,
    why: &'static str,
}

#[derive(Serialize)]
struct List {
    items: Vec<Data>,
}

/// The plans of objects as a list. An object that can't be decoded has none.
pub fn data(all: &[Planned<'_>], days: &Days) -> impl Serialize + use<> {
    let items = all.iter().filter_map(|(item, plan)| {
        let plan = plan.as_ref()?;
        let changes = plan.changes.iter().map(|change| Change {
            at: change.at,
            to: change.to.to_string(),
            why: change.why,
        });
        Some(Data {
            namespace: item.namespace(),
            name: item.name(),
            from: days.from(),
            to: days.to(),
            active_seconds: plan.active_seconds(),
            cost: cost(item, plan.active_seconds()),
            changes: changes.collect(),
        })
    });
    List {
        items: items.collect(),
    }
}
