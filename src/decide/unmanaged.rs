//! Custom models that may bill and that no OxenModel manages.

use std::{collections::HashSet, sync::Arc};

use super::{ownership::Claimant, remote::Remote};
use crate::api::{Identity, LiveStatus, ModelStatus};

/// What the OxenModels manage, from the point of view of one API key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// What all objects manage, of every key. All keys share it.
    objects: Arc<Objects>,
    /// The owners of the models that objects of this key manage.
    owners: HashSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Objects {
    identities: HashSet<Identity>,
    /// The names in the specs of objects whose model was never observed, as [`plain`] makes them.
    names: HashSet<String>,
}

impl Managed {
    /// Adds an OxenModel: the name in its spec, and the model that its status shows. Objects of
    /// every key count, because two keys may see the same model. `same_key` says whether the object
    /// uses the key that this is about.
    pub fn add(&mut self, name: &str, model: Option<&ModelStatus>, same_key: bool) {
        let identity = model.map(ModelStatus::identity);
        let owner = model.filter(|model| same_key && !model.is_base());
        self.owners.extend(owner.map(|model| model.owner.clone()));
        Arc::make_mut(&mut self.objects).add(name, identity);
    }

    /// Adds an OxenModel of any key, as a claimant of its model.
    pub(crate) fn add_claimant(&mut self, claimant: &Claimant) {
        let identity = claimant.identity.as_deref().cloned();
        Arc::make_mut(&mut self.objects).add(&claimant.model, identity);
    }

    /// Returns true when the owner of any model that this key manages is known. Until then,
    /// [`unmanaged`] reports no model.
    #[must_use]
    pub fn knows_an_owner(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Returns true when an object of any key manages this model, or may manage it once it has been
    /// observed.
    #[must_use]
    pub fn manages(&self, identity: &Identity) -> bool {
        let Objects { identities, names } = self.objects.as_ref();
        let id = plain(&identity.id);
        identities.contains(identity)
            || names.contains(&plain(&format!("{}/{id}", identity.owner)))
            || names.contains(&id)
    }

    /// The same objects, for the key whose objects manage models of these owners.
    pub(crate) fn with_owners(&self, owners: HashSet<String>) -> Self {
        Self {
            objects: self.objects.clone(),
            owners,
        }
    }
}

impl Objects {
    fn add(&mut self, name: &str, identity: Option<Identity>) {
        match identity {
            Some(identity) => self.identities.insert(identity),
            None => self.names.insert(plain(name)),
        };
    }
}

/// A model's name in lower case, without the prefix `oxen:` that the hub's own pages write.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    name.strip_prefix("oxen:").unwrap_or(&name).to_owned()
}

/// Returns true when a model that the hub shows for the key may bill and is in no OxenModel. A list
/// may be older than the models' statuses, so only a model that a live GET showed is reported.
///
/// Base models are always active and are not billed by time. A model of an account of which this
/// key manages no model is not unmanaged, because the list also has other accounts' models.
#[must_use]
pub fn unmanaged(model: &Remote, managed: &Managed) -> bool {
    let identity = model.model.identity();
    !model.base
        && may_bill(model)
        && managed.owners.contains(&identity.owner)
        && !managed.manages(&identity)
}

/// Returns true when a deployment of the model is on or may be.
#[must_use]
pub fn may_bill(model: &Remote) -> bool {
    // Deactivating stands for all deployments, of which others may still be on.
    let others = model.others.iter().map(|others| others.live);
    std::iter::once(model.live)
        .chain(others)
        .any(|live| match live {
            LiveStatus::Active | LiveStatus::Deploying | LiveStatus::Unknown => true,
            LiveStatus::Deactivating
            | LiveStatus::Inactive
            | LiveStatus::Error
            | LiveStatus::None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::OtherDeployments;

    fn model(owner: &str, id: &str) -> ModelStatus {
        ModelStatus {
            id: id.into(),
            owner: owner.into(),
            display_name: None,
            type_: Some("custom".into()),
            endpoint: None,
            source_model: None,
            url: None,
        }
    }

    fn remote(owner: &str, id: &str, live: LiveStatus) -> Remote {
        Remote {
            base: false,
            live,
            others: Vec::new(),
            notes: Vec::new(),
            model: model(owner, id),
            pricing: None,
        }
    }

    /// One object of this key, one of another key, and one that was never observed.
    fn managed() -> Managed {
        let mut managed = Managed::default();
        managed.add("a", Some(&model("acme", "a")), true);
        managed.add("b", Some(&model("other", "b")), false);
        managed.add("new", None, true);
        managed.add("acme/newer", None, true);
        managed.add("oxen:Prefixed", None, true);
        managed
    }

    #[test]
    fn only_a_model_that_may_bill_is_unmanaged() {
        for live in LiveStatus::ALL {
            let on = matches!(
                live,
                LiveStatus::Active | LiveStatus::Deploying | LiveStatus::Unknown
            );
            let remote = remote("acme", "free", *live);
            assert_eq!(unmanaged(&remote, &managed()), on, "{live}");
        }
    }

    #[test]
    fn a_model_of_which_one_deployment_goes_off_and_another_is_on_is_unmanaged() {
        let mut remote = remote("acme", "free", LiveStatus::Deactivating);
        assert!(!unmanaged(&remote, &managed()));
        for (live, expected) in [
            (LiveStatus::Inactive, false),
            (LiveStatus::Error, false),
            (LiveStatus::Active, true),
            (LiveStatus::Unknown, true),
        ] {
            let counted = format!("2 {live}");
            remote.others = vec![OtherDeployments { live, counted }];
            assert_eq!(unmanaged(&remote, &managed()), expected, "{live}");
        }
    }

    #[test]
    fn a_model_of_an_object_or_of_a_foreign_account_is_not_unmanaged() {
        for (owner, id, expected) in [
            ("acme", "free", true),
            ("acme", "a", false),
            ("acme", "new", false),
            ("acme", "newer", false),
            ("acme", "prefixed", false),
            ("acme", "b", true),
            ("other", "free", false),
            ("foreign", "a", false),
        ] {
            let remote = remote(owner, id, LiveStatus::Active);
            assert_eq!(unmanaged(&remote, &managed()), expected, "{owner}/{id}");
        }
    }

    #[test]
    fn a_base_model_is_never_unmanaged_and_makes_no_owner_known() {
        let mut managed = managed();
        let base = ModelStatus {
            type_: Some("base".into()),
            ..model("oxen", "claude")
        };
        managed.add("claude", Some(&base), true);
        assert!(!unmanaged(
            &remote("oxen", "free", LiveStatus::Active),
            &managed
        ));
        let remote = Remote {
            base: true,
            ..remote("acme", "free", LiveStatus::Active)
        };
        assert!(!unmanaged(&remote, &managed));
    }
}
