//! The metrics of each object. They are made from the watched objects at each scrape, so they end
//! with their object.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Instant,
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

type Source = Arc<dyn Fn(Timestamp) -> Vec<ObjectMetrics> + Send + Sync>;

/// The sources of the objects' metrics. All clones share them.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<Sources>>);

#[derive(Default)]
struct Sources {
    all: Vec<Source>,
    /// The time of the last scrape, as the sources got it and on the monotonic clock.
    last: Option<(Timestamp, Instant)>,
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

/// The labels of a series for one object of any kind.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ByObject {
    pub namespace: String,
    pub name: String,
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
    /// Adds a source of objects. Its argument is the time of the scrape. This is the wall clock,
    /// but it never goes back, and it goes no more than twice as fast as the monotonic clock. So a
    /// wall clock that is wrong for a while is wrong here for about as long.
    pub fn add_source(
        &self,
        source: impl Fn(Timestamp) -> Vec<ObjectMetrics> + Send + Sync + 'static,
    ) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.all.push(Arc::new(source));
    }

    fn all(&self, now: Timestamp) -> Vec<ObjectMetrics> {
        let (now, all) = {
            let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (sources.time(now, Instant::now()), sources.all.clone())
        };
        // A source may take long, so the lock isn't held meanwhile.
        all.iter().flat_map(|source| source(now)).collect()
    }
}

impl Sources {
    /// The time of a scrape at this time of the wall clock and of the monotonic clock.
    fn time(&mut self, wall: Timestamp, monotonic: Instant) -> Timestamp {
        let time = self.last.map_or(wall, |(last, then)| {
            let passed = monotonic.duration_since(then).saturating_mul(2);
            let latest = last.checked_add(passed).unwrap_or(last);
            wall.clamp(last, latest)
        });
        self.last = Some((time, monotonic));
        time
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

    /// The metrics of an object, with what its model has used by the time `at`.
    #[must_use]
    pub fn of(object: &OxenModel, at: Timestamp) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let is_true = |type_| is_true(&status.conditions, type_);
        let activation = status.activations.iter().flatten().next_back();
        // A restored status has the usage of another object until the first reconcile.
        let spender = status.attempts.as_ref().and_then(|it| it.uid.as_ref());
        let restored = spender.is_some_and(|uid| object.metadata.uid.as_ref() != Some(uid));
        let usage = status.usage.as_ref().filter(|_| !restored);
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
            price: usage.and_then(|usage| price_of(&status, usage)),
            usage: usage.map(|usage| used_by(usage, at)),
        }
    }
}

/// The price of an object whose usage is counted. An object that doesn't control its model has no
/// price, so that a sum over all objects has each model once.
fn price_of(status: &OxenModelStatus, usage: &Usage) -> Option<String> {
    let conflict = Verdict::Conflict.presentation().reason;
    let counted = usage.open.is_some() || status.live.and_then(counted).is_none();
    let lost = status.conditions.iter().any(|one| one.reason == conflict);
    price(status.pricing.as_ref()).filter(|_| counted && !lost)
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
            "How long it was not known what the model did, by `namespace` and `name`",
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
    let costs = Family::<ByObject, Counter<f64, AtomicU64>>::default();
    let prices = Family::<ByObject, Gauge<f64, AtomicU64>>::default();
    for object in all {
        if let Some(cost) = object
            .usage
            .as_ref()
            .and_then(|usage| float(usage.cost.as_ref()?))
        {
            costs.get_or_create(&object.object).inc_by(cost);
        }
        if let Some(price) = object.price.as_deref().and_then(float) {
            prices.get_or_create(&object.object).set(price);
        }
    }
    let help = "What the active seconds with a known price have cost, in the hub's currency, by \
                `namespace` and `name`";
    costs.encode(counter(encoder, "oxen_model_cost_total", help)?)?;
    let help = "The price per second while the model is active, in the hub's currency, by \
                `namespace` and `name`";
    let name = "oxen_model_cost_per_second";
    prices.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// The decimal as a float, which is close enough to read. A greater decimal never gives a smaller
/// float.
pub(super) fn float(decimal: &str) -> Option<f64> {
    decimal.parse().ok()
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
    use std::time::Duration;

    use jiff::SignedDuration;
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
    fn only_an_object_that_controls_its_model_has_a_price() {
        for live in ["active", "inactive"] {
            let mut lost = object(live, json!({"activeSeconds": 7}));
            let ready = json!([{
                "type": "Ready",
                "status": "False",
                "reason": "Conflict",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]);
            lost.status.as_mut().unwrap().conditions = serde_json::from_value(ready).unwrap();
            let lost = scraped(&lost, &[]);
            assert!(lost.contains(&"active_seconds_total 7".to_owned()));
            assert!(!lost.iter().any(|line| line.contains("cost")), "{lost:?}");
        }
    }

    #[test]
    fn a_status_of_another_object_has_no_usage() {
        let mut object = object("inactive", json!({"activeSeconds": 7}));
        object.metadata.uid = Some("uid-2".into());
        assert_ne!(scraped(&object, &[]), [""; 0]);
        let attempts = json!({"generation": 1, "uid": "uid-1"});
        let status = object.status.as_mut().unwrap();
        status.attempts = Some(serde_json::from_value(attempts).unwrap());
        assert_eq!(scraped(&object, &[]), [""; 0]);
    }

    #[test]
    fn the_time_of_a_scrape_follows_a_clock_that_jumps() {
        let mut sources = Sources::default();
        let (wall, monotonic) = (Timestamp::UNIX_EPOCH, Instant::now());
        // When the wall clock shows what, and which time the scrape gets.
        for (passed, shown, time) in [
            (0, 0, 0),
            (30, 30, 30),
            // It is a day ahead for half a minute.
            (40, 86_440, 50),
            (70, 86_470, 110),
            (80, 80, 110),
            (110, 110, 110),
            (140, 140, 140),
            // It is set back for good.
            (170, 70, 140),
            (250, 150, 150),
            // It is set ahead for good.
            (310, 310, 270),
            (340, 340, 330),
            (350, 350, 350),
        ] {
            let wall = wall + SignedDuration::from_secs(shown);
            let at = sources.time(wall, monotonic + Duration::from_secs(passed));
            assert_eq!(at.as_second(), time, "{passed}");
        }
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
