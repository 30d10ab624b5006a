//! The verdict: one word for what was found. Everything that users see follows from it.

use strum::{EnumMessage, VariantArray};

/// What was found of an object. A variant's name is the reason that people read, except where
/// [`Verdict::presentation`] says otherwise.
///
/// The first paragraph of a variant's documentation says what it means, and the second what to do.
/// `docs/reasons.md` is generated from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumMessage, VariantArray)]
pub enum Verdict {
    /// The model is active, as declared.
    Active,
    /// The model is inactive or has no deployment, as declared.
    Inactive,
    /// The model is a base model, which is always active and is billed by use.
    AlwaysActive,
    /// The hub turned the idle model off, and `spec.idleShutdown` is `Allow`. The model stays off
    /// until the spec changes, a reconcile is requested, or a request wakes it.
    IdleShutdown,
    /// The operator sent the activate call, or the model is deploying.
    ///
    /// Wait.
    Activating,
    /// The operator sent the deactivate call, or the model is deactivating.
    ///
    /// Wait.
    Deactivating,
    /// The model left the desired state although the object had not changed, and the operator
    /// corrects that. The hub turns off a model that has had no requests for about 15 minutes.
    ///
    /// Set `spec.idleShutdown` to `Allow` if an idle model may be off. Otherwise find out what
    /// changed the model.
    CorrectingDrift,
    /// The model is declared inactive and is deploying. The operator deactivates it once the
    /// deployment has ended, or once the progress deadline has passed.
    ///
    /// Wait.
    WaitingForDeployment,
    /// The model is declared active and is deactivating. The operator activates it once the
    /// deactivation has ended.
    ///
    /// Wait.
    WaitingForDeactivation,
    /// A call is due, and another OxenModel of the same model has an open operation or has not been
    /// observed yet. The operator waits for an open operation for two minutes and two more live
    /// GETs, even if its object is gone.
    ///
    /// Wait.
    OperationInProgress,
    /// The operator sent a call and its answer was lost. It sends no other call until the hub shows
    /// the effect of the first, or has shown none for two minutes.
    ///
    /// Wait.
    OutcomeUnknown,
    /// The hub doesn't report what the deployment is doing, or uses a word that this version
    /// doesn't know. The operator makes no call until that changes. Past the progress deadline the
    /// reason is `ProgressDeadlineExceeded`.
    ///
    /// Check the model on the hub.
    StatusUnknown,
    /// The object is suspended, and the hub doesn't report what the deployment is doing.
    SuspendedStatusUnknown,
    /// The object is suspended, and its model is declared active but is not active.
    ///
    /// To let the operator act, set `spec.suspend` to false. If the message names `--observe-only`,
    /// remove that flag.
    WouldActivate,
    /// The object is suspended, and its model is declared inactive but is not inactive.
    ///
    /// To let the operator act, set `spec.suspend` to false. If the message names `--observe-only`,
    /// remove that flag.
    WouldDeactivate,
    /// The hub's deployment failed. The operator retries after 1, 5 and 15 minutes, within the
    /// three calls of a generation.
    ///
    /// Check what the hub says about the model.
    DeploymentError,
    /// The hub's deployment failed, and failed again after each call that the generation may make.
    ///
    /// Check what the hub says about the model, then request a reconcile.
    DeploymentFailed,
    /// The model is declared active, and the hub lists no deployment of it.
    ///
    /// Deploy the model on the hub first.
    NoDeployment,
    /// The model is declared inactive, and it is a base model.
    ///
    /// Declare it active, or delete the object.
    BaseModelCannotDeactivate,
    /// The hub accepted three calls, and the model is still as it was.
    ///
    /// Check what the hub says about the model, then request a reconcile.
    CallHadNoEffect,
    /// An older OxenModel controls this model.
    ///
    /// Delete one of the two.
    Conflict,
    /// The model was corrected three times within an hour and left the desired state again. The
    /// operator makes the next correction when an hour has passed since the first of the three.
    ///
    /// Set `spec.idleShutdown` to `Allow` if an idle model may be off. Otherwise find out what else
    /// controls the model.
    DriftContention,
    /// An activate call is due, and an OxenBudget of the namespace refuses it: too many models are
    /// on, or they cost too much. The message names the budget and the limit. The operator makes
    /// the call once there is room.
    ///
    /// Turn another model of the namespace off, or have the limit raised.
    BudgetExceeded,
    /// An activate call is due, and it is not known what the OxenBudgets of the namespace allow:
    /// they can't be listed, or the one that the message names can't be decoded.
    ///
    /// Do what the message says.
    BudgetUnknown,
    /// An activate call is due, and an OxenBudget of the namespace may have no room for it: the
    /// OxenModel that the message names has not been observed yet, so its model may be on. The
    /// operator makes the call once it knows that there is room.
    ///
    /// Wait. If it takes long, find out why the other OxenModel is not observed.
    BudgetPending,
    /// The transition takes longer than the progress deadline.
    ///
    /// Check what the hub says about the model, or raise `spec.progressDeadline`.
    ProgressDeadlineExceeded,
    /// The hub refused the call, for the reason in the message. The operator retries the call, less
    /// often each time. From the fifth refusal on, the object is Stalled.
    ///
    /// Fix the problem that the message describes.
    Rejected,
    /// The hub accepts the API key for reading, and refused the call with 401. The operator retries
    /// the call, less often each time. From the fifth refusal on, the object is Stalled.
    ///
    /// Put a key that may change the model into the Secret.
    CallUnauthenticated,
    /// The hub doesn't allow the API key to make the call (403). The operator retries the call,
    /// less often each time. From the fifth refusal on, the object is Stalled.
    ///
    /// Use a key of the account that owns the model.
    CallForbidden,
    /// The hub requires payment for the call (402). The operator retries the call, less often each
    /// time. From the fifth refusal on, the object is Stalled.
    ///
    /// Check the account's billing.
    CallPaymentRequired,
    /// The hub showed the model, and answered the call with `Model not found`. The operator retries
    /// the call, less often each time. From the fifth refusal on, the object is Stalled.
    ///
    /// Check the model on the hub.
    CallModelNotFound,
    /// A call's answer was lost, and the call had no effect. The operator retries the call, less
    /// often each time. From the fifth such call on, the object is Stalled.
    ///
    /// Check the network and the hub.
    CallOutcomeUnknown,
    /// The API server doesn't store the status as it was sent, so no operation can be recorded and
    /// no call is made.
    ///
    /// Upgrade the CustomResourceDefinition.
    CrdOutdated,
    /// The Secret doesn't exist, doesn't have the key, or may not be read.
    ///
    /// Run the command in the message.
    CredentialsNotFound,
    /// The Secret's value isn't a valid API key: it is empty, spans several lines, or isn't text.
    ///
    /// Run the command in the message, which replaces the key in the Secret.
    CredentialsInvalid,
    /// The operator has an API key of its own, and this namespace may not use it.
    ///
    /// Create the Secret, or add the namespace to `--operator-key-namespaces`.
    OperatorKeyNotAllowed,
    /// The hub doesn't accept the API key (401).
    ///
    /// Put a valid key into the Secret.
    Unauthenticated,
    /// The hub doesn't allow the API key to do this with this model (403).
    ///
    /// Use a key of the account that owns the model.
    Forbidden,
    /// The hub requires payment (402).
    ///
    /// Check the account's billing.
    PaymentRequired,
    /// The hub knows no such model for this API key. The message lists similar names.
    ///
    /// Create an OxenModel with the right name, or use the owner's key.
    ModelNotFound,
    /// The hub limits the rate of requests, and the operator waits for as long as the hub asks, or
    /// backs off if the hub names no time. Ready keeps its status for three sync intervals, at most
    /// 15 minutes, and Synced has this reason.
    ///
    /// Wait.
    RateLimited,
    /// The hub has answered with nothing but rate limits for three sync intervals or 15 minutes,
    /// whichever is less.
    ///
    /// Find out what else uses the API key, or lower `--hub-rate`.
    RateLimitedLong,
    /// The hub has stopped answering, or its answers are not about the model. Ready keeps its
    /// status for three sync intervals, at most 15 minutes.
    ///
    /// Check the network and the hub.
    HubFailing,
    /// The hub has not answered for three sync intervals or 15 minutes, whichever is less.
    ///
    /// Check the network and the hub.
    HubUnreachable,
    /// The hub's response can't be read.
    ///
    /// Check that `OXEN_BASE_URL` is the hub's URL.
    UnexpectedResponse,
    /// The hub was asked for one model and answered with another.
    ///
    /// If the other model is the one that you mean, create an OxenModel with its name.
    ModelMismatch,
    /// The name now stands for another model, or for a model of another account.
    ///
    /// Restore the right key, or accept the change by requesting a reconcile.
    IdentityChanged,
    /// The stored object doesn't match the current schema.
    ///
    /// Correct the field that the message names.
    InvalidSpec,
    /// The finalizer was removed, so the deletion ends. Only an event has this reason.
    Released,
}

