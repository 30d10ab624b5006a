//! The verdict: one word for what was found, from which everything that is shown follows.

/// What was found of an object. The variants' names are the reasons that people read, but where
/// [`Verdict::row`] says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // `row` says what each one means
pub enum Verdict {
    Active,
    Inactive,
    AlwaysActive,
    Activating,
    Deactivating,
    CorrectingDrift,
    WaitingForDeployment,
    WaitingForDeactivation,
    WaitingForTurn,
    OutcomeUnknown,
    StatusUnknown,
    WouldActivate,
    WouldDeactivate,
    DeploymentError,
    DeploymentFailed,
    NothingDeployed,
    BaseModelCannotDeactivate,
    CallHadNoEffect,
    Conflict,
    DriftContention,
    ProgressDeadlineExceeded,
    Rejected,
    RejectedForGood,
    CredentialsNotFound,
    CredentialsInvalid,
    OperatorKeyNotAllowed,
    Unauthenticated,
    Forbidden,
    PaymentRequired,
    ModelNotFound,
    RateLimited,
    HubFailing,
    HubUnreachable,
    UnexpectedResponse,
    AnotherModel,
    IdentityChanged,
    InvalidSpec,
    LetGo,
}

/// The condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Observed equals declared.
    True,
    /// It doesn't.
    False,
    /// Nobody knows.
    Unknown,
    /// As it was, if it was judged for this generation; else unknown.
    Kept,
}

/// The marker that kstatus reads beside `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Neither.
    None,
    /// The operator is on its way.
    Reconciling,
    /// A person or a change is needed.
    Stalled,
}

/// When to look again; `pace.rs` turns it into a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The sync interval, spread.
    Settled,
    /// Soon at first, then less often.
    Transition,
    /// After 5, 10, 20 s and so on from the call.
    Outcome,
    /// When a failed deployment may be tried again.
    Failure,
    /// Doubling from the first refusal.
    Refusal,
    /// Past the deadline: each minute.
    Overdue,
    /// A key that was refused, credentials that aren't there, an answer that can't be read.
    Probe,
    /// The account can't pay.
    Payment,
    /// Unanswered: backoff with full jitter.
    Backoff,
    /// When the hub says.
    Told,
}

/// How loud the event of a transition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to worry about.
    Normal,
    /// Worth a look.
    Warning,
}

/// What follows from a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The reason in conditions, the event's reason and the metrics' label.
    pub reason: &'static str,
    /// The condition `Ready`.
    pub ready: Ready,
    /// `Reconciling`, `Stalled` or neither.
    pub marker: Marker,
    /// The hub could be reached with this key and knows the model.
    pub synced: bool,
    /// The event of its transition.
    pub tone: Tone,
    /// When to look again.
    pub pace: Pace,
    /// The message quotes somebody whose words may change while nothing else does: the first
    /// ones stay.
    pub quotes: bool,
}

const fn row(reason: &'static str, ready: Ready, marker: Marker, pace: Pace) -> Row {
    let tone = match marker {
        Marker::Stalled => Tone::Warning,
        Marker::None | Marker::Reconciling => Tone::Normal,
    };
    Row {
        reason,
        ready,
        marker,
        synced: true,
        tone,
        pace,
        quotes: false,
    }
}

impl Row {
    /// The hub or the key is at fault.
    const fn out_of_sync(self) -> Row {
        Row {
            synced: false,
            tone: Tone::Warning,
            ..self
        }
    }

    const fn quoting(self) -> Row {
        Row {
            quotes: true,
            ..self
        }
    }

    const fn warning(self) -> Row {
        Row {
            tone: Tone::Warning,
            ..self
        }
    }
}

