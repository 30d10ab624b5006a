//! The requests of the keeper: it reads the object, writes the annotation, and tries again.

use std::time::Duration;

use jiff::Timestamp;
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};

use super::{
    readiness::{ModelReadiness, readiness},
    renewal::{Renewal, renewal},
};
use crate::{
    api::{OVERRIDE_ANNOTATION, OxenModel, Span},
    backoff::doubled,
};

/// The owner of the annotation. Flux takes back the fields of owners that begin with `kubectl`.
const FIELD_MANAGER: &str = "oxen-keeper";

/// The longest time for one request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The first pause after a failed request. It doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// The time between two reads of the object during a wait.
const POLL: Duration = Duration::from_secs(2);

/// The fields of the status that the keeper reads. It reads no others, so that it understands the
/// objects of a newer operator.
const FIELDS: [&str; 6] = [
    "conditions",
    "desired",
    "handledOverride",
    "live",
    "override",
    "refusedOverride",
];

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
    let mut first = true;
    let mut failures = 0;
    loop {
        let pause = match round(api, name, lasts, first).await {
            Ok(Renewal::Stop) => break,
            Ok(renewal) => {
                match renewal {
                    Renewal::Write(value) => info!(name, override = value, "renewed the override"),
                    Renewal::Leave(why) => info!(name, why, "left the override as it is"),
                    Renewal::Stop => {}
                }
                (first, failures) = (false, 0);
                every
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

/// One renewal: reads the object and writes what is due. A write is refused if the object has
/// changed since it was read, so that no request of a person is lost.
async fn round(
    api: &Api<DynamicObject>,
    name: &str,
    lasts: Duration,
    first: bool,
) -> Result<Renewal, Trouble> {
    let object = read(api, name).await?;
    let renewal = renewal(&object, Timestamp::now(), lasts, first);
    if let Renewal::Write(value) = &renewal {
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
        written.map_err(|_| Trouble::Silence)??;
    }
    Ok(renewal)
}

async fn read(api: &Api<DynamicObject>, name: &str) -> Result<OxenModel, Trouble> {
    let object = timeout(REQUEST_TIMEOUT, api.get(name)).await;
    let object = object.map_err(|_| Trouble::Silence)??;
    let status = object.data.get("status").and_then(Value::as_object);
    let fields = status.into_iter().flatten();
    let fields = fields.filter(|(field, _)| FIELDS.contains(&field.as_str()));
    let mut status: Map<String, Value> = fields.map(|(k, v)| (k.clone(), v.clone())).collect();
    status.insert("observedGeneration".into(), json!(-1));
    // No decision of the keeper depends on the spec.
    let spec = json!({"model": name, "state": "inactive"});
    let mut model = OxenModel::new(name, serde_json::from_value(spec)?);
    model.metadata = object.metadata;
    model.status = Some(serde_json::from_value(Value::Object(status))?);
    Ok(model)
}

/// Waits until the model is active.
pub(super) async fn wait(
    api: &Api<DynamicObject>,
    name: &str,
    limit: Duration,
) -> Result<(), WaitError> {
    let end = Instant::now() + limit;
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
    let ended = timeout_at(end, looks).await;
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
    let mut text = trouble.to_string();
    let mut cause = std::error::Error::source(trouble);
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