/// The status of the condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The model is in the desired state.
    True,
    /// The model is not in the desired state.
    False,
    /// It is not known whether the model is in the desired state.
    Unknown,
    /// The status stays as it was for this generation, and is unknown for a new one.
    Kept,
}

/// The condition that kstatus reads beside `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is neither `Reconciling` nor `Stalled`.
    None,
    /// `Reconciling`: the operator is working towards the desired state.
    Reconciling,
    /// `Stalled`: a person or a change is needed.
    Stalled,
}

/// When to reconcile next. `requeue.rs` turns the policy into a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequeuePolicy {
    /// After the sync interval, with jitter.
    SyncInterval,
    /// After a time that grows with the age of the transition.
    Transition,
    /// After a time that grows with the age of the call.
    Outcome,
    /// When a failed deployment may be retried.
    Failure,
    /// Every minute, because the progress deadline has passed, or because a budget allows no call.
    Overdue,
    /// When a refused key may be tried again. It also holds for missing credentials and responses
    /// that can't be read.
    Unauthorized,
    /// When an account that can't pay is polled again.
    Payment,
    /// After a time that doubles with each unanswered request, with full jitter.
    Backoff,
    /// When the hub allows the next request.
    RetryAfter,
}

/// The type of the event that a transition publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The transition is expected.
    Normal,
    /// The transition may need attention.
    Warning,
}

