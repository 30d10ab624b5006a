//! A model: its object, its owner, and the behaviour of its deployments.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::deployment::{Deployment, Operation, Transition};
use crate::json::{base_fields, custom_fields, merge};
use crate::switches::Switches;

/// What the vendor's guides write before the name of a custom model.
pub(crate) const PREFIX: &str = "oxen:";

type Rewrite = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// The delays of a hub, which apply to models without their own.
#[derive(Clone, Copy)]
pub(crate) struct Delays {
    pub(crate) activate: Duration,
    pub(crate) deactivate: Duration,
}

/// A model of the simulated hub, built in a chain: `Model::custom("my-bot").status("active")`.
#[derive(Clone)]
pub struct Model {
    name: String,
    owner: String,
    fields: Map<String, Value>,
    deployments: Vec<Deployment>,
    cached: Vec<String>,
    activate_delay: Option<Duration>,
    deactivate_delay: Option<Duration>,
    effect_delay: Duration,
    idle_timeout: Option<Duration>,
    last_request: Option<Instant>,
    failures: u32,
    provider: String,
    public: bool,
    favorite: bool,
    featured: bool,
    rewrites: Vec<Rewrite>,
}

impl Model {
    /// Creates a custom model of the default account, with one inactive deployment.
    #[must_use]
    pub fn custom(name: impl Into<String>) -> Self {
        Self::new(name.into(), crate::ACCOUNT.into(), custom_fields()).status("inactive")
    }

    /// Creates a base model. Every account can see it, and it has no deployments.
    #[must_use]
    pub fn base(name: impl Into<String>) -> Self {
        Self::new(name.into(), "oxen".into(), base_fields())
    }

    fn new(name: String, owner: String, fields: Value) -> Self {
        let mut model = Self {
            name,
            owner,
            fields: Map::new(),
            deployments: Vec::new(),
            cached: Vec::new(),
            activate_delay: None,
            deactivate_delay: None,
            effect_delay: Duration::ZERO,
            idle_timeout: None,
            last_request: None,
            failures: 0,
            provider: "oxen".into(),
            public: false,
            favorite: false,
            featured: false,
            rewrites: Vec::new(),
        };
        model
            .fields
            .insert("display_name".into(), model.name.clone().into());
        model.fields(fields)
    }

    /// Sets the account that owns the model. Only its keys can see a custom model that isn't
    /// [public](Self::public).
    #[must_use]
    pub fn owner(mut self, account: impl Into<String>) -> Self {
        self.owner = account.into();
        self
    }

