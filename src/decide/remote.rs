//! A model as the hub shows it.

use crate::api::{LiveStatus, ModelStatus, Pricing};

/// A model as a live GET showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// Whether it is a base model. Base models are always active and take no calls.
    pub base: bool,
    /// The status of its deployments, folded to one word.
    pub live: LiveStatus,
    /// The deployments with other statuses than `live`, the most frequent ones first.
    pub others: Vec<OtherDeployments>,
    /// What the hub says about the deployments besides their status. A message quotes it while the
    /// object is not Ready.
    pub notes: Vec<String>,
    /// The model itself. `id` and `owner` are its identity.
    pub model: ModelStatus,
    /// How it is billed.
    pub pricing: Option<Pricing>,
}

/// The deployments of a model that share one word of the hub, with another status than the folded
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDeployments {
    /// Their status. It is `unknown` for the rest that is counted together, such as `2 more`.
    pub live: LiveStatus,
    /// How many there are, and the hub's own word for their status, such as `2 inactive`.
    pub counted: String,
}

impl Remote {
    /// Returns the numbers of the other deployments for a message, such as `2 inactive, 1 error`.
    /// The text is empty if there are none.
    #[must_use]
    pub fn others_counted(&self) -> String {
        let others: Vec<&str> = self.others.iter().map(|it| it.counted.as_str()).collect();
        others.join(", ")
    }
}