/// Everything that is shown for a verdict, and when to reconcile next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The reason of the conditions and the event, and the metrics' label.
    pub reason: &'static str,
    /// The condition `Ready`.
    pub ready: Ready,
    /// The condition `Reconciling`, `Stalled` or neither.
    pub progress: Progress,
    /// The condition `Synced`: the hub answered for this model with this key.
    pub synced: bool,
    /// The type of the event.
    pub event: EventType,
    /// When to reconcile next.
    pub requeue: RequeuePolicy,
    /// Whether the finding waits for the model, which the progress deadline bounds.
    pub waits: bool,
    /// Whether the hub refused a call that is retried.
    pub refusal: bool,
    /// Whether the message quotes somebody whose words may change while nothing else does. In that
    /// case the first message is kept.
    pub quotes: bool,
}

const fn row(
    reason: &'static str,
    ready: Ready,
    progress: Progress,
    requeue: RequeuePolicy,
) -> Presentation {
    let event = match progress {
        Progress::Stalled => EventType::Warning,
        Progress::None | Progress::Reconciling => EventType::Normal,
    };
    Presentation {
        reason,
        ready,
        progress,
        synced: true,
        event,
        requeue,
        waits: false,
        refusal: false,
        quotes: false,
    }
}

impl Presentation {
    /// Presents a fault of the hub or of the key: `Synced` is False, and the event is a warning.
    const fn out_of_sync(self) -> Self {
        Self {
            synced: false,
            event: EventType::Warning,
            ..self
        }
    }

    /// Presents a finding that needs a person or a change: `Stalled` is True, and the event is a
    /// warning.
    pub(super) const fn stalled(self) -> Self {
        Self {
            progress: Progress::Stalled,
            event: EventType::Warning,
            ..self
        }
    }

    const fn waiting(self) -> Self {
        Self {
            waits: true,
            ..self
        }
    }

    /// Presents a refused call that is retried: the message quotes the hub, and the event is a
    /// warning.
    const fn refused(self) -> Self {
        Self {
            refusal: true,
            quotes: true,
            event: EventType::Warning,
            ..self
        }
    }

    const fn quoting(self) -> Self {
        Self {
            quotes: true,
            ..self
        }
    }

    const fn warning(self) -> Self {
        Self {
            event: EventType::Warning,
            ..self
        }
    }
}

impl Verdict {
    /// Every verdict, in the order of this file.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What the verdict means and, in a second paragraph, what to do about it if anything.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }

