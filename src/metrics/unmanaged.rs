//! The metrics of unmanaged models.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, family::Family, gauge::Gauge},
};

use crate::{
    api::{Identity, LiveStatus},
    decide::quote,
};

/// The largest number of models that have a series of their own.
const MOST_SERIES: usize = 100;

/// What the last scan found. All clones share it.
#[derive(Clone, Debug, Default)]
pub struct Unmanaged(Arc<Mutex<Vec<UnmanagedModels>>>);

/// The unmanaged models that one API key sees.
#[derive(Clone, Debug)]
pub struct UnmanagedModels {
    /// The namespace of the Secret that the key comes from; empty for the operator's own key.
    pub namespace: String,
    /// The name of that Secret.
    pub secret: String,
    /// The models, with their live status.
    pub models: Vec<(Identity, LiveStatus)>,
}

/// The Secret that a key comes from.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKey {
    namespace: String,
    secret: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Info {
    namespace: String,
    secret: String,
    owner: String,
    model: String,
    live: String,
}

impl Unmanaged {
    /// Replaces what earlier scans found. Two keys of one Secret are reported together.
    pub fn report(&self, found: Vec<UnmanagedModels>) {
        let mut merged: BTreeMap<(String, String), BTreeMap<Identity, LiveStatus>> =
            BTreeMap::new();
        for by_key in found {
            let models = merged.entry((by_key.namespace, by_key.secret)).or_default();
            models.extend(by_key.models);
        }
        let merged = merged.into_iter();
        let merged = merged.map(|((namespace, secret), models)| UnmanagedModels {
            namespace,
            secret,
            models: models.into_iter().collect(),
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = merged.collect();
    }

    fn found(&self) -> Vec<UnmanagedModels> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Collector for Unmanaged {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let found = self.found();
        encode_counts(&found, &mut encoder)?;
        encode_info(&found, &mut encoder)
    }
}

fn encode_counts(found: &[UnmanagedModels], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let family = Family::<ByKey, Gauge>::default();
    for by_key in found {
        let labels = ByKey {
            namespace: by_key.namespace.clone(),
            secret: by_key.secret.clone(),
        };
        let count = i64::try_from(by_key.models.len()).unwrap_or(i64::MAX);
        family.get_or_create(&labels).set(count);
    }
    let help = "Custom models that are on and in no OxenModel, by the `namespace` and the `secret` \
                of the API key that sees them; both labels are empty for the operator's own key";
    let name = "oxen_hub_unmanaged_models";
    family.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn encode_info(found: &[UnmanagedModels], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // Each key has a series before any key has its second one.
    let longest = found.iter().map(|by_key| by_key.models.len()).max();
    let all = (0..longest.unwrap_or(0)).flat_map(|rank| {
        found.iter().filter_map(move |by_key| {
            let (identity, live) = by_key.models.get(rank)?;
            Some(Info {
                namespace: by_key.namespace.clone(),
                secret: by_key.secret.clone(),
                owner: quote(&identity.owner),
                model: quote(&identity.id),
                live: live.to_string(),
            })
        })
    });
    let family = Family::<Info, Gauge>::default();
    for labels in all.take(MOST_SERIES) {
        family.get_or_create(&labels).set(1);
    }
    let help = "1 for each of up to 100 custom models that are on and in no OxenModel, with \
                `namespace` and `secret` of the API key, `owner`, `model` and `live`";
    let name = "oxen_hub_unmanaged_model_info";
    family.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    fn by_key(secret: &str, count: usize) -> UnmanagedModels {
        let model = |number| Identity {
            id: format!("model-{number}"),
            owner: "acme".into(),
        };
        UnmanagedModels {
            namespace: "team".into(),
            secret: secret.into(),
            models: (0..count)
                .map(|number| (model(number), LiveStatus::Active))
                .collect(),
        }
    }

    fn text(found: Vec<UnmanagedModels>) -> String {
        let unmanaged = Unmanaged::default();
        unmanaged.report(found);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(unmanaged));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn each_key_has_a_count_and_each_model_has_a_series() {
        let text = text(vec![by_key("a", 1), by_key("a", 2), by_key("b", 0)]);
        for line in [
            r#"oxen_hub_unmanaged_models{namespace="team",secret="a"} 2"#,
            r#"oxen_hub_unmanaged_models{namespace="team",secret="b"} 0"#,
            r#"oxen_hub_unmanaged_model_info{namespace="team",secret="a",owner="acme",model="model-0",live="active"} 1"#,
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }

    #[test]
    fn the_series_of_models_are_limited_and_the_count_is_not() {
        let text = text(vec![by_key("a", 150), by_key("b", 1)]);
        let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(series("oxen_hub_unmanaged_model_info{"), MOST_SERIES);
        assert!(text.contains(r#"secret="a"} 150"#), "{text}");
        assert!(text.contains(r#"secret="b",owner="acme""#), "{text}");
    }
}
