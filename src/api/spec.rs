//! The spec: what a person declares.

use std::fmt;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    names::{DEFAULT_SECRET, FINALIZER, RECONCILE_ANNOTATION, SHORTEST_SYNC_INTERVAL},
    schedule::Schedule,
    secret::SecretKeyRef,
    span::{SPAN, Span},
    state::Declared,
    status::OxenModelStatus,
};

const NO_SCHEDULE: &str = "state: scheduled needs a schedule: add schedule: {timeZone: \
                           Europe/Berlin, active: [\"Mon-Fri 08:00-18:00\"]}";
const UNUSED_SCHEDULE: &str = "state: active is always on, so the schedule would do nothing: write \
                               state: scheduled, or take schedule out";

/// One model of Oxen.ai and the state that it should be in.
#[allow(clippy::duplicated_attributes)] // the columns' types and priorities
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "oxen.ai",
    version = "v1alpha1",
    kind = "OxenModel",
    namespaced,
    shortname = "oxm",
    category = "oxen",
    status = "OxenModelStatus",
    derive = "PartialEq",
    doc = "An OxenModel turns one custom model deployment of Oxen.ai on or off. An active deployment bills by the second and answers requests; an inactive one does neither.",
    selectable = ".spec.state",
    selectable = ".spec.model",
    printcolumn(name = "Desired", type_ = "string", json_path = ".status.desired"),
    printcolumn(name = "Until", type_ = "string", json_path = ".status.until"),
    printcolumn(name = "Live", type_ = "string", json_path = ".status.live"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Model",
        type_ = "string",
        json_path = ".spec.model",
        priority = 1
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.model.endpoint",
        priority = 1
    ),
    printcolumn(
        name = "Override",
        type_ = "string",
        json_path = ".status.override.value",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new("self.state != 'scheduled' || has(self.schedule)")
        .field_path(".schedule")
        .message(NO_SCHEDULE),
    validation = Rule::new("self.state != 'active' || !has(self.schedule)")
        .field_path(".schedule")
        .message(UNUSED_SCHEDULE)
)]
#[serde(rename_all = "camelCase")]
pub struct OxenModelSpec {
    /// The hub's model name or UUID, as `GET /api/ai/models` lists it. Example: `support-bot-v2`.
    /// It can't be changed: create another OxenModel instead.
    #[x_kube(
        validation = Rule::new("self.size() > 0")
            .message("model must not be empty: write the hub's model name, such as support-bot-v2"),
        validation = Rule::new(r"!self.matches('[\\s\\p{Z}\\p{C}?#%]')").message(
            "model must not contain white space, control characters, '?', '#' or '%': write the name as the hub lists it, not as it appears in a URL"
        ),
        validation = Rule::new("self != '.' && self != '..'")
            .message("model must not be '.' or '..': write the hub's model name, such as support-bot-v2"),
        validation = Rule::new("!(self in ['favorites', 'featured', 'search'])").message(
            "model must not be favorites, featured or search, which are the hub's own words: write the model's UUID"
        ),
        validation = Rule::new("self == oldSelf")
            .message("model can't be changed: delete this OxenModel and create another")
    )]
    #[schemars(length(max = 253))]
    pub model: String,

    /// The desired state: `active` (answers requests and bills by the second), `inactive`
    /// (neither), or `scheduled` (active in the windows of `schedule`, and inactive otherwise).
    /// Example: `active`.
    pub state: Declared,

    /// When a scheduled model is active. `state: scheduled` needs it, `state: active` refuses it,
    /// and `state: inactive` leaves it for later. Example: `{timeZone: Europe/Berlin, active:
    /// ["Mon-Fri 08:00-18:00"]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,

    // The schema shows the enum's own description here.
    /// What deleting this object does: `Deactivate`, `Retain`, or the operator's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// `true` keeps observing and reporting the model, but sends no activate or deactivate call,
    /// and deleting the object leaves the model as it is. Use it to adopt a model, to try out a
    /// change, or to freeze a model. Example: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The Secret of this namespace that holds the API key. Unset: the operator's own key where
    /// this namespace may use it, and the Secret `oxen-api-key` otherwise. Example: `{name:
    /// team-key, key: api-key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<SecretKeyRef>,

    /// How often a settled model is polled; at least `30s`. Unset: the operator's default, which is
    /// `5m` unless it is configured otherwise. Example: `10m`.
    #[x_kube(
        validation = Rule::new(format!("self.matches(r'{SPAN}')"))
            .message("syncInterval must be a duration such as 30s, 5m or 1h30m"),
        validation = Rule::new(format!(
            "!self.matches(r'{SPAN}') || duration(self) >= duration('30s')"
        ))
        .message("syncInterval must be at least 30s")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<Span>,

    /// How long a transition may take before the object is Stalled. Unset: the operator's default,
    /// which is `30m` unless it is configured otherwise. Example: `1h`.
    #[x_kube(
        validation = Rule::new(format!("self.matches(r'{SPAN}')"))
            .message("progressDeadline must be a duration such as 10m, 30m or 1h30m"),
        validation = Rule::new(format!(
            "!self.matches(r'{SPAN}') || duration(self) > duration('0s')"
        ))
        .message("progressDeadline must be more than 0s")
    )]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,

    // The schema shows the enum's own description here.
    /// What follows when the hub turns an idle model off: `Reactivate` or `Allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_shutdown: Option<IdleShutdown>,
}