    /// Everything that is shown for the verdict.
    #[must_use]
    #[rustfmt::skip] // a table is easier to read on one line per row
    pub const fn presentation(self) -> Presentation {
        use Progress::{None, Reconciling, Stalled};
        use Ready::{False, Kept, True, Unknown};
        use RequeuePolicy as Requeue;
        match self {
            Verdict::Active => row("Active", True, None, Requeue::SyncInterval),
            Verdict::Inactive => row("Inactive", True, None, Requeue::SyncInterval),
            Verdict::AlwaysActive => row("AlwaysActive", True, None, Requeue::SyncInterval),
            Verdict::IdleShutdown => row("IdleShutdown", True, None, Requeue::SyncInterval),

            Verdict::Activating => row("Activating", False, Reconciling, Requeue::Transition).waiting(),
            Verdict::Deactivating => row("Deactivating", False, Reconciling, Requeue::Transition).waiting(),
            Verdict::CorrectingDrift => row("CorrectingDrift", False, Reconciling, Requeue::Transition).waiting().warning(),
            Verdict::WaitingForDeployment => row("WaitingForDeployment", False, Reconciling, Requeue::Transition).waiting(),
            Verdict::WaitingForDeactivation => row("WaitingForDeactivation", False, Reconciling, Requeue::Transition).waiting(),
            Verdict::OperationInProgress => row("OperationInProgress", False, Reconciling, Requeue::Transition).waiting(),
            Verdict::OutcomeUnknown => row("OutcomeUnknown", Unknown, Reconciling, Requeue::Outcome).waiting().quoting().warning(),
            Verdict::StatusUnknown => row("StatusUnknown", Unknown, Reconciling, Requeue::Transition).waiting().warning(),

            Verdict::WouldActivate => row("WouldActivate", False, None, Requeue::SyncInterval),
            Verdict::WouldDeactivate => row("WouldDeactivate", False, None, Requeue::SyncInterval),
            Verdict::SuspendedStatusUnknown => row("StatusUnknown", Unknown, None, Requeue::SyncInterval),

            Verdict::DeploymentError => row("DeploymentError", False, Reconciling, Requeue::Failure).warning(),
            Verdict::DeploymentFailed => row("DeploymentFailed", False, Stalled, Requeue::SyncInterval),
            Verdict::NoDeployment => row("NoDeployment", False, Stalled, Requeue::SyncInterval),
            Verdict::BaseModelCannotDeactivate => row("BaseModelCannotDeactivate", False, Stalled, Requeue::SyncInterval),
            Verdict::CallHadNoEffect => row("CallHadNoEffect", False, Stalled, Requeue::SyncInterval),
            Verdict::Conflict => row("Conflict", False, Stalled, Requeue::SyncInterval),
            Verdict::DriftContention => row("DriftContention", False, Stalled, Requeue::SyncInterval),
            Verdict::BudgetExceeded => row("BudgetExceeded", False, Stalled, Requeue::Overdue),
            Verdict::BudgetUnknown => row("BudgetUnknown", False, Stalled, Requeue::Overdue),
            Verdict::BudgetPending => row("BudgetPending", False, Reconciling, Requeue::Overdue),
            Verdict::ProgressDeadlineExceeded => row("ProgressDeadlineExceeded", False, Stalled, Requeue::Overdue),
            Verdict::CrdOutdated => row("CRDOutdated", False, Stalled, Requeue::SyncInterval),

            Verdict::Rejected => row("Rejected", False, Reconciling, Requeue::SyncInterval).refused(),
            Verdict::CallUnauthenticated => row("Unauthenticated", False, Reconciling, Requeue::SyncInterval).refused(),
            Verdict::CallForbidden => row("Forbidden", False, Reconciling, Requeue::SyncInterval).refused(),
            Verdict::CallPaymentRequired => row("PaymentRequired", False, Reconciling, Requeue::SyncInterval).refused(),
            Verdict::CallModelNotFound => row("ModelNotFound", False, Reconciling, Requeue::SyncInterval).refused(),
            Verdict::CallOutcomeUnknown => row("OutcomeUnknown", False, Reconciling, Requeue::SyncInterval).refused(),

            Verdict::CredentialsNotFound => row("CredentialsNotFound", False, Stalled, Requeue::Unauthorized).out_of_sync(),
            Verdict::CredentialsInvalid => row("CredentialsInvalid", False, Stalled, Requeue::Unauthorized).out_of_sync(),
            Verdict::OperatorKeyNotAllowed => row("OperatorKeyNotAllowed", False, Stalled, Requeue::Unauthorized).out_of_sync(),
            Verdict::Unauthenticated => row("Unauthenticated", False, Stalled, Requeue::Unauthorized).out_of_sync(),
            Verdict::Forbidden => row("Forbidden", False, Stalled, Requeue::Unauthorized).out_of_sync().quoting(),
            Verdict::PaymentRequired => row("PaymentRequired", False, Stalled, Requeue::Payment).out_of_sync().quoting(),
            Verdict::ModelNotFound => row("ModelNotFound", False, Stalled, Requeue::SyncInterval).out_of_sync().quoting(),
            Verdict::RateLimited => row("RateLimited", Kept, Reconciling, Requeue::RetryAfter).out_of_sync().quoting(),
            Verdict::RateLimitedLong => row("RateLimited", Unknown, Reconciling, Requeue::RetryAfter).out_of_sync().quoting(),
            Verdict::HubFailing => row("HubUnreachable", Kept, Reconciling, Requeue::Backoff).out_of_sync().quoting(),
            Verdict::HubUnreachable => row("HubUnreachable", Unknown, Reconciling, Requeue::Backoff).out_of_sync().quoting(),
            Verdict::UnexpectedResponse => row("UnexpectedResponse", Unknown, Reconciling, Requeue::Unauthorized).out_of_sync().quoting(),
            Verdict::ModelMismatch => row("ModelMismatch", Unknown, Stalled, Requeue::Unauthorized).out_of_sync().quoting(),
            Verdict::IdentityChanged => row("IdentityChanged", False, Stalled, Requeue::SyncInterval).out_of_sync(),
            Verdict::InvalidSpec => row("InvalidSpec", False, Stalled, Requeue::SyncInterval).out_of_sync(),

            Verdict::Released => row("Released", False, Reconciling, Requeue::SyncInterval),
        }
    }
}
