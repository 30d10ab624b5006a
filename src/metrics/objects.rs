//! The metrics of each object. They are made from the watched objects at each scrape, so they end
//! with their object.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
};

use crate::{
    api::{Declared, OxenModel, OxenModelStatus, State, Usage},
    decide::{
        DELETION_BLOCKED, READY, STALLED, Verdict, counted, headline, is_true, price, used_by,
    },
};

type Source = Box<dyn Fn(Timestamp) -> Vec<ObjectMetrics> + Send + Sync>;

/// The sources of the objects' metrics. All clones share them.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<Sources>>);

#[derive(Default)]
struct Sources {
    all: Vec<Source>,
    /// The time of the last scrape.
    last: Timestamp,
}

/// The metrics of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectMetrics {
    object: ByObject,
    desired: String,
    live: String,
    reason: String,
    since: Option<i64>,
    until: Option<i64>,
    overridden: Option<State>,
    activation: Option<i64>,
    ready: bool,
    stalled: bool,
    blocked: bool,
    /// What the object's model has used.
    usage: Option<Usage>,
    /// The price of a second in which the model is active.
    price: Option<String>,
}

#[derive(Clone, Debug, Default, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByObject {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Info {
    namespace: String,
    name: String,
    desired: String,
    live: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Overridden {
    namespace: String,
    name: String,
    state: String,
}

impl Objects {
    /// Adds a source of objects. Its argument is the time of the scrape, which never goes back, even
    /// if the wall clock does.
    pub fn add_source(
        &self,
        source: impl Fn(Timestamp) -> Vec<ObjectMetrics> + Send + Sync + 'static,
    ) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.all.push(Box::new(source));
    }

    fn all(&self, now: Timestamp) -> Vec<ObjectMetrics> {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.last = sources.last.max(now);
        let now = sources.last;
        sources.all.iter().flat_map(|source| source(now)).collect()
    }
}

impl ObjectMetrics {
    /// The metrics of an object that can't be decoded.
    #[must_use]
    pub fn undecodable(metadata: &ObjectMeta) -> Self {
        Self {
            object: ByObject::of(metadata),
            reason: Verdict::InvalidSpec.presentation().reason.into(),
            stalled: true,
            // The watch has only the metadata, so a deletion that goes on counts too.
            blocked: metadata.deletion_timestamp.is_some(),
            ..Self::default()
        }
    }
}

impl ObjectMetrics {
    /// The metrics of an object, with what its model has used by the time `at`.
    #[must_use]
    pub fn of(object: &OxenModel, at: Timestamp) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let is_true = |type_| is_true(&status.conditions, type_);
        let activation = status.activations.iter().flatten().next_back();
        Self {
            object: ByObject::of(&object.metadata),
            desired: desired(object, status.desired),
            live: status.live.map_or_else(String::new, |it| it.to_string()),
            reason: headline(&status.conditions).unwrap_or_default().into(),
            since: status.since.as_ref().map(|since| since.0.as_second()),
            until: status.until.as_ref().map(|until| until.0.as_second()),
            overridden: status.override_in_force.as_ref().map(|it| it.state),
            activation: activation.copied().map(i64::from),
            ready: is_true(READY),
            stalled: is_true(STALLED),
            blocked: is_true(DELETION_BLOCKED),
            price: price_of(&status),
            usage: status.usage.map(|usage| used_by(&usage, at)),
        }
    }
}

/// The price of an object whose usage is counted. Another object that controls the model has no
/// price, so that a sum over all objects has each model once.
fn price_of(status: &OxenModelStatus) -> Option<String> {
    let usage = status.usage.as_ref()?;
    let counted = usage.open.is_some() || status.live.and_then(counted).is_none();
    price(status.pricing.as_ref()).filter(|_| counted)
}

/// The desired state, which is empty for a schedule that was never judged.
fn desired(object: &OxenModel, judged: Option<State>) -> String {
    let declared = object.spec.state;
    match (judged, declared) {
        (Some(judged), _) => judged.to_string(),
        (None, Declared::Active | Declared::Inactive) => declared.to_string(),
        (None, Declared::Scheduled) => String::new(),
    }
}

