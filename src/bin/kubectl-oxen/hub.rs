//! The hub, as a person asks it: with one key, and with its faults as sentences.

use std::{ops::ControlFlow, rc::Rc, time::Duration};

use futures::{StreamExt, stream};
use oxen_operator::{
    api::{Identity, LiveStatus},
    config::RouteArgs,
    decide::{HubFault, Managed, Remote, unmanaged},
    hub::{Client, Limits, Model, Route, fold},
};

use crate::{
    clean,
    cli::Global,
    console::Console,
    explain::hub_fault,
    fetch::near,
    key::{Key, Origin},
    outcome::Failure,
    verbose,
};

/// The number of live retrieves at the same time.
const AT_ONCE: usize = 4;

/// The time limit of a request where `--request-timeout` is 0.
const NO_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A client of the hub with a key.
pub struct Hub {
    client: Rc<Client>,
    key: Key,
    base: String,
    verbose: bool,
}

/// A model, as the hub shows it.
pub struct Shown {
    /// The hub's object.
    pub model: Model,
    /// What decisions read of it.
    pub remote: Remote,
}

impl Shown {
    /// The model's identity.
    pub fn identity(&self) -> Identity {
        self.remote.model.identity()
    }

    /// The model, to be retrieved.
    pub fn wanted(&self) -> Wanted {
        Wanted {
            id: self.model.id.clone(),
            owner: Some(self.model.owned_by.clone()),
        }
    }

    /// Returns true for a custom model.
    pub fn is_custom(&self) -> bool {
        !self.remote.base
    }

    /// Returns true for a custom model that is active. Base models always are, and bill nobody by
    /// time.
    pub fn is_active(&self) -> bool {
        self.is_custom() && self.remote.live == LiveStatus::Active
    }
}

/// A list of the hub.
pub struct List {
    /// The models, by owner and id.
    pub models: Vec<Shown>,
    /// The number of items that can't be read.
    pub unreadable: usize,
}

/// Which models are listed.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    /// All, or those of one developer, or those with one fine-tuning action.
    All {
        developer: Option<&'a str>,
        action: Option<&'a str>,
    },
    /// Those whose name matches.
    Matching(&'a str),
}

impl Which<'_> {
    /// All models.
    pub const ALL: Self = Self::All {
        developer: None,
        action: None,
    };
}

/// The models that may bill and that no OxenModel manages.
pub struct Unmanaged {
    /// The models, as a live retrieve showed them, and those that could not be retrieved.
    pub models: Vec<Retrieved>,
    /// The number of items of the list that can't be read.
    pub unreadable: usize,
}

impl Hub {
    /// Makes a client, and with `-v` says where its key comes from. It sends no request.
    ///
    /// # Errors
    ///
    /// A flag, or its variable, can't be used.
    pub fn new(
        route: &RouteArgs,
        key: Key,
        flags: &Global,
        console: &Console,
    ) -> Result<Self, Failure> {
        Ok(Self::unnamed(route, key, flags, console)?.told())
    }

    /// Makes a client, and does not say where its key comes from. It sends no request.
    ///
    /// # Errors
    ///
    /// A flag, or its variable, can't be used.
    pub fn unnamed(
        route: &RouteArgs,
        key: Key,
        flags: &Global,
        console: &Console,
    ) -> Result<Self, Failure> {
        let (route, warnings) = route.route().map_err(|error| format!("{error}."))?;
        for warning in warnings {
            console.warn(&format!("{warning}."));
        }
        let route = Route {
            agent: concat!("kubectl-oxen/", env!("CARGO_PKG_VERSION")),
            ..route
        };
        let base = route.base.as_str().trim_end_matches('/').to_owned();
        let limits = Limits {
            request_timeout: flags.request_timeout.0.unwrap_or(NO_LIMIT),
            ..Limits::default()
        };
        let (told, verbose) = (base.clone(), flags.verbose);
        let client = Client::new(route, limits, move |endpoint, outcome, took| {
            if verbose {
                verbose::tell(&told, endpoint, outcome, took);
            }
        });
        Ok(Self {
            client: Rc::new(client.map_err(|error| format!("{error}."))?),
            key,
            base,
            verbose,
        })
    }

