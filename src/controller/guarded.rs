//! An object of the watch that this version may be unable to decode. One such object must not stop
//! the others. So its fields are read one by one from the watch's own copy, as far as they can be
//! decoded.

use std::{borrow::Cow, fmt::Display, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube::Resource;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::{Value, value::RawValue};

use crate::{
    api::{
        Declared, DeletionPolicy, LiveStatus, ModelStatus, Operation, OperationKind, OxenModel,
        OxenModelSpec, OxenModelStatus,
    },
    decide::{Claimant, Rules},
};

/// An object, as far as this version can decode it.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    /// The object. A field that can't be decoded is absent here, or has the value that leads to the
    /// fewest changes.
    pub(super) object: Arc<OxenModel>,
    /// What can't be decoded, or `None` for an object that can be decoded as a whole.
    pub(super) unreadable: Option<Arc<Unreadable>>,
}

/// What can't be decoded of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The first field that can't be decoded, and why.
    pub(super) problem: String,
    /// Whether all fields could be read that decide what a deletion does to the model.
    pub(super) deletable: bool,
    model: bool,
    identity: bool,
}

impl Guarded {
    /// The object's UID.
    pub(super) fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The version of the object.
    pub(super) fn version(&self) -> Option<&str> {
        self.object.metadata.resource_version.as_deref()
    }

    /// Decodes an object from JSON.
    ///
    /// # Errors
    ///
    /// The text is no JSON, or its metadata can't be decoded.
    pub(super) fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        match serde_json::from_str(text) {
            Ok(object) => Ok(Self {
                object: Arc::new(object),
                unreadable: None,
            }),
            Err(error) => Self::read(&serde_json::from_str(text)?, &error),
        }
    }

    /// Reads what can be read of an object that can't be decoded as a whole.
    fn read(raw: &Value, error: &impl Display) -> Result<Self, serde_json::Error> {
        let metadata = raw.get("metadata").cloned().unwrap_or_default();
        let metadata: ObjectMeta = serde_json::from_value(metadata)?;
        let (spec, status) = (Spec::read(raw.get("spec")), Status::read(raw.get("status")));
        let unreadable = Unreadable {
            problem: problem(raw).unwrap_or_else(|| error.to_string()),
            deletable: spec.deletable && status.deletable,
            model: !spec.spec.model.is_empty(),
            identity: status.identity,
        };
        let object = OxenModel {
            metadata,
            spec: spec.spec,
            status: status.status,
        };
        Ok(Self {
            object: Arc::new(object),
            unreadable: Some(Arc::new(unreadable)),
        })
    }
}

/// An object as a claimant of a hub model. `known` is the claimant that it was before. A field that
/// can't be read keeps its earlier value, so that a typo doesn't give the model to another object.
pub(super) fn claimant(
    object: &OxenModel,
    unreadable: Option<&Unreadable>,
    rules: &Rules,
    known: Option<&Claimant>,
) -> Claimant {
    let mut claimant = Claimant::of(object, rules);
    let Some(unreadable) = unreadable else {
        return claimant;
    };
    // The deletion then waits for a person.
    claimant.deactivates &= unreadable.deletable;
    if let Some(known) = known.filter(|_| !unreadable.model) {
        claimant.model.clone_from(&known.model);
    }
    if !unreadable.identity {
        claimant.identity = known.and_then(|known| known.identity.clone());
        claimant.base = known.is_some_and(|known| known.base);
        // Without an identity, the object claims the model that it names.
        claimant.observed &= claimant.identity.is_some();
    }
    claimant
}

impl<'de> Deserialize<'de> for Guarded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text is kept until it is decoded. A `Value` of each object would cost several times
        // as much as the object.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_text(raw.get()).map_err(D::Error::custom)
    }
}

