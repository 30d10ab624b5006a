//! The requests of the keeper: it reads the object, writes the annotation, and tries again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::{DynamicObject, ObjectMeta},
};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{
    object::{FIELD_MANAGER, behind, understood},
    readiness::{ModelReadiness, readiness},
    renewal::{Known, Renewal, renewal, shows},
};
use crate::{
    api::{OVERRIDE_ANNOTATION, OxenModel, Span},
    backoff::doubled,
    causes::with_causes,
};

/// The longest time for one request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The first pause after a failed request. It doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// The time between two reads of the object during a wait.
const POLL: Duration = Duration::from_secs(2);

/// The difference of two clocks that is worth a warning.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Why a request of the keeper failed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Silence,
    #[error(transparent)]
    Kube(#[from] kube::Error),
    #[error("the object can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl Trouble {
    /// Returns true when the object changed between the read and the write.
    fn is_conflict(&self) -> bool {
        matches!(self, Trouble::Kube(kube::Error::Api(answer)) if answer.code == 409)
    }
}

/// Why a wait ended without an active model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// A person or a change is needed.
    #[error("the OxenModel {name} is Stalled: {says}")]
    Stalled {
        /// The object's name.
        name: String,
        /// The reason and the message.
        says: String,
    },
    /// The time was over.
    #[error("the model of the OxenModel {name} is not active after {limit}: {last}")]
    TimedOut {
        /// The object's name.
        name: String,
        /// The time limit.
        limit: Span,
        /// What was seen last.
        last: String,
    },
    /// The process was told to end.
    #[error("stopped before the model of the OxenModel {name} was active")]
    Interrupted {
        /// The object's name.
        name: String,
    },
}

/// Renews the override until somebody ends it with `none`. A failed renewal is retried without a
/// limit.
pub(super) async fn renew(api: &Api<DynamicObject>, name: &str, lasts: Duration, every: Duration) {
    let mut memory = Memory::default();
    let mut failures = 0;
    loop {
        let pause = match round(api, name, lasts, &mut memory).await {
            Ok(Renewal::Stop) => break,
            Ok(renewal) => {
                failures = 0;
                match &renewal {
                    Renewal::Write(value) => info!(name, override = value, "renewed the override"),
                    Renewal::Leave(it) => {
                        info!(name, override = it.value, "left the override as it is");
                    }
                    Renewal::Blocked(why) => info!(name, why, "no override can be requested now"),
                    Renewal::Stop => {}
                }
                renewal.pause(Timestamp::now(), every)
            }
            Err(trouble) => {
                let pause = doubled(FIRST_PAUSE, failures, LAST_PAUSE.min(every));
                failures += 1;
                if trouble.is_conflict() {
                    info!(name, "the object has changed meanwhile; reading it again");
                } else {
                    warn!(
                        name,
                        error = explained(&trouble),
                        "can't renew the override"
                    );
                }
                pause
            }
        };
        sleep(pause).await;
    }
    warn!(
        name,
        "somebody ended the override with `none`; this process renews nothing until it is started \
         again"
    );
}

/// What a process remembers of its renewals.
#[derive(Default)]
struct Memory {
    /// Tells a new `none` from an old one.
    known: Known,
    /// The value of the last write that may have succeeded.
    sent: Option<String>,
}

/// One renewal: reads the object and writes what is due. A write is refused if the object has
/// changed since it was read, so that no request of a person is lost.
async fn round(
    api: &Api<DynamicObject>,
    name: &str,
    lasts: Duration,
    memory: &mut Memory,
) -> Result<Renewal, Trouble> {
    let object = read(api, name).await?;
    // The answer to a write that succeeded may have been lost.
    let sent = memory.sent.as_deref();
    if sent.is_some_and(|value| shows(&object, value)) {
        memory.known.note(&object);
    }
    let renewal = renewal(&object, Timestamp::now(), lasts, memory.known);
    if let Renewal::Write(value) = &renewal {
        let written = write(api, name, &object, value).await;
        if !written.as_ref().is_err_and(Trouble::is_conflict) {
            memory.sent = Some(value.clone());
        }
        warn_of_clock(name, &written?);
    }
    if !matches!(renewal, Renewal::Blocked(_)) {
        memory.known.note(&object);
    }
    Ok(renewal)
}

/// Sets the annotation, unless the object has changed since it was read. Returns the metadata of
/// the answer.
async fn write(
    api: &Api<DynamicObject>,
    name: &str,
    object: &OxenModel,
    value: &str,
) -> Result<ObjectMeta, Trouble> {
    let patch = json!({"metadata": {
        "resourceVersion": object.metadata.resource_version,
        "annotations": {OVERRIDE_ANNOTATION: value},
    }});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(&patch);
    let written = timeout(REQUEST_TIMEOUT, api.patch(name, &params, &patch)).await;
    Ok(written.map_err(|_| Trouble::Silence)??.metadata)
}

/// Warns of a clock that makes overrides end at another time than the flags say.
fn warn_of_clock(name: &str, written: &ObjectMeta) {
    let Some(behind) = behind(written, Timestamp::now()) else {
        return;
    };
    if behind.abs() < CLOCKS_DIFFER {
        return;
    }
    let off = Span(Duration::from_secs(behind.as_secs().unsigned_abs()));
    let (is, ends) = if behind.is_positive() {
        ("behind", "earlier")
    } else {
        ("ahead of", "later")
    };
    warn!(
        name,
        "this process's clock is {off} {is} the API server's, so each override ends that much \
         {ends}; correct the clock of the node"
    );
}

async fn read(api: &Api<DynamicObject>, name: &str) -> Result<OxenModel, Trouble> {
    let object = timeout(REQUEST_TIMEOUT, api.get(name)).await;
    Ok(understood(object.map_err(|_| Trouble::Silence)??)?)
}

/// Waits until the model is active.
pub(super) async fn wait(
    api: &Api<DynamicObject>,
    name: &str,
    limit: Duration,
) -> Result<(), WaitError> {
    let mut last = String::from("it was not observed");
    let looks = async {
        loop {
            let seen = match read(api, name).await {
                Ok(object) => match readiness(&object, Timestamp::now()) {
                    ModelReadiness::Active => return Ok(()),
                    ModelReadiness::Waiting(says) => says,
                    ModelReadiness::Stalled(says) => {
                        let name = name.to_owned();
                        return Err(WaitError::Stalled { name, says });
                    }
                },
                Err(trouble) => explained(&trouble),
            };
            if seen != last {
                info!(name, "waiting: {seen}");
                last = seen;
            }
            sleep(POLL).await;
        }
    };
    let ended = timeout(limit, looks).await;
    ended.unwrap_or_else(|_| {
        Err(WaitError::TimedOut {
            name: name.to_owned(),
            limit: Span(limit),
            last,
        })
    })
}

/// The trouble with what to do about it.
fn explained(trouble: &Trouble) -> String {
    if let Trouble::Kube(kube::Error::Api(answer)) = trouble {
        let fix = match answer.code {
            403 => ". Grant the pod's ServiceAccount get and patch on this OxenModel",
            404 => ". Create the OxenModel, or correct --model-object",
            _ => "",
        };
        return format!("{}{fix}", answer.message.trim_end_matches('.'));
    }
    with_causes(trouble)
}
