//! Who sent a request, according to its API key.

use crate::model::Model;

/// The sender of a request.
#[derive(Clone, Debug, Default)]
pub(crate) enum Caller {
    /// The request has no key.
    #[default]
    WithoutKey,
    /// The hub doesn't know the key, or the header `Authorization` has another scheme.
    InvalidKey,
    /// The key belongs to these accounts.
    Accounts(Vec<String>),
}

impl Caller {
    pub(crate) fn accounts(&self) -> &[String] {
        match self {
            Self::WithoutKey | Self::InvalidKey => &[],
            Self::Accounts(accounts) => accounts,
        }
    }

    pub(crate) fn owns(&self, model: &Model) -> bool {
        !model.is_base() && self.owner_position(model).is_some()
    }

    /// How early a model comes among those that the caller's request can mean by the same id, or
    /// none if the caller can't see it: first the models of the key's accounts, in the accounts'
    /// order, and then public models and base models.
    pub(crate) fn precedence(&self, model: &Model) -> Option<usize> {
        match self.owner_position(model) {
            Some(position) if !model.is_base() => Some(position),
            Some(_) | None => model.visible_to_all().then_some(self.accounts().len()),
        }
    }

    fn owner_position(&self, model: &Model) -> Option<usize> {
        self.accounts()
            .iter()
            .position(|account| account == model.owned_by())
    }
}