impl Resource for Guarded {
    type DynamicType = ();
    type Scope = <OxenModel as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        OxenModel::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        OxenModel::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        OxenModel::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        OxenModel::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.object.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        Arc::make_mut(&mut self.object).meta_mut()
    }
}

/// A field of a JSON object. A field that is null is absent.
enum Field<T> {
    Absent,
    Read(T),
    Unreadable,
}

impl<T: DeserializeOwned> Field<T> {
    fn of(parent: &Value, name: &str) -> Self {
        match parent.get(name).filter(|value| !value.is_null()) {
            None => Self::Absent,
            Some(value) => match T::deserialize(value) {
                Ok(read) => Self::Read(read),
                Err(_) => Self::Unreadable,
            },
        }
    }

    /// The field, if it is present and can be read.
    fn ok(self) -> Option<T> {
        match self {
            Self::Read(read) => Some(read),
            Self::Absent | Self::Unreadable => None,
        }
    }

    /// Reads the field, and sets `readable` to false if it can't be read.
    fn noting(self, readable: &mut bool) -> Self {
        *readable &= !matches!(self, Self::Unreadable);
        self
    }
}

/// What could be read of a spec.
struct Spec {
    spec: OxenModelSpec,
    deletable: bool,
}

impl Spec {
    fn read(raw: Option<&Value>) -> Self {
        let raw = raw.unwrap_or(&Value::Null);
        let mut deletable = raw.is_object();
        let model = Field::<String>::of(raw, "model").ok().unwrap_or_default();
        deletable &= !model.is_empty();
        let policy = Field::<String>::of(raw, "deletionPolicy").noting(&mut deletable);
        let deletion_policy = match policy {
            Field::Absent => None,
            Field::Read(word) => Some(policy_of(&word).unwrap_or_else(|| {
                deletable = false;
                DeletionPolicy::Deactivate
            })),
            // The operator's default policy could be the one that releases the object.
            Field::Unreadable => Some(DeletionPolicy::Deactivate),
        };
        let spec = OxenModelSpec {
            model,
            state: Field::of(raw, "state").ok().unwrap_or(Declared::Inactive),
            schedule: Field::of(raw, "schedule").ok(),
            deletion_policy,
            suspend: Field::of(raw, "suspend").noting(&mut deletable).ok(),
            api_key_secret_ref: Field::of(raw, "apiKeySecretRef")
                .noting(&mut deletable)
                .ok(),
            sync_interval: Field::of(raw, "syncInterval").ok(),
            progress_deadline: Field::of(raw, "progressDeadline").ok(),
            idle_shutdown: Field::of(raw, "idleShutdown").ok(),
        };
        Self { spec, deletable }
    }
}

fn policy_of(word: &str) -> Option<DeletionPolicy> {
    [DeletionPolicy::Deactivate, DeletionPolicy::Retain]
        .into_iter()
        .find(|policy| policy.to_string().eq_ignore_ascii_case(word.trim()))
}

/// What could be read of a status.
struct Status {
    status: Option<OxenModelStatus>,
    deletable: bool,
    /// Whether the model's identity could be read, or is known to be absent.
    identity: bool,
}

