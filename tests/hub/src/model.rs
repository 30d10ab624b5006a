//! A model: what the hub says about it, and how its deployments behave.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::deployment::{Course, Deployment, Direction};
use crate::json::{base_fields, custom_fields, merge};

type Rewrite = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// The delays of a hub, for models without their own.
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
    late: Duration,
    failures: u32,
    rewrites: Vec<Rewrite>,
}

impl Model {
    /// A custom model of the default account, with one inactive deployment.
    #[must_use]
    pub fn custom(name: impl Into<String>) -> Self {
        Self::new(name.into(), crate::ACCOUNT.into(), custom_fields()).status("inactive")
    }

    /// A base model: everybody's, always active, with no deployments.
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
            late: Duration::ZERO,
            failures: 0,
            rewrites: Vec::new(),
        };
        model
            .fields
            .insert("display_name".into(), model.name.clone().into());
        model.fields(fields)
    }

    /// The account that owns it, and whose keys alone see it.
    #[must_use]
    pub fn owner(mut self, account: impl Into<String>) -> Self {
        self.owner = account.into();
        self
    }

    /// One deployment with this status; any word will do.
    #[must_use]
    pub fn status(self, status: impl Into<String>) -> Self {
        self.deployments([status.into()])
    }

    /// Deployments with these statuses.
    #[must_use]
    pub fn deployments<S: Into<String>>(mut self, statuses: impl IntoIterator<Item = S>) -> Self {
        self.cached = statuses.into_iter().map(Into::into).collect();
        self.deployments = self.cached.iter().map(Deployment::new).collect();
        self
    }

    /// No deployment at all: `"deployments": []`.
    #[must_use]
    pub fn nothing_deployed(self) -> Self {
        self.deployments(Vec::<String>::new())
    }

    /// How long `deploying` takes, where it is not as the hub's.
    #[must_use]
    pub fn activate_delay(mut self, delay: Duration) -> Self {
        self.activate_delay = Some(delay);
        self
    }

    /// How long `deactivating` takes, where it is not as the hub's.
    #[must_use]
    pub fn deactivate_delay(mut self, delay: Duration) -> Self {
        self.deactivate_delay = Some(delay);
        self
    }

    /// A POST is accepted and answered as ever, but live retrieves show the old status for this long.
    #[must_use]
    pub fn late_effect(mut self, late: Duration) -> Self {
        self.late = late;
        self
    }

    /// The next so many activations end in `error`.
    #[must_use]
    pub fn fails_to_deploy(mut self, times: u32) -> Self {
        self.failures = times;
        self
    }

    /// Every activation ends in `error`.
    #[must_use]
    pub fn never_deploys(self) -> Self {
        self.fails_to_deploy(u32::MAX)
    }

    /// All deployments drift to a status, so long from now, unless a POST comes first. The cache knows nothing of it.
    #[must_use]
    pub fn drifts_to(mut self, status: &str, after: Duration) -> Self {
        let at = Instant::now() + after;
        self.deployments
            .iter_mut()
            .for_each(|d| d.drift(status.to_owned(), at));
        self
    }

    /// Sets fields of the object (an object of fields), each replaced whole: `json!({"pricing": {...}})`.
    #[must_use]
    pub fn fields(mut self, fields: Value) -> Self {
        if let Value::Object(fields) = fields {
            self.fields.extend(fields);
        }
        self
    }

    /// Changes the finished object just before it is sent: remove a field, set it to null, answer as another model.
    #[must_use]
    pub fn rewrite(mut self, rewrite: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.rewrites.push(Arc::new(rewrite));
        self
    }

    /// As [`Self::rewrite`], by a JSON merge patch, in which null removes.
    #[must_use]
    pub fn patch(self, patch: Value) -> Self {
        self.rewrite(move |object| merge(object, &patch))
    }

    /// The object as it was before any [`Self::rewrite`] or [`Self::patch`].
    #[must_use]
    pub fn as_written(mut self) -> Self {
        self.rewrites.clear();
        self
    }

    /// The UUID to which a custom model answers too, made from owner and name.
    pub(crate) fn uuid(&self) -> String {
        let made_from = format!("{}/{}", self.owner, self.name);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, made_from.as_bytes()).to_string()
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

    pub(crate) fn visible_to(&self, account: &str) -> bool {
        self.is_base() || self.owner == account
    }

    pub(crate) fn called(&self, id: &str) -> bool {
        self.name == id || (!self.is_base() && self.uuid() == id)
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

    pub(crate) fn refresh(&mut self, now: Instant) {
        self.cached = self.live(now);
    }

    /// The status changes at the provider; the cache knows nothing of it.
    pub(crate) fn drift_now(&mut self, status: &str) {
        self.deployments
            .iter_mut()
            .for_each(|d| *d = Deployment::new(status));
    }

    /// Takes an activate or a deactivate, and says whether it changed anything.
    pub(crate) fn take(&mut self, direction: Direction, delays: Delays, now: Instant) -> bool {
        let (delay, failing) = match direction {
            Direction::Activate => (
                self.activate_delay.unwrap_or(delays.activate),
                self.failures > 0,
            ),
            Direction::Deactivate => (self.deactivate_delay.unwrap_or(delays.deactivate), false),
        };
        let course = Course {
            direction,
            late: self.late,
            delay,
            fails: failing,
        };
        let mut changed = false;
        let shown = self.deployments.iter_mut().map(|deployment| {
            if deployment.heads_for(direction, now) {
                return deployment.heading(now).to_owned();
            }
            changed = true;
            deployment.take(&course, now).to_owned()
        });
        self.cached = shown.collect();
        if changed && failing && self.failures != u32::MAX {
            self.failures -= 1;
        }
        changed
    }

    /// The object, with the cached statuses; only retrieve shows the schema.
    pub(crate) fn object(&self, with_schema: bool) -> Value {
        let mut fields = self.fields.clone();
        let deployments = self.cached.iter().map(|status| json!({ "status": status }));
        fields.insert("id".into(), self.name.clone().into());
        fields.insert("owned_by".into(), self.owner.clone().into());
        fields.insert("deployments".into(), deployments.collect());
        if !with_schema {
            fields.insert("request_schema".into(), Value::Null);
        }
        let mut object = Value::Object(fields);
        self.rewrites
            .iter()
            .for_each(|rewrite| rewrite(&mut object));
        object
    }
}
