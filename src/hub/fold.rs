//! From a model object as the hub sends it to what a decision needs.

use std::collections::BTreeMap;

use url::Url;

use super::wire::{DeploymentItem, Model, Number, Pricing, Word};
use crate::{
    api::{self, LiveStatus, ModelStatus},
    decide::{HubFault, OtherDeployments, Remote, quote, without_digits},
};

/// The prefix that the hub's own pages write before a model's name.
const PREFIX: &str = "oxen:";

/// The largest number of words by which the other deployments are counted.
const MOST_WORDS: usize = 5;

/// The largest number of notes that are kept about a model's deployments.
const MOST_NOTES: usize = 3;

/// The result of folding a model's deployments.
struct Deployments {
    live: LiveStatus,
    others: Vec<OtherDeployments>,
    notes: Vec<String>,
}

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
    let described = ModelStatus {
        // The identity is compared, so it stays as the hub sent it.
        id: model.id.clone(),
        owner: model.owned_by.clone(),
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
    let base = described.is_base();
    let deployments = if base {
        Deployments::of_base_model()
    } else {
        deployments(model.deployments.as_deref())
    };
    Ok(Remote {
        base,
        live: deployments.live,
        others: deployments.others,
        notes: deployments.notes,
        model: described,
        pricing: model.pricing.as_ref().map(pricing),
    })
}

/// Returns true when the answer may be about the model that was asked for. A name and a UUID may be
/// the same model, so only two names can contradict each other. The prefix `oxen:` and the owner
/// may precede either name.
fn is_about(asked: &str, model: &Model) -> bool {
    let uuid = |text: &str| uuid::Uuid::try_parse(text).is_ok();
    let id = model.id.as_str();
    let plain = |name| plain_name(name, &model.owned_by);
    uuid(asked) || uuid(id) || plain(asked).eq_ignore_ascii_case(plain(id))
}

/// The name without the prefix and the owner before it, in any order.
fn plain_name<'a>(name: &'a str, owner: &str) -> &'a str {
    let name = without_prefix(name, PREFIX);
    let name = without_prefix(name, &format!("{owner}/"));
    without_prefix(name, PREFIX)
}

/// The text without a prefix, unless nothing else is left of it. The case of the prefix is ignored.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.split_at_checked(prefix.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(prefix) && !rest.is_empty() => rest,
        Some(_) | None => text,
    }
}