impl Status {
    fn read(raw: Option<&Value>) -> Self {
        let raw = raw.unwrap_or(&Value::Null);
        if !raw.is_object() {
            let absent = raw.is_null();
            return Self {
                status: None,
                deletable: absent,
                identity: absent,
            };
        }
        let (mut identity, mut operation) = (true, true);
        let model = raw.get("model").filter(|model| !model.is_null());
        let model = model.and_then(|raw| {
            let model = model_of(raw);
            identity = model.is_some();
            model
        });
        let live = match Field::of(raw, "live") {
            // A word that can't be read differs from the next observation's.
            Field::Unreadable => Some(LiveStatus::Unknown),
            field @ (Field::Absent | Field::Read(_)) => field.ok(),
        };
        let open = raw.get("operation").filter(|open| !open.is_null());
        let conditions = raw.get("conditions").and_then(Value::as_array);
        let conditions = conditions.into_iter().flatten();
        let status = OxenModelStatus {
            observed_generation: Field::of(raw, "observedGeneration").ok().unwrap_or(-1),
            desired: Field::of(raw, "desired").ok(),
            until: Field::of(raw, "until").ok(),
            override_in_force: Field::of(raw, "override").ok(),
            refused_override: Field::of(raw, "refusedOverride").ok(),
            handled_override: Field::of(raw, "handledOverride").ok(),
            live,
            since: Field::of(raw, "since").ok(),
            progressing_since: Field::of(raw, "progressingSince").ok(),
            model,
            other_model: Field::of(raw, "otherModel").ok(),
            pricing: Field::of(raw, "pricing").ok(),
            operation: open.map(|open| operation_of(open, &mut operation)),
            attempts: Field::of(raw, "attempts").ok(),
            activations: Field::of(raw, "activations").ok(),
            warm_up: Field::of(raw, "warmUp").ok(),
            conditions: conditions
                .filter_map(|one| Condition::deserialize(one).ok())
                .collect(),
            last_handled_reconcile_at: Field::of(raw, "lastHandledReconcileAt").ok(),
            usage: Field::of(raw, "usage").ok(),
        };
        Self {
            status: Some(status),
            deletable: identity && operation,
            identity,
        }
    }
}

/// The model. Only its identity is needed.
fn model_of(raw: &Value) -> Option<ModelStatus> {
    let text = |name: &str| Field::<String>::of(raw, name).ok();
    Some(ModelStatus {
        id: text("id")?,
        owner: text("owner")?,
        display_name: text("displayName"),
        type_: text("type"),
        endpoint: text("endpoint"),
        source_model: text("sourceModel"),
        url: text("url"),
    })
}

/// The open operation. Other objects of the model wait for it even if nothing of it can be read.
/// `readable` becomes false if the operation's kind can't be read.
fn operation_of(raw: &Value, readable: &mut bool) -> Operation {
    let kind = Field::of(raw, "kind").ok();
    *readable &= kind.is_some();
    Operation {
        id: Field::of(raw, "id").ok().unwrap_or_default(),
        kind: kind.unwrap_or(OperationKind::Deactivate),
        from: Field::of(raw, "from").ok().unwrap_or(LiveStatus::Unknown),
        started: Field::of(raw, "started")
            .ok()
            .unwrap_or(Time(Timestamp::UNIX_EPOCH)),
        accepted: Field::of(raw, "accepted").ok(),
    }
}

/// The first field that can't be decoded, and why.
fn problem(raw: &Value) -> Option<String> {
    if raw.get("spec").is_none_or(Value::is_null) {
        return Some("spec: missing field".into());
    }
    unreadable::<OxenModelSpec>(raw, "spec")
        .or_else(|| unreadable::<Option<OxenModelStatus>>(raw, "status"))
}

