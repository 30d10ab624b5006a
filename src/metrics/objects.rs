//! The metrics of each object. They are made from the watched objects at each scrape, so they end
//! with their object.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, family::Family, gauge::Gauge},
};

use crate::{
    api::{Declared, OxenModel, State},
    decide::{DELETION_BLOCKED, READY, STALLED, Verdict, headline, is_true},
};

type Source = Box<dyn Fn() -> Vec<ObjectMetrics> + Send + Sync>;

/// The sources of the objects' metrics. All clones share them.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<Vec<Source>>>);

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
    /// Adds a source of objects.
    pub fn add_source(&self, source: impl Fn() -> Vec<ObjectMetrics> + Send + Sync + 'static) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(Box::new(source));
    }

    fn all(&self) -> Vec<ObjectMetrics> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().flat_map(|source| source()).collect()
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

impl From<&OxenModel> for ObjectMetrics {
    fn from(object: &OxenModel) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let is_true = |type_| is_true(&status.conditions, type_);
        let activation = status.activations.iter().flatten().next_back();
        Self {
            object: ByObject::of(&object.metadata),
            desired: desired(object, status.desired),
            live: status.live.map_or_else(String::new, |it| it.to_string()),
            reason: headline(&status.conditions).unwrap_or_default().into(),
            since: status.since.map(|since| since.0.as_second()),
            until: status.until.map(|until| until.0.as_second()),
            overridden: status.override_in_force.map(|it| it.state),
            activation: activation.copied().map(i64::from),
            ready: is_true(READY),
            stalled: is_true(STALLED),
            blocked: is_true(DELETION_BLOCKED),
        }
    }
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
        let all = self.all();
        let info = Family::<Info, Gauge>::default();
        for object in &all {
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
        info.encode(encoder.encode_descriptor(
            "oxen_model_info",
            help,
            None,
            MetricType::Gauge,
        )?)?;
        let overrides = Family::<Overridden, Gauge>::default();
        for object in &all {
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
        )?)?;
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
            for object in &all {
                if let Some(value) = value(object) {
                    family.get_or_create(&object.object).set(value);
                }
            }
            family.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Objects")
    }
}