    /// The client, after `-v` has said where its key comes from.
    fn told(self) -> Self {
        if self.verbose {
            verbose::tell_origin(&self.key.origin.to_string());
        }
        self
    }

    /// The same client with another key. With `-v`, it says where that key comes from.
    pub fn with_key(&self, key: Key) -> Self {
        Self {
            client: self.client.clone(),
            key,
            base: self.base.clone(),
            verbose: self.verbose,
        }
        .told()
    }

    /// The hub's URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where the key comes from.
    pub fn origin(&self) -> &Origin {
        &self.key.origin
    }

    /// Lists models. The items are read one by one, and only those that `keep` accepts are kept.
    ///
    /// # Errors
    ///
    /// The hub gave no list.
    pub async fn list(
        &self,
        which: Which<'_>,
        keep: impl Fn(&Shown) -> bool,
    ) -> Result<List, Failure> {
        let api_base = self.client.api_base();
        let mut models = Vec::new();
        let on_model = |model: Model| {
            // The answer is about its own id, so it is never about another model.
            if let Ok(remote) = fold(&model.id, &model, &api_base) {
                models.extend(Some(Shown { model, remote }).filter(&keep));
            }
            ControlFlow::Continue(())
        };
        let key = &self.key.key;
        let listed = match which {
            Which::All { developer, action } => {
                let client = &self.client;
                client.list_each(key, developer, action, on_model).await
            }
            Which::Matching(word) => self.client.search_each(key, word, on_model).await,
        };
        let unreadable = listed.map_err(|fault| self.failure(&fault))?;
        models.sort_by_cached_key(|shown| (shown.model.owned_by.clone(), shown.model.id.clone()));
        Ok(List { models, unreadable })
    }

    /// Lists the models that may bill and that no OxenModel manages. Each is confirmed by a live
    /// retrieve, because a list may be older than the models' statuses.
    ///
    /// # Errors
    ///
    /// The hub gave no list, or has a fault that is not about one of the models.
    pub async fn unmanaged(
        &self,
        which: Which<'_>,
        managed: &Managed,
    ) -> Result<Unmanaged, Failure> {
        let keep = |shown: &Shown| unmanaged(&shown.remote, managed);
        let List { models, unreadable } = self.list(which, keep).await?;
        let wanted: Vec<Wanted> = models.iter().map(Shown::wanted).collect();
        let mut models = self.retrieve_all(&wanted).await?;
        models.retain(|retrieved| match &retrieved.result {
            Ok(shown) => keep(shown),
            // It is gone.
            Err(Missing::Fault(HubFault::ModelNotFound(_))) => false,
            Err(_) => true,
        });
        Ok(Unmanaged { models, unreadable })
    }

    /// Retrieves a model by its name.
    ///
    /// # Errors
    ///
    /// Fails with the hub's fault.
    pub async fn retrieve(&self, id: &str, live: bool) -> Result<Shown, HubFault> {
        let model = self.client.retrieve(&self.key.key, id, live).await?;
        let remote = fold(id, &model, &self.client.api_base())?;
        Ok(Shown { model, remote })
    }

    /// Retrieves models with their live status, a few at the same time, in the given order.
    ///
    /// # Errors
    ///
    /// The hub has a fault that is not about one of the models.
    pub async fn retrieve_all(&self, wanted: &[Wanted]) -> Result<Vec<Retrieved>, Failure> {
        let all = stream::iter(wanted).map(|wanted| self.retrieve_wanted(wanted));
        let mut all = all.buffered(AT_ONCE);
        let mut retrieved = Vec::new();
        while let Some(one) = all.next().await {
            match &one.result {
                Err(Missing::Fault(fault)) if !is_about_model(fault) => {
                    return Err(self.failure(fault));
                }
                Ok(_) | Err(_) => retrieved.push(one),
            }
        }
        Ok(retrieved)
    }

