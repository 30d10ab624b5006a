//! Models of the hub as a table, and as JSON or YAML.

use std::collections::BTreeMap;

use oxen_operator::{
    api::{Identity, LiveStatus},
    hub::{Model, Word},
};
use serde::Serialize;

use crate::{
    amount::Amount,
    clean,
    hub::Shown,
    item::Item,
    objects::Objects,
    outcome::Failure,
    output,
    price::{per_hour, price},
    table::{self, Column, Fit},
};

/// The models, with the objects that manage each.
pub struct Catalog<'a> {
    models: Vec<&'a Shown>,
    managers: BTreeMap<Identity, Vec<&'a Item>>,
    known: bool,
}

/// A model in JSON or YAML: every field of the hub's object, and what the plugin adds to it.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    model: &'a Model,
    /// The status of the deployments, folded to one word.
    #[serde(rename = "liveStatus")]
    live: LiveStatus,
    #[serde(rename = "perHour", skip_serializing_if = "Option::is_none")]
    per_hour: Option<String>,
    /// The objects that manage the model; absent where no objects are known.
    #[serde(rename = "oxenModels", skip_serializing_if = "Option::is_none")]
    objects: Option<Vec<Named>>,
}

/// An object's name in JSON or YAML.
#[derive(Serialize)]
struct Named {
    namespace: String,
    name: String,
}

impl<'a> Catalog<'a> {
    /// The models in this order.
    pub fn new(models: impl IntoIterator<Item = &'a Shown>, objects: &'a Objects) -> Self {
        Self {
            models: models.into_iter().collect(),
            managers: objects.by_model(),
            known: objects.are_known(),
        }
    }

    /// The names of the objects that manage a model, or `None` where no objects are known.
    pub fn managers(&self, model: &Shown) -> Option<Vec<String>> {
        let managers = self.managers.get(&model.identity());
        let managers = managers.into_iter().flatten();
        self.known
            .then(|| managers.map(|item| item.full_name()).collect())
    }

    /// The table. Without a width, nothing is left out or cut.
    pub fn table(&self, wide: bool, width: Option<usize>) -> String {
        let mut columns = vec![
            Column::new("MODEL").fit(Fit::Cut),
            Column::new("OWNER").fit(Fit::Drop(0)),
            Column::new("LIVE"),
            Column::new("PRICE").right(),
            Column::new("OXENMODEL").fit(Fit::Cut),
        ];
        if wide {
            let more = [
                "TYPE",
                "DEVELOPER",
                "ENDPOINT",
                "INPUT",
                "OUTPUT",
                "SOURCE",
                "NAME",
            ];
            columns.extend(more.map(Column::new));
        }
        let rows = self.models.iter().map(|shown| self.row(shown, wide));
        let rows: Vec<Vec<String>> = rows.collect();
        table::lines(&columns, &rows, width).join("\n") + "\n"
    }

    fn row(&self, shown: &Shown, wide: bool) -> Vec<String> {
        let Shown { model, remote } = shown;
        let dash = || "-".to_owned();
        let text = |text: &Option<String>| text.as_deref().map_or_else(dash, clean::line);
        let manager = match self.managers(shown).as_deref() {
            None => "?".into(),
            Some([]) => dash(),
            Some([one]) => clean::line(one),
            Some([one, more @ ..]) => format!("{} +{}", clean::line(one), more.len()),
        };
        let mut row = vec![
            clean::line(&model.id),
            clean::line(&model.owned_by),
            remote.live.to_string(),
            remote.pricing.as_ref().and_then(price).unwrap_or_else(dash),
            manager,
        ];
        if wide {
            let developer = model.developer.as_ref().map(|it| text(&it.name));
            let can = model.capabilities.as_ref();
            row.extend([
                text(&remote.model.type_),
                developer.unwrap_or_else(dash),
                text(&model.endpoint),
                can.map_or_else(dash, |can| words(can.input.as_deref())),
                can.map_or_else(dash, |can| words(can.output.as_deref())),
                text(&model.source_model),
                text(&model.display_name),
            ]);
        }
        row
    }

    /// The models as JSON or YAML, in one list for one model and for many.
    ///
    /// # Errors
    ///
    /// A model can't be written in this form.
    pub fn list(&self, yaml: bool) -> Result<String, Failure> {
        let items: Vec<Printed<'_>> = self
            .models
            .iter()
            .map(|shown| self.printed(shown))
            .collect();
        output::text(&BTreeMap::from([("items", items)]), yaml)
    }

