//! A model object as the hub sends it, folded to what a decision needs of it.

use url::Url;

use super::{
    answer::quote,
    wire::{DeploymentItem, Model, Pricing, Word},
};
use crate::{
    api::{self, Deployment, ModelStatus},
    decide::{Fault, Remote},
};

/// What the hub's answer about `asked` comes to. `api_base` is the URL that endpoints are below.
///
/// # Errors
///
/// [`Fault::AnotherModel`] where the answer is about a model that nobody asked for.
pub fn fold(asked: &str, model: &Model, api_base: &Url) -> Result<Remote, Fault> {
    if !is_about(asked, model) {
        return Err(Fault::AnotherModel(quote(&model.id)));
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
    let (deployment, others) = if base {
        (Deployment::Active, Vec::new())
    } else {
        deployments(model.deployments.as_deref())
    };
    Ok(Remote {
        base,
        deployment,
        others,
        model: identity,
        pricing: model.pricing.as_ref().map(pricing),
    })
}

/// A name and a UUID may be one model, so only two names can contradict each other. The owner may
/// stand before the name.
fn is_about(asked: &str, model: &Model) -> bool {
    let uuid = |text: &str| uuid::Uuid::try_parse(text).is_ok();
    let id = model.id.as_str();
    uuid(asked)
        || uuid(id)
        || asked.eq_ignore_ascii_case(id)
        || asked.eq_ignore_ascii_case(&format!("{}/{id}", model.owned_by))
}

/// Many deployments come to one status, and the first of these that any of them is wins. Missing
/// data is never read as off. The second part names what the one word doesn't speak for.
fn deployments(all: Option<&[Option<DeploymentItem>]>) -> (Deployment, Vec<String>) {
    const FIRST_WINS: [Deployment; 6] = [
        Deployment::Deploying,
        Deployment::Deactivating,
        Deployment::Unknown,
        Deployment::Active,
        Deployment::Error,
        Deployment::Inactive,
    ];
    let Some(all) = all else {
        return (Deployment::Unknown, Vec::new());
    };
    let words: Vec<(Deployment, &str)> = all
        .iter()
        .map(|item| status(item.as_ref().and_then(|item| item.status.as_ref())))
        .collect();
    let folded = FIRST_WINS
        .into_iter()
        .find(|candidate| words.iter().any(|(status, _)| status == candidate))
        .unwrap_or(Deployment::None);
    let others = words
        .iter()
        .filter(|(status, _)| *status != folded)
        .map(|(_, word)| quote(word))
        .collect();
    (folded, others)
}

fn status(word: Option<&Word>) -> (Deployment, &str) {
    let word = word.map_or("unknown", Word::as_str);
    let status = match word {
        "active" => Deployment::Active,
        "inactive" => Deployment::Inactive,
        "deploying" => Deployment::Deploying,
        "deactivating" => Deployment::Deactivating,
        "error" => Deployment::Error,
        _ => Deployment::Unknown,
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