    /// Retrieves a model. Where the hub answers with the model of another owner, the name is tried
    /// with the owner before it.
    async fn retrieve_wanted(&self, wanted: &Wanted) -> Retrieved {
        let Wanted { id, owner } = wanted;
        let asked = id.clone();
        if !fits_url(id) {
            let result = Err(Missing::NoUrl);
            return Retrieved { asked, result };
        }
        let first = self.retrieve(id, true).await;
        let is_other = |result: &Result<Shown, HubFault>| {
            let found = result.as_ref().ok().map(|shown| &shown.model.owned_by);
            found
                .zip(owner.as_ref())
                .is_some_and(|(found, owner)| found != owner)
        };
        let (asked, result) = match owner {
            Some(owner) if is_other(&first) => {
                let asked = format!("{owner}/{id}");
                let second = self.retrieve(&asked, true).await;
                (asked, second)
            }
            Some(_) | None => (asked, first),
        };
        let result = if is_other(&result) {
            Err(HubFault::ModelMismatch(id.clone()))
        } else {
            result
        };
        Retrieved {
            asked,
            result: result.map_err(Missing::Fault),
        }
    }

    /// The fault as an error.
    pub fn failure(&self, fault: &HubFault) -> Failure {
        Failure::Because(self.sentence(fault, None))
    }

    /// The fault as a sentence. `asked` is the model that was asked for.
    pub fn sentence(&self, fault: &HubFault, asked: Option<&str>) -> String {
        hub_fault(fault, &self.base, &self.key.origin, asked)
    }

    /// The error that a model is not there, with a name that is like it.
    pub async fn not_found(&self, id: &str, fault: &HubFault) -> Failure {
        let why = self.sentence(fault, Some(id));
        if !matches!(fault, HubFault::ModelNotFound(_)) {
            return why.into();
        }
        let listed = self.list(Which::ALL, |_| true).await;
        let models = listed.map(|list| list.models).unwrap_or_default();
        let names: Vec<String> = models.into_iter().map(|shown| shown.model.id).collect();
        let remedy = match near(id, &names) {
            Some(near) => format!("Did you mean {}?", clean::line(near)),
            None => "`kubectl oxen models` lists all.".into(),
        };
        format!("{why} {remedy}").into()
    }
}

/// A model to retrieve.
pub struct Wanted {
    pub id: String,
    /// The owner, if it is known.
    pub owner: Option<String>,
}

/// What became of a retrieve.
pub struct Retrieved {
    /// The name under which the hub knows the model.
    pub asked: String,
    /// The model, or why there is none.
    pub result: Result<Shown, Missing>,
}

/// Why a model was not retrieved.
pub enum Missing {
    /// The hub's fault.
    Fault(HubFault),
    /// The name can't be a part of a URL.
    NoUrl,
}

/// Returns false for a name that a URL would change: it drops line breaks and tabs, and has a
/// meaning for dots.
fn fits_url(id: &str) -> bool {
    !matches!(id, "." | "..") && !id.contains(['\t', '\n', '\r'])
}

/// Returns true for a fault that another model need not have.
fn is_about_model(fault: &HubFault) -> bool {
    match fault {
        HubFault::ModelNotFound(_)
        | HubFault::Forbidden(_)
        | HubFault::ProviderFailed(_)
        | HubFault::Unexpected(_)
        | HubFault::ModelMismatch(_)
        | HubFault::Rejected(_) => true,
        HubFault::RateLimited { whole_key, .. } => !whole_key,
        HubFault::Unauthenticated | HubFault::PaymentRequired(_) | HubFault::Unreachable(_) => {
            false
        }
    }
}
