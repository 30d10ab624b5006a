//! Objects and events.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
    core::{ApiResource, DynamicObject},
};
use oxen_operator::api::OxenModel;
use serde_json::Value;

use crate::{
    explain::{Asked, Trouble},
    item::Item,
    outcome::Failure,
    session::Session,
};

/// The number of objects in one page of a list.
const PAGE: u32 = 500;

/// The number of events that are shown.
const EVENTS: usize = 5;

/// The objects that a command is about.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The namespace, or `None` for all of them.
    pub namespace: Option<&'a str>,
    /// The labels, if they are limited.
    pub selector: Option<&'a str>,
    /// The name, for one object.
    pub name: Option<&'a str>,
}

impl Scope<'_> {
    /// The field selector.
    pub fn fields(&self) -> Option<String> {
        self.name.map(|name| format!("metadata.name={name}"))
    }
}

/// An event, as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub reason: String,
    pub message: String,
    pub at: Option<Timestamp>,
}

impl Session {
    /// The OxenModels of a namespace, or of all of them, decoded one by one.
    pub fn models(&self, namespace: Option<&str>) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<OxenModel>(&());
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    /// One object.
    ///
    /// # Errors
    ///
    /// There is none, and the error names near ones; or the request failed.
    pub async fn get(&self, name: &str) -> Result<Item, Failure> {
        let api = self.models(Some(&self.namespace));
        let asked = self.asked("get", Some(name));
        match self.ask(asked, api.get(name)).await {
            Ok(object) => Ok(Item::new(object)),
            Err(trouble) if trouble.no_such_object => Err(self.did_you_mean(name, trouble).await),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// What a request about this session's namespace asks for.
    pub fn asked<'a>(&'a self, verb: &'a str, name: Option<&'a str>) -> Asked<'a> {
        Asked {
            verb,
            what: "OxenModels",
            namespace: Some(&self.namespace),
            name,
        }
    }

    async fn did_you_mean(&self, name: &str, trouble: Trouble) -> Failure {
        let listed = self.list(Some(&self.namespace), None).await;
        let names: Vec<String> = listed.iter().flatten().map(Item::name).collect();
        let remedy = match near(name, &names) {
            Some(near) => format!("Did you mean {near}?"),
            None => "`kubectl oxen status -A` shows all.".into(),
        };
        Trouble { remedy, ..trouble }.into()
    }

    /// The objects of a namespace, or of all of them, by namespace and name.
    ///
    /// # Errors
    ///
    /// A request failed.
    pub async fn list(
        &self,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Item>, Trouble> {
        let scope = Scope {
            namespace,
            selector,
            name: None,
        };
        Ok(self.listed(scope).await?.0)
    }

    /// The objects of a scope, by namespace and name, and the resource version of the list.
    ///
    /// # Errors
    ///
    /// A request failed.
    pub async fn listed(&self, scope: Scope<'_>) -> Result<(Vec<Item>, String), Trouble> {
        let api = self.models(scope.namespace);
        let asked = Asked {
            namespace: scope.namespace,
            ..self.asked("list", None)
        };
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = scope.selector.map(str::to_owned);
        params.field_selector = scope.fields();
        let mut items = Vec::new();
        let version = loop {
            let page = self.ask(asked, api.list(&params)).await?;
            items.extend(page.items.into_iter().map(Item::new));
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                break page.metadata.resource_version.unwrap_or_default();
            }
        };
        items.sort_by_key(|item| (item.namespace(), item.name()));
        Ok((items, version))
    }

    /// The newest events about an object, newest first. They are read through core/v1, which the
    /// ClusterRole `view` allows.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub async fn events(&self, name: &str) -> Result<Vec<Seen>, Trouble> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let asked = Asked {
            what: "events",
            ..self.asked("list", None)
        };
        let about = format!("involvedObject.kind=OxenModel,involvedObject.name={name}");
        let params = ListParams::default().fields(&about);
        let listed = self.ask(asked, api.list(&params)).await?;
        let mut seen: Vec<Seen> = listed.items.into_iter().map(shown).collect();
        seen.sort_by_key(|event| std::cmp::Reverse(event.at));
        seen.truncate(EVENTS);
        Ok(seen)
    }

    /// Sends a merge patch.
    ///
    /// # Errors
    ///
    /// The request failed. The error says so where the change may have been made all the same.
    pub async fn patch(
        &self,
        name: &str,
        patch: &Value,
        field_manager: &str,
        dry_run: bool,
    ) -> Result<DynamicObject, Failure> {
        let api = self.models(Some(&self.namespace));
        let params = PatchParams {
            field_manager: Some(field_manager.into()),
            dry_run,
            ..PatchParams::default()
        };
        let asked = self.asked("patch", Some(name));
        let patch = Patch::Merge(patch);
        let answer = self.ask(asked, api.patch(name, &params, &patch)).await;
        answer.map_err(|mut trouble| {
            if trouble.maybe_done && !dry_run {
                let namespace = &self.namespace;
                trouble.remedy += &format!(
                    " The change may have been made: kubectl oxen status {name} -n {namespace}"
                );
            }
            trouble.into()
        })
    }
}

fn shown(event: Event) -> Seen {
    let series = event.series.and_then(|series| series.last_observed_time);
    let created = event.metadata.creation_timestamp;
    let at = (series.map(|time| time.0))
        .or(event.last_timestamp.map(|time| time.0))
        .or(event.event_time.map(|time| time.0))
        .or(created.map(|time| time.0));
    Seen {
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
        at,
    }
}

/// The name that is most like a mistyped one, if any is like it at all.
pub fn near<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let scored = names
        .iter()
        .map(|one| (strsim::jaro_winkler(name, one), one));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score > 0.8)
        .map(|(_, name)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["support-bot", "summarizer"].map(str::to_owned);
        assert_eq!(near("suport-bot", &names), Some("support-bot"));
        assert_eq!(near("images", &names), None);
        assert_eq!(near("images", &[]), None);
    }
}
