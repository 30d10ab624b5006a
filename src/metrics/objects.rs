//! One series an object, made from the watched objects when somebody asks: it is gone with its object.

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
    api::OxenModel,
    decide::{HOW_TO_LET_GO, Verdict, headline},
};

type Source = Box<dyn Fn() -> Vec<Shown> + Send + Sync>;

/// Where the series come from; clones are one.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<Vec<Source>>>);

/// What an object's series show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    object: ByObject,
    desired: String,
    deployment: String,
    reason: String,
    since: Option<i64>,
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
    deployment: String,
    reason: String,
}

impl Objects {
    /// Shows these objects too, from now on.
    pub fn show(&self, source: impl Fn() -> Vec<Shown> + Send + Sync + 'static) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(Box::new(source));
    }

    fn all(&self) -> Vec<Shown> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().flat_map(|source| source()).collect()
    }
}

impl Shown {
    /// An object that can't be decoded.
    #[must_use]
    pub fn undecodable(metadata: &ObjectMeta) -> Self {
        Self {
            object: ByObject::of(metadata),
            reason: Verdict::InvalidSpec.row().reason.into(),
            stalled: true,
            ..Self::default()
        }
    }
}

impl From<&OxenModel> for Shown {
    fn from(object: &OxenModel) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let condition = |type_: &str| status.conditions.iter().find(|one| one.type_ == type_);
        let is_true = |type_: &str| condition(type_).is_some_and(|one| one.status == "True");
        let waits = condition("Ready").is_some_and(|ready| ready.message.ends_with(HOW_TO_LET_GO));
        Self {
            object: ByObject::of(&object.metadata),
            desired: status.desired.unwrap_or(object.spec.state).to_string(),
            deployment: status
                .deployment
                .map_or_else(String::new, |it| it.to_string()),
            reason: headline(&status.conditions).unwrap_or_default().into(),
            since: status.since.map(|since| since.0.as_second()),
            ready: is_true("Ready"),
            stalled: is_true("Stalled"),
            blocked: waits && object.metadata.deletion_timestamp.is_some(),
        }
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
        for shown in &all {
            let Shown {
                object,
                desired,
                deployment,
                reason,
                ..
            } = shown.clone();
            let labels = Info {
                namespace: object.namespace,
                name: object.name,
                desired,
                deployment,
                reason,
            };
            info.get_or_create(&labels).set(1);
        }
        let help = "What is wanted of a model, what was seen of it, and the reason that it shows";
        info.encode(encoder.encode_descriptor(
            "oxen_model_info",
            help,
            None,
            MetricType::Gauge,
        )?)?;
        type Value = fn(&Shown) -> Option<i64>;
        let series: [(&str, &str, Value); 4] = [
            (
                "oxen_model_since_seconds",
                "When the model's deployment last changed, in seconds since 1970",
                |shown| shown.since,
            ),
            (
                "oxen_model_ready",
                "1 where the model is as declared",
                |shown| Some(shown.ready.into()),
            ),
            (
                "oxen_model_stalled",
                "1 where a person or a change is needed",
                |shown| Some(shown.stalled.into()),
            ),
            (
                "oxen_model_deletion_blocked",
                "1 where the deletion waits for a person or the hub",
                |shown| Some(shown.blocked.into()),
            ),
        ];
        for (name, help, value) in series {
            let family = Family::<ByObject, Gauge>::default();
            for shown in &all {
                if let Some(value) = value(shown) {
                    family.get_or_create(&shown.object).set(value);
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