impl OxenModelSpec {
    /// Checks the spec against this version's schema. The API server does so at `kubectl apply`.
    /// This check is for an object that was stored under another schema and can still be decoded.
    ///
    /// # Errors
    ///
    /// Names the first invalid field and what to write instead, as `field: fix`.
    pub fn check(&self) -> Result<(), String> {
        self.check_model()?;
        self.check_schedule()?;
        if self
            .sync_interval
            .is_some_and(|span| span.0 < SHORTEST_SYNC_INTERVAL)
        {
            return Err("spec.syncInterval: must be at least 30s".into());
        }
        if self.progress_deadline.is_some_and(|span| span.0.is_zero()) {
            return Err("spec.progressDeadline: must be more than 0s".into());
        }
        self.api_key_secret_ref
            .as_ref()
            .map_or(Ok(()), SecretKeyRef::check)
    }

    /// Checks `spec.model`, without which the hub can't be asked at all.
    ///
    /// # Errors
    ///
    /// Says what to write instead, as `spec.model: fix`.
    pub fn check_model(&self) -> Result<(), String> {
        let model = self.model.as_str();
        let bad = |c: char| c.is_whitespace() || c.is_control() || "?#%".contains(c);
        if model.is_empty() || model == "." || model == ".." {
            return Err("spec.model: write the hub's model name, such as support-bot-v2".into());
        }
        if ["favorites", "featured", "search"].contains(&model) {
            return Err(
                "spec.model: favorites, featured and search are the hub's own words; write the \
                 model's UUID"
                    .into(),
            );
        }
        if model.contains(bad) {
            return Err(
                "spec.model: contains white space, a control character, '?', '#' or '%'; \
                 write the name as the hub lists it"
                    .into(),
            );
        }
        if model.contains(is_invisible) {
            return Err(
                "spec.model: contains an invisible character; write the model's UUID".into(),
            );
        }
        if model.chars().count() > 253 {
            return Err(
                "spec.model: longer than 253 characters; write the name as the hub lists it".into(),
            );
        }
        Ok(())
    }

    fn check_schedule(&self) -> Result<(), String> {
        match (self.state, &self.schedule) {
            (Declared::Scheduled, None) => Err(format!("spec.schedule: {NO_SCHEDULE}")),
            (Declared::Active, Some(_)) => Err(format!("spec.schedule: {UNUSED_SCHEDULE}")),
            (Declared::Scheduled | Declared::Inactive, Some(schedule)) => schedule.check(),
            (Declared::Active | Declared::Inactive, None) => Ok(()),
        }
    }
}

/// Returns true for a character that is not seen: one of the Unicode categories Cf and Co, which
/// the CRD's rule refuses as `\p{C}` together with the control characters, and U+FFFE and U+FFFF,
/// which YAML can't hold. Whether the API server refuses a character that is not assigned depends
/// on its version, so these are not refused here.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}'
        | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
        | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}')
}