impl ByObject {
    fn of(metadata: &ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.all(Timestamp::now());
        encode_info(&all, &mut encoder)?;
        encode_overrides(&all, &mut encoder)?;
        encode_gauges(&all, &mut encoder)?;
        encode_seconds(&all, &mut encoder)?;
        encode_costs(&all, &mut encoder)
    }
}

fn encode_info(all: &[ObjectMetrics], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let info = Family::<Info, Gauge>::default();
    for object in all {
        let ObjectMetrics {
            object,
            desired,
            live,
            reason,
            ..
        } = object.clone();
        let labels = Info {
            namespace: object.namespace,
            name: object.name,
            desired,
            live,
            reason,
        };
        info.get_or_create(&labels).set(1);
    }
    let help = "1 for each object, with `namespace`, `name`, `desired`, `live` and `reason`";
    info.encode(encoder.encode_descriptor("oxen_model_info", help, None, MetricType::Gauge)?)
}

fn encode_overrides(all: &[ObjectMetrics], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let overrides = Family::<Overridden, Gauge>::default();
    for object in all {
        if let Some(state) = object.overridden {
            let ByObject { namespace, name } = object.object.clone();
            let state = state.to_string();
            let labels = Overridden {
                namespace,
                name,
                state,
            };
            overrides.get_or_create(&labels).set(1);
        }
    }
    let help = "1 while an override is in force, by `namespace`, `name` and desired `state`";
    overrides.encode(encoder.encode_descriptor(
        "oxen_model_override",
        help,
        None,
        MetricType::Gauge,
    )?)
}