    /// Lets every key, and requests without a key, see the model. Only the keys of its owner can
    /// activate or deactivate it.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// Sets the provider, which `provider_name` filters by. The default is `oxen`. It is no field
    /// of the model object.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = name.into();
        self
    }

    /// Makes the model a favorite of every account that can see it.
    #[must_use]
    pub fn favorite(mut self) -> Self {
        self.favorite = true;
        self
    }

    /// Makes the model one of the featured models.
    #[must_use]
    pub fn featured(mut self) -> Self {
        self.featured = true;
        self
    }

    /// Gives the model one deployment with this status, which can be any text.
    #[must_use]
    pub fn status(self, status: impl Into<String>) -> Self {
        self.deployments([status.into()])
    }

    /// Gives the model deployments with these statuses.
    #[must_use]
    pub fn deployments<S: Into<String>>(mut self, statuses: impl IntoIterator<Item = S>) -> Self {
        self.cached = statuses.into_iter().map(Into::into).collect();
        self.deployments = self.cached.iter().map(Deployment::new).collect();
        self
    }

    /// Removes all deployments: `"deployments": []`.
    #[must_use]
    pub fn nothing_deployed(self) -> Self {
        self.deployments(Vec::<String>::new())
    }

    /// Sets how long `deploying` lasts, in place of the hub's delay.
    #[must_use]
    pub fn activate_delay(mut self, delay: Duration) -> Self {
        self.activate_delay = Some(delay);
        self
    }

    /// Sets how long `deactivating` lasts, in place of the hub's delay.
    #[must_use]
    pub fn deactivate_delay(mut self, delay: Duration) -> Self {
        self.deactivate_delay = Some(delay);
        self
    }

    /// Delays the effect of a POST at the provider. The response to the POST is the usual one, but
    /// live retrieves show the old status for this long.
    #[must_use]
    pub fn late_effect(mut self, delay: Duration) -> Self {
        self.effect_delay = delay;
        self
    }

    /// Sets how long the model stays active without a request, in place of the hub's time-out.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Makes this number of activations end in `error`.
    #[must_use]
    pub fn fails_to_deploy(mut self, times: u32) -> Self {
        self.failures = times;
        self
    }

    /// Makes every activation end in `error`.
    #[must_use]
    pub fn never_deploys(self) -> Self {
        self.fails_to_deploy(u32::MAX)
    }

    /// Makes all deployments drift to a status after this time. A POST that starts a transition
    /// before then cancels the drift. The cached status stays the same.
    #[must_use]
    pub fn drifts_to(mut self, status: &str, after: Duration) -> Self {
        let at = Instant::now() + after;
        self.deployments
            .iter_mut()
            .for_each(|d| d.schedule_drift(status.to_owned(), at));
        self
    }

    /// Replaces fields of the model object: `json!({"pricing": {...}})`.
    #[must_use]
    pub fn fields(mut self, fields: Value) -> Self {
        if let Value::Object(fields) = fields {
            self.fields.extend(fields);
        }
        self
    }

    /// Changes every response about this model just before the hub sends it. It can for example
    /// remove a field, set it to null, or show another model's id.
    #[must_use]
    pub fn rewrite(mut self, rewrite: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.rewrites.push(Arc::new(rewrite));
        self
    }

    /// Changes the responses as [`Self::rewrite`] does, by a JSON merge patch, in which null
    /// removes a field.
    #[must_use]
    pub fn patch(self, patch: Value) -> Self {
        self.rewrite(move |object| merge(object, &patch))
    }

    /// Undoes every [`Self::rewrite`] and [`Self::patch`].
    #[must_use]
    pub fn as_written(mut self) -> Self {
        self.rewrites.clear();
        self
    }

    /// The UUID that works in place of a custom model's name. It is derived from owner and name.
    pub(crate) fn uuid(&self) -> String {
        let source = format!("{}/{}", self.owner, self.name);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, source.as_bytes()).to_string()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn owned_by(&self) -> &str {
        &self.owner
    }

    pub(crate) fn is_base(&self) -> bool {
        self.fields.get("model_type") == Some(&json!("base"))
    }

    pub(crate) fn has_deployments(&self) -> bool {
        !self.deployments.is_empty()
    }

    pub(crate) fn visible_to_all(&self) -> bool {
        self.is_base() || self.public
    }

    pub(crate) fn is_favorite(&self) -> bool {
        self.favorite
    }

    pub(crate) fn is_featured(&self) -> bool {
        self.featured
    }

    pub(crate) fn provider_name(&self) -> &str {
        &self.provider
    }

    /// Whether this is the model's name. A custom model also has a UUID, and its name may have the
    /// prefix `oxen:`, its owner and a slash before it, or both.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        if self.name == id {
            return true;
        }
        if self.is_base() {
            return false;
        }
        let name = id.strip_prefix(PREFIX).unwrap_or(id);
        let owned = name
            .strip_prefix(&self.owner)
            .and_then(|name| name.strip_prefix('/'));
        name == self.name || owned == Some(self.name.as_str()) || id == self.uuid()
    }

    pub(crate) fn field(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    pub(crate) fn live(&self, now: Instant) -> Vec<String> {
        self.deployments
            .iter()
            .map(|d| d.status(now).to_owned())
            .collect()
    }

    /// Whether there are deployments and all have this status at the provider.
    pub(crate) fn is_live(&self, status: &str, now: Instant) -> bool {
        let mut all = self.deployments.iter();
        self.has_deployments() && all.all(|deployment| deployment.status(now) == status)
    }

    pub(crate) fn refresh(&mut self, now: Instant) {
        self.cached = self.live(now);
    }

    /// Sets the status of all deployments at the provider. The cached status stays the same.
    pub(crate) fn set_status_at_provider(&mut self, status: &str) {
        self.deployments
            .iter_mut()
            .for_each(|d| *d = Deployment::new(status));
    }

    /// Turns off the deployments that were active without a request for the time-out. The cached
    /// status stays the same.
    pub(crate) fn turn_off_if_idle(&mut self, default: Option<Duration>, now: Instant) {
        if let Some(timeout) = self.idle_timeout.or(default) {
            self.deployments
                .iter_mut()
                .for_each(|d| d.turn_off_if_idle(timeout, self.last_request, now));
        }
    }

    /// Receives a request for inference, which starts the deployments that are off because they had
    /// no requests. Returns whether there was such a deployment. The cached status stays the same.
    pub(crate) fn receive_request(&mut self, delays: Delays, now: Instant) -> bool {
        self.last_request = Some(now);
        let transition = self.transition(Operation::Activate, delays);
        let mut changed = false;
        for deployment in &mut self.deployments {
            if deployment.is_off_by_idleness(now) {
                deployment.start(&transition, now);
                changed = true;
            }
        }
        self.count_failure(changed && transition.fails);
        changed
    }

    /// Starts the operation on each deployment that doesn't follow it yet. Returns whether there
    /// was such a deployment.
    pub(crate) fn start(&mut self, operation: Operation, delays: Delays, now: Instant) -> bool {
        let transition = self.transition(operation, delays);
        let mut changed = false;
        let reported = self.deployments.iter_mut().map(|deployment| {
            if deployment.already_follows(operation, now) {
                return deployment.reported_status(now).to_owned();
            }
            changed = true;
            deployment.start(&transition, now).to_owned()
        });
        self.cached = reported.collect();
        self.count_failure(changed && transition.fails);
        changed
    }

    fn transition(&self, operation: Operation, delays: Delays) -> Transition {
        let (duration, fails) = match operation {
            Operation::Activate => (
                self.activate_delay.unwrap_or(delays.activate),
                self.failures > 0,
            ),
            Operation::Deactivate => (self.deactivate_delay.unwrap_or(delays.deactivate), false),
        };
        Transition {
            operation,
            effect_delay: self.effect_delay,
            duration,
            fails,
        }
    }

    fn count_failure(&mut self, failed: bool) {
        if failed && self.failures != u32::MAX {
            self.failures -= 1;
        }
    }

    /// The model object, with the cached statuses.
    pub(crate) fn object(&self, switches: Switches) -> Value {
        let mut fields = self.fields.clone();
        let deployments = self.cached.iter().map(|status| json!({ "status": status }));
        let id = if switches.prefixed_ids && !self.is_base() {
            format!("{PREFIX}{}", self.name)
        } else {
            self.name.clone()
        };
        fields.insert("id".into(), id.into());
        fields.insert("owned_by".into(), self.owner.clone().into());
        fields.insert("deployments".into(), deployments.collect());
        let mut object = Value::Object(fields);
        self.rewrites
            .iter()
            .for_each(|rewrite| rewrite(&mut object));
        object
    }
}
