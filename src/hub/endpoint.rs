//! The hub's endpoints, and how a request to one ended, for metrics.

use crate::api::OperationKind;

/// The hub's endpoints, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /api/ai/models`
    List,
    /// `GET /api/ai/models/search`
    Search,
    /// `GET /api/ai/models/:id`
    Retrieve,
    /// `POST /api/ai/models/:id/activate`
    Activate,
    /// `POST /api/ai/models/:id/deactivate`
    Deactivate,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 5] = [
        Self::List,
        Self::Search,
        Self::Retrieve,
        Self::Activate,
        Self::Deactivate,
    ];

    /// The endpoint's name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Search => "search",
            Self::Retrieve => "retrieve",
            Self::Activate => OperationKind::Activate.as_str(),
            Self::Deactivate => OperationKind::Deactivate.as_str(),
        }
    }
}

/// How a request ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The hub's status code.
    Code(u16),
    /// There was no response.
    NoResponse,
}
