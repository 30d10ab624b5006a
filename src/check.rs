//! `oxen-operator check`: whether the hub can be reached and accepts the API key. It sends one
//! request, which changes nothing.

use crate::{
    config::{ConfigError, HubArgs, KeySourceError},
    decide::HubFault,
    hub::{Client, Limits, SetupError},
};

/// Why the hub can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A setting can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operator has no API key.
    #[error("there is no API key: set OXEN_API_KEY_FILE or OXEN_API_KEY")]
    NoKey,
    /// The operator's API key can't be used.
    #[error(transparent)]
    Key(#[from] KeySourceError),
    /// The HTTP client could not be built.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The hub gave no usable answer.
    #[error("{hub} {}", words(.fault))]
    Hub {
        /// The hub's URL.
        hub: String,
        /// The hub's fault.
        fault: HubFault,
    },
}

/// Lists the models once. `environment` is the value of the environment variable `OXEN_API_KEY`, if
/// it is set.
///
/// # Errors
///
/// Says why the hub can't be used, and which setting to check.
pub async fn check(args: &HubArgs, environment: Option<Vec<u8>>) -> Result<String, CheckError> {
    let route = args.route()?;
    let hub = route.base.to_string();
    let source = args.key(environment.as_deref())?;
    let key = source.ok_or(CheckError::NoKey)?.key().await?;
    let client = Client::new(route, Limits::default(), |_, _, _| ())?;
    match client.list(&key, None, None).await {
        Ok(models) => Ok(format!(
            "{hub} can be reached and accepts the API key. It lists {} models.\n",
            models.len()
        )),
        Err(fault) => Err(CheckError::Hub { hub, fault }),
    }
}

fn words(fault: &HubFault) -> String {
    match fault {
        HubFault::Unauthenticated => "doesn't accept the API key".into(),
        HubFault::Forbidden(words) => format!("doesn't allow this API key to list models: {words}"),
        HubFault::PaymentRequired(words) => format!("requires payment: {words}"),
        HubFault::RateLimited { .. } => "limits the rate of requests; try again later".into(),
        HubFault::Unreachable(words) => {
            format!("can't be reached: {words}; check OXEN_BASE_URL and OXEN_PROXY")
        }
        HubFault::Unexpected(words)
        | HubFault::Rejected(words)
        | HubFault::ModelMismatch(words) => {
            format!(
                "gave a response that can't be read: {words}; check that OXEN_BASE_URL is the hub's URL"
            )
        }
        HubFault::ModelNotFound(_) => "has no list of models".into(),
    }
}