impl Verdict {
    /// All that follows from the verdict.
    #[must_use]
    #[rustfmt::skip] // a table reads as one
    pub const fn row(self) -> Row {
        use Marker::{None, Reconciling, Stalled};
        use Ready::{False, Kept, True, Unknown};
        match self {
            Verdict::Active => row("Active", True, None, Pace::Settled),
            Verdict::Inactive => row("Inactive", True, None, Pace::Settled),
            Verdict::AlwaysActive => row("AlwaysActive", True, None, Pace::Settled),

            Verdict::Activating => row("Activating", False, Reconciling, Pace::Transition),
            Verdict::Deactivating => row("Deactivating", False, Reconciling, Pace::Transition),
            Verdict::CorrectingDrift => row("CorrectingDrift", False, Reconciling, Pace::Transition).warning(),
            Verdict::WaitingForDeployment => row("WaitingForDeployment", False, Reconciling, Pace::Transition),
            Verdict::WaitingForDeactivation => row("WaitingForDeactivation", False, Reconciling, Pace::Transition),
            Verdict::WaitingForTurn => row("WaitingForTurn", False, Reconciling, Pace::Transition),
            Verdict::OutcomeUnknown => row("OutcomeUnknown", Unknown, Reconciling, Pace::Outcome).quoting().warning(),
            Verdict::StatusUnknown => row("StatusUnknown", Unknown, Reconciling, Pace::Transition).warning(),

            Verdict::WouldActivate => row("WouldActivate", False, None, Pace::Settled),
            Verdict::WouldDeactivate => row("WouldDeactivate", False, None, Pace::Settled),

            Verdict::DeploymentError => row("DeploymentError", False, Reconciling, Pace::Failure).warning(),
            Verdict::DeploymentFailed => row("DeploymentFailed", False, Stalled, Pace::Settled),
            Verdict::NothingDeployed => row("NothingDeployed", False, Stalled, Pace::Settled),
            Verdict::BaseModelCannotDeactivate => row("BaseModelCannotDeactivate", False, Stalled, Pace::Settled),
            Verdict::CallHadNoEffect => row("CallHadNoEffect", False, Stalled, Pace::Settled),
            Verdict::Conflict => row("Conflict", False, Stalled, Pace::Settled),
            Verdict::DriftContention => row("DriftContention", False, Stalled, Pace::Settled),
            Verdict::ProgressDeadlineExceeded => row("ProgressDeadlineExceeded", False, Stalled, Pace::Overdue),
            Verdict::Rejected => row("Rejected", False, Reconciling, Pace::Refusal).quoting().warning(),
            Verdict::RejectedForGood => row("Rejected", False, Stalled, Pace::Settled).quoting(),

            Verdict::CredentialsNotFound => row("CredentialsNotFound", False, Stalled, Pace::Probe).out_of_sync(),
            Verdict::CredentialsInvalid => row("CredentialsInvalid", False, Stalled, Pace::Probe).out_of_sync(),
            Verdict::OperatorKeyNotAllowed => row("OperatorKeyNotAllowed", False, Stalled, Pace::Probe).out_of_sync(),
            Verdict::Unauthenticated => row("Unauthenticated", False, Stalled, Pace::Probe).out_of_sync(),
            Verdict::Forbidden => row("Forbidden", False, Stalled, Pace::Probe).out_of_sync().quoting(),
            Verdict::PaymentRequired => row("PaymentRequired", False, Stalled, Pace::Payment).out_of_sync().quoting(),
            Verdict::ModelNotFound => row("ModelNotFound", False, Stalled, Pace::Settled).out_of_sync().quoting(),
            Verdict::RateLimited => row("RateLimited", Kept, Reconciling, Pace::Told).out_of_sync(),
            Verdict::HubFailing => row("HubUnreachable", Kept, Reconciling, Pace::Backoff).out_of_sync().quoting(),
            Verdict::HubUnreachable => row("HubUnreachable", Unknown, Reconciling, Pace::Backoff).out_of_sync().quoting(),
            Verdict::UnexpectedResponse => row("UnexpectedResponse", Unknown, Reconciling, Pace::Probe).out_of_sync().quoting(),
            Verdict::AnotherModel => row("AnotherModel", Unknown, Stalled, Pace::Probe).out_of_sync().quoting(),
            Verdict::IdentityChanged => row("IdentityChanged", False, Stalled, Pace::Settled).out_of_sync(),
            Verdict::InvalidSpec => row("InvalidSpec", False, Stalled, Pace::Settled).out_of_sync(),

            Verdict::LetGo => row("LetGo", False, Reconciling, Pace::Settled),
        }
    }
}