fn encode_gauges(all: &[ObjectMetrics], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Value = fn(&ObjectMetrics) -> Option<i64>;
    let series: [(&str, &str, Value); 6] = [
        (
            "oxen_model_since_timestamp_seconds",
            "When the live status last changed, in seconds since 1970, by `namespace` and `name`",
            |object| object.since,
        ),
        (
            "oxen_model_until_timestamp_seconds",
            "When the desired state changes by itself, in seconds since 1970, by `namespace` and \
             `name`; absent if no such change is known",
            |object| object.until,
        ),
        (
            "oxen_model_activation_seconds",
            "How long the model's last activation took, in seconds, by `namespace` and `name`",
            |object| object.activation,
        ),
        (
            "oxen_model_ready",
            "1 while the model is in the desired state, by `namespace` and `name`",
            |object| Some(object.ready.into()),
        ),
        (
            "oxen_model_stalled",
            "1 while a person or a change is needed, by `namespace` and `name`",
            |object| Some(object.stalled.into()),
        ),
        (
            "oxen_model_deletion_blocked",
            "1 while a deletion waits for the hub or a person, by `namespace` and `name`",
            |object| Some(object.blocked.into()),
        ),
    ];
    for (name, help, value) in series {
        let family = Family::<ByObject, Gauge>::default();
        for object in all {
            if let Some(value) = value(object) {
                family.get_or_create(&object.object).set(value);
            }
        }
        family.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    Ok(())
}

fn encode_seconds(all: &[ObjectMetrics], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Seconds = fn(&Usage) -> i64;
    let series: [(&str, &str, Seconds); 5] = [
        (
            "oxen_model_active_seconds_total",
            "How long the model has been active, by `namespace` and `name`",
            |usage| usage.active_seconds,
        ),
        (
            "oxen_model_deploying_seconds_total",
            "How long the model has been deploying, which may bill, by `namespace` and `name`",
            |usage| usage.deploying_seconds,
        ),
        (
            "oxen_model_error_seconds_total",
            "How long the model has been in error, which may bill, by `namespace` and `name`",
            |usage| usage.error_seconds,
        ),
        (
            "oxen_model_unseen_seconds_total",
            "How long nobody could observe the model, by `namespace` and `name`",
            |usage| usage.unseen_seconds,
        ),
        (
            "oxen_model_unpriced_seconds_total",
            "The part of the active seconds in which no price was known, by `namespace` and `name`",
            |usage| usage.unpriced_seconds,
        ),
    ];
    for (name, help, seconds) in series {
        let family = Family::<ByObject, Counter>::default();
        for object in all {
            if let Some(usage) = &object.usage {
                let seconds = u64::try_from(seconds(usage)).unwrap_or_default();
                family.get_or_create(&object.object).inc_by(seconds);
            }
        }
        family.encode(counter(encoder, name, help)?)?;
    }
    Ok(())
}

fn encode_costs(all: &[ObjectMetrics], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // A decimal in a float is close enough to read, and a greater decimal never gives a smaller one.
    let float = |decimal: &Option<String>| decimal.as_ref()?.parse::<f64>().ok();
    let costs = Family::<ByObject, Counter<f64, AtomicU64>>::default();
    let prices = Family::<ByObject, Gauge<f64, AtomicU64>>::default();
    for object in all {
        if let Some(cost) = object.usage.as_ref().and_then(|usage| float(&usage.cost)) {
            costs.get_or_create(&object.object).inc_by(cost);
        }
        if let Some(price) = float(&object.price) {
            prices.get_or_create(&object.object).set(price);
        }
    }
    let help = "What the active seconds with a known price have cost, in the hub's currency, by \
                `namespace` and `name`";
    costs.encode(counter(encoder, "oxen_model_cost_total", help)?)?;
    let help = "What a second costs in which the model is active, in the hub's currency, by \
                `namespace` and `name`";
    let name = "oxen_model_cost_per_second";
    prices.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// Begins a counter under its full name. The library adds the suffix itself.
fn counter<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    let name = name.strip_suffix("_total").unwrap_or(name);
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Objects")
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};
    use serde_json::{Value, json};

    use super::*;

    fn object(live: &str, usage: Value) -> OxenModel {
        let object = json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {"name": "bot", "namespace": "team"},
            "spec": {"model": "bot", "state": "active"},
            "status": {
                "observedGeneration": 1,
                "live": live,
                "pricing": {"method": "time", "costPerSecond": "0.5"},
                "usage": usage,
            },
        });
        serde_json::from_value(object).unwrap()
    }

    /// The values of the metrics of usage, by the middle of their names, at each of these times.
    fn scraped(object: &OxenModel, times: &[&str]) -> Vec<String> {
        let objects = Objects::default();
        let object = object.clone();
        objects.add_source(move |now| vec![ObjectMetrics::of(&object, now)]);
        times.iter().for_each(|time| {
            objects.all(time.parse().unwrap());
        });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(objects));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let labels = r#"{namespace="team",name="bot"}"#;
        let series = text.lines().filter(|line| line.contains(labels));
        let series = series.map(|line| line.replace(labels, "").replace("oxen_model_", ""));
        let usage = ["seconds_total", "cost"];
        series
            .filter(|line| usage.iter().any(|part| line.contains(part)))
            .collect()
    }

    #[test]
    fn usage_has_no_series_where_nothing_is_known() {
        assert_eq!(scraped(&object("active", Value::Null), &[]), [""; 0]);
        // Another object controls the model now.
        let lost = scraped(&object("active", json!({"activeSeconds": 7})), &[]);
        assert!(lost.contains(&"active_seconds_total 7".to_owned()));
        assert!(!lost.iter().any(|line| line.contains("cost")), "{lost:?}");
        let off = scraped(&object("inactive", json!({"activeSeconds": 7})), &[]);
        assert!(off.contains(&"cost_per_second 0.5".to_owned()), "{off:?}");
    }

    #[test]
    fn a_scrape_after_the_clock_went_back_shows_no_less() {
        let open = json!({"is": "active", "since": "2200-01-01T00:00:00Z", "costPerSecond": "0.5"});
        let object = object(
            "active",
            json!({"began": "2200-01-01T00:00:00Z", "open": open}),
        );
        let once = scraped(&object, &["2200-01-01T01:00:00Z"]);
        assert!(
            once.contains(&"active_seconds_total 3600".to_owned()),
            "{once:?}"
        );
        assert!(once.contains(&"cost_total 1800.0".to_owned()), "{once:?}");
        let back = scraped(&object, &["2200-01-01T01:00:00Z", "2200-01-01T00:00:00Z"]);
        assert_eq!(back, once);
    }
}
