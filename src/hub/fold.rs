//! From a model object as the hub sends it to what a decision needs.

use url::Url;

use super::{
    quote::quote,
    wire::{DeploymentItem, Model, Pricing, Word},
};
use crate::{
    api::{self, LiveStatus, ModelStatus},
    decide::{HubFault, Remote},
};

/// Folds the hub's answer about the model `asked`. `api_base` is the base URL of the endpoints.
///
/// # Errors
///
/// Fails with [`HubFault::ModelMismatch`] if the answer is about another model.
pub fn fold(asked: &str, model: &Model, api_base: &Url) -> Result<Remote, HubFault> {
    if !is_about(asked, model) {
        return Err(HubFault::ModelMismatch(quote(&model.id)));
    }
    // A status has to fit into an object, whatever the hub sends.
    let cut = |words: &Option<String>| words.as_deref().map(quote);
    let endpoint = cut(&model.endpoint);
    let identity = ModelStatus {
        id: quote(&model.id),
        owner: quote(&model.owned_by),
        display_name: cut(&model.display_name),
        type_: model.model_type.as_ref().map(|word| quote(&word.0)),
        source_model: cut(&model.source_model),
        url: endpoint.as_ref().map(|endpoint| {
            format!(
                "{}/{}",
                api_base.as_str().trim_end_matches('/'),
                endpoint.trim_start_matches('/')
            )
        }),
        endpoint,
    };
    let base = identity.is_base();
    let (live, others) = if base {
        (LiveStatus::Active, Vec::new())
    } else {
        deployments(model.deployments.as_deref())
    };
    Ok(Remote {
        base,
        live,
        others,
        model: identity,
        pricing: model.pricing.as_ref().map(pricing),
    })
}

/// Returns true when the answer may be about the model that was asked for. A name and a UUID may be
/// the same model, so only two names can contradict each other. The owner may precede the name.
fn is_about(asked: &str, model: &Model) -> bool {
    let uuid = |text: &str| uuid::Uuid::try_parse(text).is_ok();
    let id = model.id.as_str();
    uuid(asked)
        || uuid(id)
        || asked.eq_ignore_ascii_case(id)
        || asked.eq_ignore_ascii_case(&format!("{}/{id}", model.owned_by))
}

/// Folds the deployments to one status: the first of a fixed order that any of them has. Missing
/// data is never read as inactive. The second part lists the other deployments' statuses.
fn deployments(all: Option<&[Option<DeploymentItem>]>) -> (LiveStatus, Vec<String>) {
    const PRECEDENCE: [LiveStatus; 6] = [
        LiveStatus::Deploying,
        LiveStatus::Deactivating,
        LiveStatus::Unknown,
        LiveStatus::Active,
        LiveStatus::Error,
        LiveStatus::Inactive,
    ];
    let Some(all) = all else {
        return (LiveStatus::Unknown, Vec::new());
    };
    let words: Vec<(LiveStatus, &str)> = all
        .iter()
        .map(|item| status(item.as_ref().and_then(|item| item.status.as_ref())))
        .collect();
    let folded = PRECEDENCE
        .into_iter()
        .find(|candidate| words.iter().any(|(status, _)| status == candidate))
        .unwrap_or(LiveStatus::None);
    let others = words
        .iter()
        .filter(|(status, _)| *status != folded)
        .map(|(_, word)| quote(word))
        .collect();
    (folded, others)
}

fn status(word: Option<&Word>) -> (LiveStatus, &str) {
    let word = word.map_or("unknown", Word::as_str);
    let status = match word {
        "active" => LiveStatus::Active,
        "inactive" => LiveStatus::Inactive,
        "deploying" => LiveStatus::Deploying,
        "deactivating" => LiveStatus::Deactivating,
        "error" => LiveStatus::Error,
        _ => LiveStatus::Unknown,
    };
    (status, word)
}

fn pricing(wire: &Pricing) -> api::Pricing {
    let decimal = |number: &Option<super::wire::Number>| number.as_ref().map(ToString::to_string);
    api::Pricing {
        method: wire.method.as_ref().map(|word| quote(&word.0)),
        input_cost_per_token: decimal(&wire.input_cost_per_token),
        output_cost_per_token: decimal(&wire.output_cost_per_token),
        cost_per_second: decimal(&wire.cost_per_second),
        cost_per_image: decimal(&wire.cost_per_image),
        cost_per_second_high_res: decimal(&wire.cost_per_second_high_res),
        cost_per_second_with_audio: decimal(&wire.cost_per_second_with_audio),
    }
}
