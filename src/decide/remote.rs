//! A model as the hub shows it.

use crate::api::{LiveStatus, ModelStatus, Pricing};

/// A model as a live GET showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// Whether it is a base model. Base models are always active and take no calls.
    pub base: bool,
    /// The status of its deployments, folded to one word.
    pub live: LiveStatus,
    /// The deployments with other statuses than `live`, counted by word, such as `2 inactive`. They
    /// are sorted, and a message lists them.
    pub others: Vec<String>,
    /// What the hub says about the deployments besides their status. A message quotes it while the
    /// object is not Ready.
    pub notes: Vec<String>,
    /// The model itself. `id` and `owner` are its identity.
    pub model: ModelStatus,
    /// How it is billed.
    pub pricing: Option<Pricing>,
}