impl Deployments {
    /// A base model has no deployments and is always active.
    fn of_base_model() -> Self {
        Self {
            live: LiveStatus::Active,
            others: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Folds the deployments to one status: the first of a fixed order that any of them has. Missing
/// data is never read as inactive.
fn deployments(all: Option<&[Option<DeploymentItem>]>) -> Deployments {
    const PRECEDENCE: [LiveStatus; 6] = [
        LiveStatus::Deploying,
        LiveStatus::Deactivating,
        LiveStatus::Unknown,
        LiveStatus::Active,
        LiveStatus::Error,
        LiveStatus::Inactive,
    ];
    let Some(all) = all else {
        return Deployments {
            live: LiveStatus::Unknown,
            others: Vec::new(),
            notes: Vec::new(),
        };
    };
    let statuses: Vec<(LiveStatus, &str)> = all
        .iter()
        .map(|item| status(item.as_ref().and_then(|item| item.status.as_ref())))
        .collect();
    let live = PRECEDENCE
        .into_iter()
        .find(|candidate| statuses.iter().any(|(status, _)| status == candidate))
        .unwrap_or(LiveStatus::None);
    let others = statuses.iter().filter(|(status, _)| *status != live);
    let items = all.iter().zip(&statuses).filter_map(|(item, (status, _))| {
        let item = item.as_ref()?;
        Some((item, *status == live))
    });
    Deployments {
        live,
        others: counted(others),
        notes: notes(items),
    }
}

/// Counts the deployments by word, the most frequent ones first.
fn counted<'a>(
    deployments: impl Iterator<Item = &'a (LiveStatus, &'a str)>,
) -> Vec<OtherDeployments> {
    let mut counts: BTreeMap<&str, (LiveStatus, usize)> = BTreeMap::new();
    for (live, word) in deployments {
        counts.entry(word).or_insert((*live, 0)).1 += 1;
    }
    let mut counts: Vec<(&str, (LiveStatus, usize))> = counts.into_iter().collect();
    // Words of the same count stay in alphabetical order.
    counts.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
    let more = counts.iter().skip(MOST_WORDS);
    let more: usize = more.map(|(_, (_, count))| count).sum();
    let shown = counts.iter().take(MOST_WORDS);
    let shown = shown.map(|(word, (live, count))| OtherDeployments {
        live: *live,
        counted: format!("{count} {}", quote(word)),
    });
    let more = (more > 0).then(|| OtherDeployments {
        live: LiveStatus::Unknown,
        counted: format!("{more} more"),
    });
    shown.chain(more).collect()
}

/// The first few notes, without those that count as the same. Notes of deployments with the live
/// status come first. Both parts are in alphabetical order, because the hub's own order may change.
fn notes<'a>(items: impl Iterator<Item = (&'a DeploymentItem, bool)>) -> Vec<String> {
    let (mut live, mut others) = (BTreeMap::new(), BTreeMap::new());
    for (item, is_live) in items {
        let part = if is_live { &mut live } else { &mut others };
        let notes = item.notes().map(|note| quote(&note));
        for note in notes.filter(|note| !note.is_empty()) {
            part.entry(without_digits(&note)).or_insert(note);
        }
    }
    others.retain(|words, _| !live.contains_key(words));
    let all = live.into_values().chain(others.into_values());
    all.take(MOST_NOTES).collect()
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
    let decimal = |number: &Option<Number>| number.as_ref().map(ToString::to_string);
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn model(id: &str, deployments: &str) -> Model {
        let json = format!(r#"{{"id":{id:?},"owned_by":"acme","deployments":{deployments}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn folded(deployments: &str) -> Remote {
        let api_base = "https://hub.oxen.ai/api/ai".parse().unwrap();
        fold("bot", &model("bot", deployments), &api_base).unwrap()
    }

    #[test]
    fn deployments_that_cannot_be_read_are_unknown_and_never_off() {
        for deployments in [
            "null",
            "{}",
            "7",
            r#""inactive""#,
            r#"["inactive"]"#,
            r#"[{"status":7}]"#,
            r#"[{"status":{"status":"inactive"}}]"#,
            r#"[{"status":"inactive","status":"inactive"}]"#,
            r#"[{"status":"inactive"},7]"#,
            r#"[{"status":"\ud800"}]"#,
        ] {
            assert_eq!(
                folded(deployments).live,
                LiveStatus::Unknown,
                "{deployments}"
            );
        }
        let twice = r#"{"id":"bot","owned_by":"acme","deployments":[],"deployments":[]}"#;
        let twice: Model = serde_json::from_str(twice).unwrap();
        assert_eq!(twice.deployments, None);
        let odd = r#"[{"status":"inactive","meta":{"size":1e999,"text":"\ud800"}}]"#;
        assert_eq!(folded(odd).live, LiveStatus::Inactive);
        assert_eq!(folded("[]").live, LiveStatus::None);
    }

    #[test]
    fn other_deployments_are_counted_by_word() {
        let others = |words: &[&str]| {
            let items = words.iter().map(|word| json!({"status": word}));
            let others = folded(&Value::from_iter(items).to_string()).others;
            others.into_iter().map(|it| it.counted).collect::<Vec<_>>()
        };
        let words = ["error", "active", "inactive", "active", "inactive"];
        assert_eq!(others(&words), ["2 inactive", "1 error"]);
        assert_eq!(
            others(&["active", "inactive", "error"]),
            ["1 error", "1 inactive"]
        );
        assert_eq!(others(&["active", "active"]), [""; 0]);
        let mut many = vec!["inactive"; 150_000];
        many.push("active");
        assert_eq!(others(&many), ["150000 inactive"]);
        let long = "x".repeat(9000);
        let words = ["deploying", &long, "a", "b", "c", "d", "e", "\u{1}"];
        let others = others(&words);
        assert_eq!(others[1..], ["1 a", "1 b", "1 c", "1 d", "2 more"]);
        assert!(others.iter().all(|it| it.len() < 250), "{others:?}");
    }

    #[test]
    fn what_a_deployment_says_beside_its_status_is_noted() {
        let notes = |items: &str| folded(items).notes;
        let gpu = r#"{"status":"deploying","status_message":"no GPU\n is free"}"#;
        assert_eq!(notes(&format!("[{gpu}]")), ["no GPU is free"]);
        let other = r#"{"status":"inactive","lastError":"one","Reason":"two","note":"no"}"#;
        let items = format!("[{other},{gpu},{other}]");
        assert_eq!(notes(&items), ["no GPU is free", "one", "two"]);
        let odd = r#"[{"status":"error","error":{"text":"no"},"message":" ","reason":7}]"#;
        assert_eq!(notes(odd), [""; 0]);
        let long = format!(
            r#"[{{"error1":"{0}a","error2":"{0}b","error3":"c","error4":"d","error5":"e"}}]"#,
            "a".repeat(9000)
        );
        let long = notes(&long);
        assert_eq!(long[1..], ["c", "d"]);
        assert!(long[0].len() < 250, "{long:?}");
    }

    #[test]
    fn notes_that_say_the_same_are_noted_once_whatever_their_order() {
        let replica = |reason: &str| format!(r#"{{"status":"error","reason":"{reason}"}}"#);
        let notes = |reasons: &[&str]| {
            let items: Vec<String> = reasons.iter().map(|reason| replica(reason)).collect();
            folded(&format!("[{}]", items.join(","))).notes
        };
        let words = ["node 7 is full", "node 12 is full", "out of memory"];
        let (forth, back) = (notes(&words), notes(&["out of memory", words[1], words[0]]));
        assert_eq!(forth, ["node 7 is full", "out of memory"]);
        assert_eq!(back, ["node 12 is full", "out of memory"]);
        let words = ["e", "d", "c", "b", "a"];
        assert_eq!(notes(&words), ["a", "b", "c"]);
        let beside = format!(
            r#"[{{"status":"inactive","reason":"a 1"}},{}]"#,
            replica("a 2")
        );
        assert_eq!(folded(&beside).notes, ["a 2"]);
    }

    #[test]
    fn an_identity_is_stored_as_it_came() {
        let api_base = "https://hub.oxen.ai/api/ai".parse().unwrap();
        for end in ["a", "b"] {
            let asked = format!("{}-{end}", "m".repeat(200));
            let remote = fold(&asked, &model(&asked, "[]"), &api_base).unwrap();
            assert_eq!(remote.model.id, asked);
        }
    }

    #[test]
    fn the_prefix_and_the_owner_may_precede_either_name() {
        let uuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        let api_base = "https://hub.oxen.ai/api/ai".parse().unwrap();
        for (asked, id, taken) in [
            ("bot", "bot", true),
            ("Bot", "bOT", true),
            ("bot", "oxen:bot", true),
            ("oxen:bot", "bot", true),
            ("bot", "acme/bot", true),
            ("acme/bot", "bot", true),
            ("ACME/bot", "OXEN:bot", true),
            ("oxen:acme/bot", "acme/oxen:bot", true),
            ("acme/bot", "oxen:acme/bot", true),
            (uuid, "bot", true),
            ("bot", uuid, true),
            ("bot", "bot-2", false),
            ("other/bot", "bot", false),
            ("bot", "other/bot", false),
            ("bot", "oxen/bot", false),
            ("bot", "oxen:oxen:oxen:bot", false),
            ("acme/", "oxen:", false),
            ("bot", "", false),
            ("模型", "oxen:模型", true),
        ] {
            let found = fold(asked, &model(id, "[]"), &api_base);
            assert_eq!(found.is_ok(), taken, "asked for {asked:?}, got {id:?}");
        }
    }
}