/// The first field in a part of an object that can't be decoded, and why.
pub(super) fn unreadable<T: DeserializeOwned>(raw: &Value, part: &str) -> Option<String> {
    let value = raw.get(part)?;
    let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
    Some(match error.path().to_string().as_str() {
        "." => format!("{part}: {}", error.inner()),
        path => format!("{part}.{path}: {}", error.inner()),
    })
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use serde_json::json;

    use super::*;
    use crate::api::Identity;

    fn object(spec: Value, status: Value) -> Value {
        json!({
            "apiVersion": "oxen.ai/v1alpha1",
            "kind": "OxenModel",
            "metadata": {
                "name": "bot",
                "namespace": "team",
                "uid": "u",
                "resourceVersion": "7",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "finalizers": ["oxen.ai/deactivate"],
            },
            "spec": spec,
            "status": status,
        })
    }

    fn guarded(spec: Value, status: Value) -> Guarded {
        serde_json::from_value(object(spec, status)).unwrap()
    }

    fn spec() -> Value {
        json!({"model": "bot", "state": "active"})
    }

    fn with(mut base: Value, field: &str, value: Value) -> Value {
        base[field] = value;
        base
    }

    fn status() -> Value {
        json!({
            "observedGeneration": 1,
            "live": "active",
            "model": {"id": "bot", "owner": "acme", "type": "custom"},
            "operation": {"id": "op", "kind": "deactivate", "from": "active",
                          "started": "2026-01-01T00:00:00Z"},
            "conditions": [],
        })
    }

    fn claimant(guarded: &Guarded, known: Option<&Claimant>) -> Claimant {
        let unreadable = guarded.unreadable.as_deref();
        super::claimant(&guarded.object, unreadable, &Rules::default(), known)
    }

    #[test]
    fn a_sound_object_is_decoded_as_a_whole() {
        let sound = guarded(spec(), status());
        assert_eq!(sound.unreadable, None);
        let typed: OxenModel = serde_json::from_value(object(spec(), status())).unwrap();
        assert_eq!(*sound.object, typed);
        assert_eq!(
            claimant(&sound, None),
            Claimant::of(&typed, &Rules::default())
        );
    }

    #[test]
    fn a_missing_spec_is_named_without_its_place_in_the_text() {
        let absent = object(spec(), status());
        let absent = json!({"metadata": absent["metadata"]});
        let absent: Guarded = serde_json::from_value(absent).unwrap();
        for odd in [guarded(Value::Null, status()), absent] {
            assert_eq!(odd.unreadable.unwrap().problem, "spec: missing field");
        }
    }

    #[test]
    fn an_unreadable_field_costs_only_itself() {
        let odd = guarded(with(spec(), "syncInterval", json!("soon")), status());
        let unreadable = odd.unreadable.clone().unwrap();
        assert!(
            unreadable.problem.starts_with("spec.syncInterval: "),
            "{unreadable:?}"
        );
        assert!(unreadable.deletable);
        let sound = guarded(spec(), status());
        assert_eq!(odd.object, sound.object);
        assert_eq!(claimant(&odd, None), claimant(&sound, None));
        assert_eq!(odd.object.metadata.resource_version.as_deref(), Some("7"));
    }

    #[test]
    fn an_operation_is_kept_open_for_others_whatever_of_it_can_be_read() {
        for (operation, id, deletable) in [
            (
                json!({"id": "op", "kind": "activate", "from": "resting"}),
                "op",
                true,
            ),
            (json!({"id": "op", "kind": "restart"}), "op", false),
            (json!({"kind": "activate", "id": 7}), "", true),
            (json!("open"), "", false),
        ] {
            let odd = guarded(spec(), with(status(), "operation", operation));
            assert_eq!(claimant(&odd, None).open.as_deref(), Some(id));
            assert_eq!(odd.unreadable.unwrap().deletable, deletable);
        }
        let closed = with(status(), "operation", Value::Null);
        let closed = guarded(with(spec(), "state", json!("paused")), closed);
        assert_eq!(claimant(&closed, None).open, None);
    }

    #[test]
    fn what_decides_a_deletion_is_not_guessed() {
        for (field, value, deletable) in [
            ("state", json!("paused"), true),
            ("schedule", json!({"timeZone": "Mars/Olympus"}), true),
            ("progressDeadline", json!(7), true),
            ("deletionPolicy", json!("Orphan"), false),
            ("deletionPolicy", json!(7), false),
            ("suspend", json!("yes"), false),
            ("apiKeySecretRef", json!("key"), false),
            ("model", json!(7), false),
            ("model", Value::Null, false),
        ] {
            let odd = guarded(with(spec(), field, value.clone()), status());
            let unreadable = odd.unreadable.clone().unwrap();
            assert_eq!(unreadable.deletable, deletable, "{field}: {value}");
            let claimant = claimant(&odd, None);
            assert_eq!(claimant.deactivates, deletable, "{field}: {value}");
        }
        let spelled = with(spec(), "deletionPolicy", json!("retain"));
        let retain = guarded(spelled, status());
        assert_eq!(
            retain.object.spec.deletion_policy,
            Some(DeletionPolicy::Retain)
        );
        assert!(!claimant(&retain, None).deactivates);
        // The default could release the object.
        let orphan = guarded(with(spec(), "deletionPolicy", json!("Orphan")), status());
        let policy = orphan.object.spec.deletion_policy;
        assert_eq!(policy, Some(DeletionPolicy::Deactivate));

        for (field, value, deletable) in [
            ("live", json!("resting"), true),
            ("pricing", json!("free"), true),
            ("attempts", json!("many"), true),
            (
                "model",
                json!({"id": "bot", "owner": "acme", "url": 7}),
                true,
            ),
            ("model", json!({"id": "bot"}), false),
        ] {
            let odd = guarded(spec(), with(status(), field, value.clone()));
            let unreadable = odd.unreadable.unwrap();
            assert!(unreadable.problem.starts_with("status."), "{unreadable:?}");
            assert_eq!(unreadable.deletable, deletable, "{field}: {value}");
        }
        let resting = guarded(spec(), with(status(), "live", json!("resting")));
        let live = resting.object.status.as_ref().and_then(|it| it.live);
        assert_eq!(
            live,
            Some(LiveStatus::Unknown),
            "an inactive model is a surprise then"
        );
    }

    #[test]
    fn what_can_be_learned_again_may_be_unreadable() {
        for (field, values) in [
            (
                "warmUp",
                [json!("soon"), json!(-7), json!("99999999999999999999h")],
            ),
            (
                "activations",
                [json!("many"), json!([120, -1]), json!([1e30])],
            ),
        ] {
            for value in values {
                let odd = guarded(spec(), with(status(), field, value.clone()));
                assert_eq!(odd.unreadable, None, "{field}: {value}");
                assert_eq!(odd.object, guarded(spec(), status()).object);
                // Another field is unreadable.
                let broken = with(status(), field, value);
                let odd = guarded(with(spec(), "syncInterval", json!("soon")), broken);
                assert_eq!(odd.object, guarded(spec(), status()).object);
            }
        }
    }

    #[test]
    fn an_object_keeps_what_can_no_longer_be_read() {
        let sound = claimant(&guarded(spec(), status()), None);
        let nameless = guarded(json!({"state": "active"}), status());
        assert_eq!(&*claimant(&nameless, None).model, "");
        assert_eq!(&*claimant(&nameless, Some(&sound)).model, "bot");
        let identity = Arc::new(Identity {
            id: "bot".into(),
            owner: "acme".into(),
        });
        for status in [json!("gone"), with(status(), "model", json!("bot"))] {
            let odd = guarded(spec(), status);
            let unknown = claimant(&odd, None);
            assert_eq!((unknown.identity, unknown.observed), (None, false));
            assert_eq!(
                claimant(&odd, Some(&sound)).identity,
                Some(identity.clone())
            );
        }
        // A status that was cleared has no identity.
        let odd = guarded(with(spec(), "state", json!("paused")), Value::Null);
        assert_eq!(claimant(&odd, Some(&sound)).identity, None);
        assert!(odd.unreadable.unwrap().deletable);
    }

    #[test]
    fn one_odd_object_leaves_the_list_whole() {
        let odd = object(json!("a string"), json!([1]));
        let list = json!([odd, object(spec(), status()), {"metadata": {"name": "bare"}}]);
        let list: Vec<Guarded> = serde_json::from_value(list).unwrap();
        let names: Vec<String> = list.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["bot", "bot", "bare"]);
        let readable: Vec<bool> = list.iter().map(|it| it.unreadable.is_none()).collect();
        assert_eq!(readable, [false, true, false]);
    }
}