    fn printed<'b>(&'b self, shown: &'b Shown) -> Printed<'b> {
        let managers = self.managers.get(&shown.identity());
        let managers = managers.into_iter().flatten();
        let named = managers.map(|item| Named {
            namespace: item.namespace(),
            name: item.name(),
        });
        let hour = per_hour(shown.remote.pricing.as_ref());
        Printed {
            model: &shown.model,
            live: shown.remote.live,
            per_hour: hour.map(Amount::rounded),
            objects: self.known.then(|| named.collect()),
        }
    }

    /// The models' names, one on each line.
    pub fn names(&self) -> String {
        let lines = self.models.iter();
        lines
            .map(|shown| clean::line(&shown.model.id) + "\n")
            .collect()
    }

    /// How many models there are, and how many of them are active and billed by time.
    pub fn summary(&self) -> String {
        let models = match self.models.len() {
            1 => "1 model".to_owned(),
            count => format!("{count} models"),
        };
        let mut owners = self.models.iter().map(|shown| &shown.model.owned_by);
        let first = owners.next();
        let owners = if owners.any(|owner| Some(owner) != first) {
            " of all owners"
        } else {
            ""
        };
        let custom = self.models.iter().filter(|shown| shown.is_custom()).count();
        let active = self.models.iter().filter(|shown| shown.is_active());
        let prices = active.filter_map(|shown| per_hour(shown.remote.pricing.as_ref()));
        let prices: Vec<Amount> = prices.collect();
        let count = prices.len();
        let sum: Amount = prices.into_iter().sum();
        let bill = match count {
            0 => "none bills by time now".to_owned(),
            1 => format!("1 bills by time now: {} an hour", sum.rounded()),
            _ => format!("{count} bill by time now: {} an hour", sum.rounded()),
        };
        format!("{models}{owners}, {custom} of them custom; {bill}.")
    }
}

/// Modalities, such as `text,image`.
pub fn words(words: Option<&[Word]>) -> String {
    let words = words.unwrap_or_default().iter();
    let words: Vec<String> = words.map(|word| clean::line(word.as_str())).collect();
    if words.is_empty() {
        "-".into()
    } else {
        words.join(",")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(model: Value) -> Shown {
        let model: Model = serde_json::from_value(model).unwrap();
        let base = "http://hub".parse().unwrap();
        let remote = oxen_operator::hub::fold(&model.id, &model, &base).unwrap();
        Shown { model, remote }
    }

    fn models() -> [Shown; 2] {
        let nasty = "日本語 e\u{301} \u{1f402} \x1b[2J\r\u{202e}and-a-very-long-word";
        [
            shown(
                json!({"id": nasty, "owned_by": nasty, "display_name": nasty,
                "model_type": nasty, "endpoint": nasty, "source_model": nasty,
                "capabilities": {"input": [nasty], "output": [nasty]},
                "developer": {"name": nasty}, "pricing": {"method": nasty},
                "request_schema": {"text": nasty},
                "deployments": [{"status": nasty, "size": 7}]}),
            ),
            shown(
                json!({"id": "bot", "owned_by": "acme", "model_type": "custom",
                "pricing": {"method": "time", "cost_per_second": 0.00125},
                "deployments": [{"status": "active"}]}),
            ),
        ]
    }

    #[test]
    fn no_table_is_wider_than_the_terminal_or_changes_it() {
        let (models, objects) = (models(), Objects::unknown("no".into()));
        let catalog = Catalog::new(&models, &objects);
        for width in [Some(0), Some(20), Some(60), Some(80), None] {
            for wide in [false, true] {
                let text = catalog.table(wide, width);
                assert!(clean::is_safe(&text), "{text:?}");
                for line in text.lines() {
                    assert!(
                        width.is_none_or(|width| clean::cells(line) <= width),
                        "{line}"
                    );
                }
            }
        }
        assert!(clean::is_safe(&catalog.names()));
        assert_eq!(
            catalog.summary(),
            "2 models of all owners, 2 of them custom; 1 bills by time now: 4.50 an hour."
        );
    }

    #[test]
    fn every_field_of_the_hub_is_in_both_forms() {
        let (models, objects) = (models(), Objects::default());
        let catalog = Catalog::new(&models, &objects);
        for yaml in [false, true] {
            let text = catalog.list(yaml).ok().unwrap();
            assert!(clean::is_safe(&text), "{text:?}");
            let list: Value = serde_yaml::from_str(&text).unwrap();
            for (item, shown) in list["items"].as_array().unwrap().iter().zip(&models) {
                let fields = serde_json::to_value(&shown.model).unwrap();
                for (name, value) in fields.as_object().unwrap() {
                    assert_eq!(item.get(name), Some(value), "{name}");
                }
            }
            let bot = &list["items"][1];
            assert_eq!(bot["perHour"], "4.50");
            assert_eq!(bot["liveStatus"], "active");
            assert_eq!(bot["oxenModels"], json!([]));
        }
    }
}
