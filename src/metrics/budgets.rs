//! The metrics of each budget. They are made at each scrape, so they end with their budget.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, family::Family, gauge::Gauge},
};

use super::objects::{ByObject, float};
use crate::{api::OxenBudgetSpec, decide::Total};

type Source = Arc<dyn Fn() -> Vec<BudgetMetrics> + Send + Sync>;

type Floats<Labels> = Family<Labels, Gauge<f64, AtomicU64>>;

/// The source of the budgets' metrics. All clones share it.
#[derive(Clone, Default)]
pub struct Budgets(Arc<Mutex<Option<Source>>>);

/// The metrics of one budget.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetMetrics {
    /// The budget's namespace.
    pub namespace: String,
    /// The budget's name.
    pub name: String,
    /// The limits, or `None` if they can't be decoded.
    pub spec: Option<OxenBudgetSpec>,
    /// What counts towards the limits, or `None` if they can't be decoded.
    pub total: Option<Total>,
    /// How many objects the budget refuses an activate call.
    pub refusing: usize,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByLimit {
    namespace: String,
    name: String,
    limit: &'static str,
}

impl Budgets {
    /// Sets the source of the budgets.
    pub fn set_source(&self, source: impl Fn() -> Vec<BudgetMetrics> + Send + Sync + 'static) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::new(source));
    }

    fn all(&self) -> Vec<BudgetMetrics> {
        // The lock isn't held while the source works.
        let source = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        source.map(|source| source()).unwrap_or_default()
    }
}

impl BudgetMetrics {
    fn labels(&self) -> ByObject {
        ByObject {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    fn limits(&self) -> impl Iterator<Item = (ByLimit, f64)> {
        let spec = self.spec.as_ref();
        let active = spec.and_then(|spec| spec.max_active).map(f64::from);
        let cost = spec.and_then(|spec| float(spec.max_hourly_cost.as_ref()?.as_str()));
        let limits = [("active", active), ("hourly_cost", cost)];
        limits.into_iter().filter_map(|(limit, value)| {
            let labels = ByLimit {
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                limit,
            };
            Some((labels, value?))
        })
    }
}

impl Collector for Budgets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.all();
        encode_counts(&all, &mut encoder)?;
        let (costs, limits) = (Floats::<ByObject>::default(), Floats::<ByLimit>::default());
        for budget in &all {
            let total = budget.total.as_ref();
            if let Some(cost) = total.and_then(|total| float(&total.hourly_cost())) {
                costs.get_or_create(&budget.labels()).set(cost);
            }
            for (labels, value) in budget.limits() {
                limits.get_or_create(&labels).set(value);
            }
        }
        let name = "oxen_budget_hourly_cost";
        let help = "What the models that count cost together in an hour, in the hub's currency, by \
                    `namespace` and `name` of the budget";
        costs.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        let name = "oxen_budget_limit";
        let help = "The limits of the budget, by `namespace`, `name` and `limit`: `active` or \
                    `hourly_cost`";
        limits.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }
}

fn encode_counts(all: &[BudgetMetrics], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Count = fn(&BudgetMetrics) -> Option<usize>;
    let series: [(&str, &str, Count); 2] = [
        (
            "oxen_budget_active",
            "How many models count towards the budget, by its `namespace` and `name`",
            |budget| budget.total.map(|total| total.active),
        ),
        (
            "oxen_budget_refusing",
            "How many OxenModels should be active and are not activated because of the budget, by \
             its `namespace` and `name`",
            |budget| Some(budget.refusing),
        ),
    ];
    for (name, help, count) in series {
        let family = Family::<ByObject, Gauge>::default();
        for budget in all {
            if let Some(count) = count(budget) {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                family.get_or_create(&budget.labels()).set(count);
            }
        }
        family.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    Ok(())
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budgets")
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};
    use serde_json::{Value, json};

    use super::*;

    /// The series in alphabetical order. The registry has no order.
    fn scraped(budgets: Vec<BudgetMetrics>) -> Vec<String> {
        let collector = Budgets::default();
        collector.set_source(move || budgets.clone());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(collector));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let mut series: Vec<String> = series
            .map(|line| line.replace("oxen_budget_", ""))
            .collect();
        series.sort();
        series
    }

    fn budget(spec: &Value) -> BudgetMetrics {
        let spec: Option<OxenBudgetSpec> = serde_json::from_value(spec.clone()).unwrap();
        BudgetMetrics {
            namespace: "team".into(),
            name: "a".into(),
            total: spec.as_ref().map(|_| Total::default()),
            spec,
            refusing: 2,
        }
    }

    #[test]
    fn a_budget_has_series_for_its_limits_and_for_what_counts() {
        let labels = r#"namespace="team",name="a""#;
        assert_eq!(
            scraped(vec![budget(
                &json!({"maxActive": 3, "maxHourlyCost": "20.50"})
            )]),
            [
                format!("active{{{labels}}} 0"),
                format!("hourly_cost{{{labels}}} 0.0"),
                format!("limit{{{labels},limit=\"active\"}} 3.0"),
                format!("limit{{{labels},limit=\"hourly_cost\"}} 20.5"),
                format!("refusing{{{labels}}} 2"),
            ]
        );
        let one = scraped(vec![budget(&json!({"maxHourlyCost": "1"}))]);
        assert!(
            !one.iter().any(|line| line.contains("limit=\"active\"")),
            "{one:?}"
        );
    }

    #[test]
    fn a_budget_that_cannot_be_decoded_still_says_how_many_it_refuses() {
        let odd = scraped(vec![budget(&Value::Null)]);
        assert_eq!(odd, [r#"refusing{namespace="team",name="a"} 2"#]);
        assert_eq!(scraped(Vec::new()), [""; 0]);
    }
}
