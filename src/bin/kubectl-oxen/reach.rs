//! The hub, and what the cluster knows of its models.

use oxen_operator::{
    api::SecretKeyRef,
    config::RouteArgs,
    decide::{HubFault, Managed},
};

use crate::{
    clean,
    cli::Global,
    console::Console,
    hub::{Hub, Missing, Shown, Unmanaged, Which},
    item::Item,
    key::{self, Origin},
    objects::{Objects, Scope},
    outcome::Failure,
    session::Session,
};

/// The hub, asked with the key of a namespace, and the OxenModels that are known.
pub struct Reach {
    pub hub: Hub,
    pub objects: Objects,
    /// The namespace of the key and of new objects. It is empty where no cluster is asked and no
    /// flag names one.
    pub namespace: String,
}

impl Reach {
    /// Lists the OxenModels, finds the key, and makes a client of the hub. A cluster that can't be
    /// asked is an error only where OXEN_API_KEY is not set.
    ///
    /// # Errors
    ///
    /// There is no key, or a flag can't be used.
    pub async fn open(
        flags: &Global,
        route: &RouteArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        let environment = key::of_environment()?;
        let session = match Session::open(flags).await {
            Ok(session) => Ok(session),
            Err(Failure::Because(why)) if environment.is_some() => Err(why),
            Err(failure) => return Err(failure),
        };
        let objects = match &session {
            Ok(session) => Objects::load(session).await,
            Err(why) => Objects::unknown(why.trim_end_matches('.').to_owned()),
        };
        let session = session.ok();
        let namespace = session.as_ref().map(|session| session.namespace.clone());
        let namespace = namespace.or(flags.namespace.clone()).unwrap_or_default();
        let named = objects.secret(&namespace);
        let key = key::find(session.as_ref(), &named, environment, console).await?;
        Ok(Self {
            hub: Hub::new(route, key, flags, console)?,
            objects,
            namespace,
        })
    }

    /// The Secret that a new object has to name to use the same key. An object that names none
    /// would use the operator's own key where it may. With OXEN_API_KEY, it is the Secret that all
    /// objects of the namespace name.
    pub fn secret(&self) -> Option<SecretKeyRef> {
        match self.hub.origin() {
            Origin::Secret { named, .. } => Some(named.clone()),
            Origin::Environment => self.objects.named(&self.namespace),
        }
    }

    /// What the known objects manage with this key.
    fn managed(&self) -> Managed {
        self.objects.managed(self.hub.origin(), &self.namespace)
    }

    /// Lists the models that may bill and that no OxenModel manages, see [`Hub::unmanaged`].
    ///
    /// # Errors
    ///
    /// The hub gave no list, or the OxenModels are not known.
    pub async fn unmanaged(
        &self,
        which: Which<'_>,
        console: &Console,
    ) -> Result<Unmanaged, Failure> {
        if let Scope::None { why } = &self.objects.scope {
            return Err(format!(
                "it is not known which models have no OxenModel: {why}. Choose another context, or \
                 omit --unmanaged."
            )
            .into());
        }
        let managed = self.managed();
        if !managed.knows_an_owner() {
            console.say(&format!(
                "No OxenModel with the key of {} has been observed yet, so it is not known which \
                 of the hub's models belong to your account. `kubectl oxen models --active` shows \
                 every active custom model.",
                self.hub.origin()
            ));
        }
        self.hub.unmanaged(which, &managed).await
    }

    /// Why a model was not retrieved.
    pub fn about(&self, asked: &str, missing: &Missing) -> String {
        match missing {
            // The sentence has the name.
            Missing::Fault(fault @ HubFault::ModelNotFound(_)) => {
                self.hub.sentence(fault, Some(asked))
            }
            Missing::Fault(fault) => {
                let why = self.hub.sentence(fault, Some(asked));
                format!("{}: {why}", clean::line(asked))
            }
            Missing::NoUrl => format!(
                "{}: its name can't be a part of a URL, so the hub can't be asked for it.",
                clean::line(asked)
            ),
        }
    }

    /// The object that manages a model, or that will once it is observed.
    pub fn manager(&self, shown: &Shown) -> Option<String> {
        self.objects.manager(&shown.identity()).map(Item::full_name)
    }

    /// Says what is not known of the hub's list and of the OxenModels.
    pub fn notes(&self, unreadable: usize, console: &Console) {
        match unreadable {
            0 => {}
            1 => console.say("1 item of the hub's list can't be read, and is left out."),
            count => console.say(&format!(
                "{count} items of the hub's list can't be read, and are left out."
            )),
        }
        if let Some(note) = self.objects.note() {
            console.say(&note);
        }
    }
}
