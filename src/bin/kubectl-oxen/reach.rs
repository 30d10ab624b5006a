//! The hub, and what the cluster knows of its models.

use std::iter;

use oxen_operator::{api::SecretKeyRef, config::RouteArgs, decide::HubFault};

use crate::{
    clean,
    cli::Global,
    console::Console,
    hub::{Hub, Missing, Retrieved, Shown, Which},
    item::Item,
    key::{self, Origin},
    objects::{Objects, Scope},
    outcome::{Failure, Outcome},
    session::Session,
};

/// The hub, asked with a key of a namespace, and the OxenModels that are known.
pub struct Reach {
    pub hub: Hub,
    /// The hub with the namespace's other keys. Only [`Reach::unmanaged`] asks with them.
    others: Vec<Hub>,
    /// `Failed` if a key of the namespace could not be found.
    opened: Outcome,
    pub objects: Objects,
    /// The namespace of the key and of new objects. It is empty where no cluster is asked and no
    /// flag names one.
    pub namespace: String,
}

/// Which keys of the namespace the hub is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// That of the Secret that all objects of the namespace name, or else of the default one.
    One,
    /// That of each Secret that an object of the namespace uses.
    Each,
}

impl Keys {
    /// Returns `Each` for unmanaged models, because any key may see them, and `One` otherwise.
    pub fn of(unmanaged: bool) -> Self {
        if unmanaged { Self::Each } else { Self::One }
    }
}

/// Models that were retrieved live, with one key or with each key of the namespace.
pub struct Found<'a> {
    /// The models, each with the hub that was asked for it.
    pub models: Vec<(&'a Hub, Retrieved)>,
    /// The number of items of the lists that can't be read.
    pub unreadable: usize,
    /// Whether the hub has answered with every key.
    pub outcome: Outcome,
}

impl Reach {
    /// Lists the OxenModels, finds the keys, and makes clients of the hub. A cluster that can't be
    /// asked is an error only where OXEN_API_KEY is not set. A key that can't be found is reported.
    /// It is an error only if no key is found.
    ///
    /// # Errors
    ///
    /// There is no key, or a flag can't be used.
    pub async fn open(
        flags: &Global,
        route: &RouteArgs,
        keys: Keys,
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
        let named = match keys {
            Keys::One => vec![objects.secret(&namespace)],
            Keys::Each => objects.secrets(&namespace),
        };
        let (mut hubs, mut failures): (Vec<Hub>, Vec<Failure>) = (Vec::new(), Vec::new());
        for named in named {
            let environment = environment.clone();
            match key::find(session.as_ref(), &named, environment, console).await {
                // OXEN_API_KEY takes the place of several Secrets.
                Ok(key) if hubs.iter().any(|hub| *hub.origin() == key.origin) => {}
                Ok(key) => hubs.push(match hubs.first() {
                    Some(hub) => hub.with_key(key),
                    None => Hub::new(route, key, flags, console)?,
                }),
                Err(failure) => failures.push(failure),
            }
        }
        let (hubs, opened) = any(hubs, failures, console)?;
        let mut hubs = hubs.into_iter();
        let hub = hubs.next().ok_or("there is no API key.".to_owned())?;
        Ok(Self {
            hub,
            others: hubs.collect(),
            opened,
            objects,
            namespace,
        })
    }

    /// The Secret that a new object has to name to use the key of this hub. An object that names
    /// none would use the operator's own key where it may. With OXEN_API_KEY, it is the Secret that
    /// all objects of the namespace name.
    pub fn secret(&self, hub: &Hub) -> Option<SecretKeyRef> {
        match hub.origin() {
            Origin::Secret { named, .. } => Some(named.clone()),
            Origin::Environment => self.objects.named(&self.namespace),
        }
    }

    /// Lists the models that may bill and that no OxenModel manages, with each key, see
    /// [`Hub::unmanaged`]. A key for which the hub gives no list is reported. It is an error only
    /// if no list is given.
    ///
    /// # Errors
    ///
    /// The hub gave no list, or the OxenModels are not known.
    pub async fn unmanaged(
        &self,
        which: Which<'_>,
        console: &Console,
    ) -> Result<Found<'_>, Failure> {
        if let Scope::None { why } = &self.objects.scope {
            return Err(format!(
                "it is not known which models have no OxenModel: {why}. Choose another context, or \
                 omit --unmanaged."
            )
            .into());
        }
        let (mut lists, mut failures) = (Vec::new(), Vec::new());
        for hub in iter::once(&self.hub).chain(&self.others) {
            let managed = self.objects.managed(hub.origin(), &self.namespace);
            if !managed.knows_an_owner() {
                console.say(&format!(
                    "No OxenModel with the key of {} has been observed yet, so it is not known \
                     which of the hub's models belong to your account. `kubectl oxen models \
                     --active` shows every active custom model.",
                    hub.origin()
                ));
            }
            match hub.unmanaged(which, &managed).await {
                Ok(list) => lists.push((hub, list)),
                Err(failure) => failures.push(failure),
            }
        }
        let (lists, outcome) = any(lists, failures, console)?;
        let unreadable = lists.iter().map(|(_, list)| list.unreadable).sum();
        let models = lists.into_iter().flat_map(|(hub, list)| {
            let models = list.models.into_iter();
            models.map(move |retrieved| (hub, retrieved))
        });
        Ok(Found {
            models: models.collect(),
            unreadable,
            outcome: outcome.worst(self.opened),
        })
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

/// Why a model was not retrieved.
pub fn about(hub: &Hub, asked: &str, missing: &Missing) -> String {
    match missing {
        // The sentence has the name.
        Missing::Fault(fault @ HubFault::ModelNotFound(_)) => hub.sentence(fault, Some(asked)),
        Missing::Fault(fault) => {
            let why = hub.sentence(fault, Some(asked));
            format!("{}: {why}", clean::line(asked))
        }
        Missing::NoUrl => format!(
            "{}: its name can't be a part of a URL, so the hub can't be asked for it.",
            clean::line(asked)
        ),
    }
}

/// Returns what was found with any key, and reports the failures. They are an error if nothing was
/// found.
fn any<T>(
    found: Vec<T>,
    mut failures: Vec<Failure>,
    console: &Console,
) -> Result<(Vec<T>, Outcome), Failure> {
    let outcome = if failures.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed
    };
    let last = failures.pop_if(|_| found.is_empty());
    for failure in failures {
        if let Failure::Because(why) = failure {
            console.error(&why);
        }
    }
    last.map_or(Ok((found, outcome)), Err)
}