impl OxenModel {
    /// Returns true when the operator's finalizer holds this object's deletion.
    #[must_use]
    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|one| one == FINALIZER)
    }

    /// The name of the Secret that the object's API key comes from, unless it uses the operator's
    /// own key.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        let named = self.spec.api_key_secret_ref.as_ref();
        named.map_or(DEFAULT_SECRET, |named| named.name.as_str())
    }

    /// The value of the reconcile annotation, until a reconcile has answered it.
    #[must_use]
    pub fn requested_reconcile(&self) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        let requested = annotations.get(RECONCILE_ANNOTATION)?;
        let status = self.status.as_ref();
        let handled = status.and_then(|status| status.last_handled_reconcile_at.as_ref());
        (handled != Some(requested)).then_some(requested.as_str())
    }
}

/// What deleting this object does: `Deactivate` turns the model off first, `Retain` leaves it as it
/// is. Unset: the operator's default, which is `Deactivate` unless it is configured otherwise.
/// Example: `Retain`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[schemars(inline)]
#[value(rename_all = "PascalCase")]
pub enum DeletionPolicy {
    /// Turn the model off first. Billing stops, and applying the manifest again turns it back on.
    Deactivate,
    /// Leave the model as it is.
    Retain,
}

/// What follows when the hub turns an active model off because it had no requests for about 15
/// minutes. `Reactivate` turns it on again, so that `active` means kept on. `Allow` leaves it off
/// until the spec changes, a reconcile is requested, or a request wakes the model. Unset:
/// `Reactivate`. Example: `Allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum IdleShutdown {
    /// Turn the model on again.
    Reactivate,
    /// Leave the model off.
    Allow,
}

impl fmt::Display for DeletionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_of_another_schema_gets_the_field_and_the_fix() {
        let spec = |model: &str| OxenModelSpec {
            model: model.into(),
            state: Declared::Active,
            schedule: None,
            deletion_policy: None,
            suspend: None,
            api_key_secret_ref: None,
            sync_interval: None,
            progress_deadline: None,
            idle_shutdown: None,
        };
        let long = "m".repeat(253);
        for good in [
            "support-bot-v2",
            "acme/bot",
            "模型",
            "acme/search",
            "searches",
            // Marks that take no cell of their own, but are parts of a word.
            "e\u{301}",
            "葛\u{e0100}",
            &long,
        ] {
            assert_eq!(spec(good).check(), Ok(()));
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a\tb",
            "a?b",
            "a#b",
            "a%b",
            "a\u{ad}b",
            "a\u{200b}b",
            "a\u{202e}b",
            "a\u{2060}b",
            "a\u{feff}b",
            "a\u{e000}b",
            "a\u{e0041}b",
            "a\u{10fffd}b",
            "a\u{ffff}b",
            "favorites",
            "featured",
            "search",
            &"m".repeat(254),
        ] {
            let problem = spec(bad).check().unwrap_err();
            assert!(problem.starts_with("spec.model:"), "{bad:?}: {problem}");
        }
        let mut frequent = spec("m");
        frequent.sync_interval = "5s".parse().ok();
        assert!(frequent.check().unwrap_err().contains("at least 30s"));
    }

    #[test]
    fn a_scheduled_model_has_a_schedule_and_an_active_one_has_none() {
        let schedule = serde_json::json!({"timeZone": "UTC", "active": ["08:00-18:00"]});
        for (state, scheduled, problem) in [
            ("active", false, None),
            ("active", true, Some("state: active is always on")),
            ("inactive", false, None),
            ("inactive", true, None),
            (
                "scheduled",
                false,
                Some("state: scheduled needs a schedule"),
            ),
            ("scheduled", true, None),
        ] {
            let mut manifest = serde_json::json!({"model": "m", "state": state});
            if scheduled {
                manifest["schedule"] = schedule.clone();
            }
            let spec: OxenModelSpec = serde_json::from_value(manifest.clone()).unwrap();
            let found = spec.check().err();
            assert_eq!(found.is_some(), problem.is_some(), "{manifest}: {found:?}");
            for (found, problem) in found.iter().zip(problem) {
                assert!(found.starts_with("spec.schedule: "), "{found}");
                assert!(found.contains(problem), "{found}");
            }
        }
    }
}
